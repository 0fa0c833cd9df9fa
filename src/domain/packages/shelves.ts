import type { Access } from '../access/access.js'
import { HubError } from '../errors.js'
import { type Actor, makeEvent } from '../events/events.js'
import type { EventStore } from '../events/ports.js'
import type { RepoStore } from '../repos/ports.js'
import type { Caller, Namespace, Repo } from '../types.js'
import { forbidden, notFound } from './platforms.js'
import type { PackagePolicy } from './policy.js'
import type { PackageStores, Platform, Shelf } from './ports.js'
import { Problems } from './problems.js'

export interface ShelfOrder {
  readonly name?: string | null | undefined
  readonly description?: string | null | undefined
  readonly publishWithoutQa?: boolean | undefined
  readonly publishBuildsOnlyFromBranch?: string | null | undefined
  readonly synchronizingPublications?: boolean | undefined
}

export interface OpenedShelf {
  readonly shelf: Shelf
  readonly platform: Platform
}

/** What a caller needs on a shelf; `export`, `sign` and `members` are for main platforms only. */
export type ShelfRight =
  | 'read'
  | 'update'
  | 'destroy'
  | 'members'
  | 'link'
  | 'sign'
  | 'lock'
  | 'export'

/** Shelves of platforms (ABF: repositories), their members and the projects on them. */
export class Shelves {
  readonly #stores: PackageStores
  readonly #policy: PackagePolicy
  readonly #access: Access
  readonly #repos: RepoStore
  readonly #events: EventStore

  constructor(parts: {
    packages: PackageStores
    packagePolicy: PackagePolicy
    access: Access
    repos: RepoStore
    events: EventStore
  }) {
    this.#stores = parts.packages
    this.#policy = parts.packagePolicy
    this.#access = parts.access
    this.#repos = parts.repos
    this.#events = parts.events
  }

