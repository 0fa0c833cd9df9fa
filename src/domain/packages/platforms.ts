import { randomBytes } from 'node:crypto'
import { sha256Hex } from '../../lib/ids.js'
import type { AccountStore } from '../accounts/ports.js'
import { HubError } from '../errors.js'
import { type Actor, makeEvent } from '../events/events.js'
import type { EventStore } from '../events/ports.js'
import type { Caller, Namespace } from '../types.js'
import { mayWrite, type PackagePolicy } from './policy.js'
import type { PackageStores, Platform, PlatformRole, Shelf } from './ports.js'
import { Problems } from './problems.js'

export const DISTRIB_TYPES: readonly string[] = ['mdv', 'rhel', 'arm', 'dnf']
/** One accepted export of a platform's packages in this time. */
export const EXPORT_WINDOW_SECONDS = 15 * 60

export interface PlatformOrder {
  readonly name?: string | null | undefined
  readonly description?: string | null | undefined
  readonly defaultBranch?: string | null | undefined
  readonly distribType?: string | null | undefined
  readonly released?: boolean | undefined
  readonly visibility?: string | undefined
  readonly owner?: Namespace | undefined
}

/** Distributions: who sees them, who runs them. */
export class Platforms {
  readonly #stores: PackageStores
  readonly #policy: PackagePolicy
  readonly #accounts: AccountStore
  readonly #events: EventStore
  #personal: Promise<void> | undefined

  constructor(parts: {
    packages: PackageStores
    packagePolicy: PackagePolicy
    accounts: AccountStore
    events: EventStore
  }) {
    this.#stores = parts.packages
    this.#policy = parts.packagePolicy
    this.#accounts = parts.accounts
    this.#events = parts.events
  }

