import { ROLE_RIGHT } from '../access/access.js'
import type { Caller, Namespace } from '../types.js'
import type { PackageStores, Platform, Shelf } from './ports.js'

/**
 * Who may do what with platforms and shelves (ABF's rules). GA: site administrators. LA: owner of the platform or its
 * `admin` by membership, directly or through an organisation. Machines' accounts (system users) see everything.
 */
export class PackagePolicy {
  readonly #stores: PackageStores

  constructor(stores: PackageStores) {
    this.#stores = stores
  }

  /** The accounts in whose name the caller comes: the own one and those of the organisations. */
  accountIds(caller: Caller): number[] {
    if (!caller.user || caller.repoIds.length > 0) return []
    return [caller.user.id, ...caller.memberships.map((it) => it.orgId)]
  }

  async isSystem(caller: Caller): Promise<boolean> {
    return caller.user !== undefined && (await this.#stores.systemUsers.has(caller.user.id))
  }

  /** Filter for lists of platforms; undefined = sees all. */
  async visibleTo(caller: Caller): Promise<readonly number[] | undefined> {
    if (caller.isSiteAdmin || (await this.isSystem(caller))) return undefined
    return this.accountIds(caller)
  }

  async canSee(caller: Caller, platform: Platform): Promise<boolean> {
    if (platform.visibility === 'open') return true
    const accounts = await this.visibleTo(caller)
    if (accounts === undefined || accounts.includes(platform.owner.id)) return true
    const roles = await this.#stores.platforms.roles(platform.id, accounts)
    return roles.length > 0 || this.#stores.shelves.isMemberOfAny(platform.id, accounts)
  }

  /** The user who owns it, or an owner of the organisation that does. */
  isOwner(caller: Caller, owner: Pick<Namespace, 'id'>): boolean {
    if (!mayWrite(caller)) return false
    return (
      caller.user?.id === owner.id ||
      caller.memberships.some((it) => it.orgId === owner.id && it.role === 'owner')
    )
  }

  /** GA or LA. */
  async isAdmin(caller: Caller, platform: Platform): Promise<boolean> {
    if (!mayWrite(caller)) return false
    if (caller.isSiteAdmin || this.isOwner(caller, platform.owner)) return true
    const inOwner = caller.memberships.find((it) => it.orgId === platform.owner.id)
    if (inOwner && ROLE_RIGHT[inOwner.role] === 'admin') return true
    const roles = await this.#stores.platforms.roles(platform.id, this.accountIds(caller))
    return roles.includes('admin')
  }

  /** GA, LA, or a member of the shelf. */
  async mayLink(caller: Caller, platform: Platform, shelf: Shelf): Promise<boolean> {
    if (await this.isAdmin(caller, platform)) return true
    return mayWrite(caller) && this.#stores.shelves.isMember(shelf.id, this.accountIds(caller))
  }

  /** GA, a system user, or LA of a main platform. */
  async mayLock(caller: Caller, platform: Platform): Promise<boolean> {
    if (!mayWrite(caller)) return false
    if (caller.isSiteAdmin || (await this.isSystem(caller))) return true
    return platform.type === 'main' && this.isAdmin(caller, platform)
  }
}

/** A read-only credential, or one for some repositories only, changes no platform. */
export function mayWrite(caller: Caller): boolean {
  return caller.role !== 'read' && caller.repoIds.length === 0
}