  /** Throws `not_found`, or `forbidden` when the caller may not do this with it, or not see its platform. */
  async open(caller: Caller, id: number | undefined, right: ShelfRight): Promise<OpenedShelf> {
    const shelf = id === undefined ? undefined : await this.#stores.shelves.find(id)
    const platform = shelf && (await this.#stores.platforms.find(shelf.platformId))
    if (!shelf || !platform) throw notFound()
    if (!(await this.#may(caller, { shelf, platform }, right))) throw forbidden()
    return { shelf, platform }
  }

  async #may(caller: Caller, it: OpenedShelf, right: ShelfRight): Promise<boolean> {
    const { platform, shelf } = it
    switch (right) {
      case 'read':
        return this.#policy.canSee(caller, platform)
      case 'link':
        return this.#policy.mayLink(caller, platform, shelf)
      case 'lock':
        return this.#policy.mayLock(caller, platform)
      case 'update':
        return this.#policy.isAdmin(caller, platform)
      case 'destroy':
        return !isPersonalMain(platform, shelf.name) && this.#policy.isAdmin(caller, platform)
      default:
        return platform.type === 'main' && this.#policy.isAdmin(caller, platform)
    }
  }

  /** Throws `unprocessable`, or `forbidden` for a platform that the caller does not run. */
  async create(actor: Actor, platform: Platform | undefined, order: ShelfOrder): Promise<Shelf> {
    const problems = checkOrder({
      ...order,
      name: order.name ?? null,
      description: order.description ?? null,
    })
    if (!platform) problems.add("Platform can't be blank")
    else {
      if (!(await this.#policy.isAdmin(actor.caller, platform))) throw forbidden()
      if (isPersonalMain(platform, order.name)) throw forbidden()
      if (order.name && (await this.#stores.shelves.findByName(platform.id, order.name)))
        problems.add('Name has already been taken')
    }
    problems.throwIfAny()
    if (!platform) throw notFound()
    const shelf = await this.#stores.shelves.create({
      platformId: platform.id,
      name: order.name ?? '',
      description: order.description ?? '',
      publishWithoutQa: order.publishWithoutQa ?? true,
      publishBuildsOnlyFromBranch: order.publishBuildsOnlyFromBranch ?? null,
      synchronizingPublications: order.synchronizingPublications ?? false,
    })
    await this.#audit(actor, { shelf, platform }, 'create')
    return shelf
  }

  /** Platform and name stay as they are. */
  async update(actor: Actor, it: OpenedShelf, order: ShelfOrder): Promise<void> {
    checkOrder({ ...order, name: undefined }).throwIfAny()
    const { name: _, description, ...rest } = order
    const change = Object.fromEntries(
      Object.entries({ ...rest, description: description ?? undefined }).filter(
        ([, value]) => value !== undefined,
      ),
    )
    if (Object.keys(change).length === 0) return
    await this.#stores.shelves.update(it.shelf.id, change)
    await this.#audit(actor, it, 'update')
  }

  async delete(actor: Actor, it: OpenedShelf): Promise<void> {
    await this.#stores.shelves.delete(it.shelf.id)
    await this.#audit(actor, it, 'delete')
  }

  async setMember(
    actor: Actor,
    it: OpenedShelf,
    account: Namespace,
    isMember: boolean,
  ): Promise<void> {
    await this.#stores.shelves.setMember(it.shelf.id, account.id, isMember)
    const action = isMember ? 'add_member' : 'remove_member'
    await this.#audit(actor, it, action, { member: account.name })
  }

  /**
   * Throws `not_found` (no such project), `forbidden` (the caller may not read it), `conflict` (a project of that name is
   * on a shelf of this platform).
   */
  async addProject(actor: Actor, it: OpenedShelf, seq: number | undefined): Promise<void> {
    const repo = seq === undefined ? undefined : await this.#repos.findBySeq(seq)
    if (repo?.state !== 'ready') throw notFound()
    if (!(await this.#access.rightOn(actor.caller, repo)))
      throw new HubError('forbidden', 'You have no access to read this project')
    if ((await this.#stores.projects.link(it.shelf.id, repo.id)) === 'name_taken')
      throw new HubError('conflict', 'Project has already been taken')
    await this.#audit(actor, it, 'add_project', { project: `${repo.namespace}/${repo.name}` })
  }

  /** Nothing happens when it is not there. */
  async removeProject(actor: Actor, it: OpenedShelf, seq: number | undefined): Promise<void> {
    const repo = seq === undefined ? undefined : await this.#repos.findBySeq(seq)
    if (!repo) return
    await this.#stores.projects.unlink(it.shelf.id, repo.id)
    await this.#audit(actor, it, 'remove_project', { project: `${repo.namespace}/${repo.name}` })
  }

  /** Those that the caller may know of, by name. */
  async listProjects(
    caller: Caller,
    shelf: Shelf,
    limit: number,
    offset: number,
  ): Promise<{ total: number; repos: Repo[] }> {
    const visibleTo = this.#access.visibleTo(caller)
    const filter = { shelfId: shelf.id, ...(visibleTo ? { visibleTo } : {}) }
    const page = { sort: 'name', order: 'asc', limit, offset } as const
    const [total, repos] = await Promise.all([
      this.#repos.count(filter),
      this.#repos.list({ ...filter, ...page }),
    ])
    return { total, repos }
  }

  #audit(
    actor: Actor,
    { shelf, platform }: OpenedShelf,
    action: string,
    data: Record<string, unknown> = {},
  ): Promise<void> {
    const about = { action, repository: `${platform.name}/${shelf.name}`, ...data }
    return this.#events.add(makeEvent('package.repository', actor, undefined, about))
  }
}

/** It is made with its account and belongs to it. */
function isPersonalMain(platform: Platform, name: string | null | undefined): boolean {
  return platform.type === 'personal' && name === 'main'
}

function checkOrder(order: ShelfOrder): Problems {
  const problems = new Problems()
  problems.text('Name', order.name, { max: 100, pattern: /^[a-z0-9_-]+$/ })
  problems.text('Description', order.description, { max: 100 })
  problems.text('Publish builds only from branch', order.publishBuildsOnlyFromBranch, {
    max: 255,
    required: false,
  })
  return problems
}