  /** New accounts come with their personal platform; the ones from before there were any get it here, once a process. */
  ensurePersonal(): Promise<void> {
    this.#personal ??= this.#stores.platforms.ensurePersonal().catch((err) => {
      this.#personal = undefined
      throw err
    })
    return this.#personal
  }

  /** Throws `not_found`, or `forbidden` for a hidden one (ABF says so, not 404). */
  async read(caller: Caller, id: number | string): Promise<Platform> {
    const platform = await (typeof id === 'number'
      ? this.#stores.platforms.find(id)
      : this.#stores.platforms.findByName(id))
    if (!platform) throw notFound()
    if (!(await this.#policy.canSee(caller, platform))) throw forbidden()
    return platform
  }

  /** As `read`, for GA, and LA of a main platform. */
  async readMain(caller: Caller, id: number | string): Promise<Platform> {
    const platform = await this.read(caller, id)
    if (platform.type !== 'main' || !(await this.#policy.isAdmin(caller, platform)))
      throw forbidden()
    return platform
  }

  /** As `read`, for GA and the owner. */
  async readOwned(caller: Caller, id: number | string): Promise<Platform> {
    const platform = await this.read(caller, id)
    const may = caller.isSiteAdmin || this.#policy.isOwner(caller, platform.owner)
    if (!may || !mayWrite(caller)) throw forbidden()
    return platform
  }

  async create(actor: Actor, order: PlatformOrder): Promise<Platform> {
    if (!actor.caller.isSiteAdmin) throw forbidden()
    const owner = order.owner ?? actor.caller.user
    const problems = await this.#problemsOfNew({
      ...order,
      name: order.name ?? null,
      description: order.description ?? null,
      defaultBranch: order.defaultBranch ?? null,
    })
    const name = order.name ?? ''
    if (!owner) problems.add("Owner can't be blank")
    problems.throwIfAny()
    if (!owner) throw new HubError('internal', 'a platform without an owner')
    const platform = await this.#stores.platforms.create({
      name,
      description: order.description ?? '',
      visibility: order.visibility === 'hidden' ? 'hidden' : 'open',
      distribType: order.distribType ?? 'mdv',
      defaultBranch: order.defaultBranch ?? '',
      released: order.released ?? false,
      ownerId: owner.id,
    })
    await this.#audit(actor, platform, 'create')
    return platform
  }

  /** Name, type and distribution stay as they are; `released` never goes back; a personal platform keeps its owner. */
  async update(actor: Actor, platform: Platform, order: PlatformOrder): Promise<void> {
    const problems = checkOrder({ ...order, name: undefined, distribType: undefined })
    if (order.released === false && platform.released) problems.add("Released can't be taken back")
    if (order.owner && platform.type === 'personal' && order.owner.id !== platform.owner.id)
      problems.add("Owner can't be changed")
    problems.throwIfAny()
    const change = {
      ...(order.description ? { description: order.description } : {}),
      ...(order.defaultBranch ? { defaultBranch: order.defaultBranch } : {}),
      ...(order.released !== undefined ? { released: order.released } : {}),
      ...(order.visibility ? { visibility: order.visibility as Platform['visibility'] } : {}),
      ...(order.owner ? { ownerId: order.owner.id } : {}),
    }
    if (Object.keys(change).length === 0) return
    await this.#stores.platforms.update(platform.id, change)
    await this.#audit(actor, platform, 'update')
  }

  /** GA only, main platforms only. What is left out is as in the original; members, tokens and keys do not come along. */
  async clone(actor: Actor, from: Platform, order: PlatformOrder): Promise<Platform> {
    const { user, isSiteAdmin } = actor.caller
    if (!isSiteAdmin || from.type !== 'main') throw forbidden()
    const to = {
      name: order.name ?? '',
      description: order.description ?? from.description,
      defaultBranch: order.defaultBranch ?? from.defaultBranch,
    }
    const problems = await this.#problemsOfNew({ ...to, distribType: from.distribType })
    problems.throwIfAny()
    const ownerId = user?.id ?? from.owner.id
    const platform = await this.#stores.platforms.clone(from, { ...to, ownerId })
    await this.#audit(actor, platform, 'clone', { from: from.name })
    return platform
  }

  /** A personal platform's repositories let go of their projects; the git repositories stay. */
  async clear(actor: Actor, platform: Platform): Promise<void> {
    if (platform.type !== 'personal') throw forbidden()
    const projects = await this.#stores.platforms.clear(platform.id)
    await this.#audit(actor, platform, 'clear', { projects })
  }

  async #problemsOfNew(order: PlatformOrder): Promise<Problems> {
    const problems = checkOrder(order)
    const name = order.name ?? ''
    if (/_personal$/i.test(name)) problems.add('Name is reserved')
    if (name !== '' && (await this.#stores.platforms.findByName(name)))
      problems.add('Name has already been taken')
    return problems
  }

  async delete(actor: Actor, platform: Platform): Promise<void> {
    if (platform.type !== 'main') throw forbidden()
    await this.#stores.platforms.delete(platform.id)
    await this.#audit(actor, platform, 'delete')
  }

  async setMember(
    actor: Actor,
    platform: Platform,
    account: Namespace,
    role: PlatformRole | null,
  ): Promise<void> {
    await this.#stores.platforms.setMember(platform.id, account.id, role)
    await this.#audit(actor, platform, role ? 'add_member' : 'remove_member', {
      member: account.name,
    })
  }

  /** Whether this is a working token of the platform. */
  async admits(platform: Platform, token: string): Promise<boolean> {
    const found = await this.#stores.platformTokens.findActive(sha256Hex(token))
    return found?.platformId === platform.id
  }

  listShelves(platforms: readonly Platform[]): Promise<Shelf[]> {
    return this.#stores.shelves.list(platforms.map((it) => it.id))
  }

  /** The account of this id and kind, as ABF names kinds; undefined when there is none. */
  async findMember(type: unknown, id: number | undefined): Promise<Namespace | undefined> {
    if (id === undefined) return undefined
    const account = await this.#accounts.findNamespaceById(id)
    return account && { user: 'User', org: 'Group' }[account.type] === type ? account : undefined
  }

  #audit(
    actor: Actor,
    platform: Platform,
    action: string,
    data: Record<string, unknown> = {},
  ): Promise<void> {
    const about = { action, platform: platform.name, ...data }
    return this.#events.add(makeEvent('package.platform', actor, undefined, about))
  }
}

function checkOrder(order: PlatformOrder): Problems {
  const problems = new Problems()
  problems.text('Name', order.name, { max: 100, pattern: /^[\w.-]+$/ })
  if (order.name === '.' || order.name === '..') problems.add('Name is invalid')
  problems.text('Description', order.description, { max: 10_000 })
  problems.text('Default branch', order.defaultBranch, { max: 100 })
  if (order.distribType !== undefined && !DISTRIB_TYPES.includes(order.distribType ?? ''))
    problems.add('Distrib type is not included in the list')
  if (order.visibility !== undefined && !['open', 'hidden'].includes(order.visibility))
    problems.add('Visibility is not included in the list')
  return problems
}

const TOKEN = /^pt_[0-9a-f]{40}$/

/** 160 bits; told apart from accounts' tokens by its looks. */
export function newPlatformToken(): string {
  return `pt_${randomBytes(20).toString('hex')}`
}

export function isPlatformToken(text: string): boolean {
  return TOKEN.test(text)
}

export function notFound(): HubError {
  return new HubError('not_found', 'Error 404. Resource not found!')
}

export function forbidden(): HubError {
  return new HubError('forbidden', 'Access violation to this page!')
}
