import type { Namespace, Repo, RepoId, User } from '../types.js'

/*
 * Package repositories as ABF/ROSA has them. ABF's words mislead next to ours, so: a *platform* is a distribution, a
 * *shelf* is what ABF calls a repository (a named part of a platform such as `main` or `contrib`), a *project* is a git
 * repository that is linked to shelves.
 */

export type PlatformRole = 'reader' | 'writer' | 'admin'
export const PLATFORM_ROLES: readonly PlatformRole[] = ['reader', 'writer', 'admin']

export interface Platform {
  readonly id: number
  readonly name: string
  readonly description: string
  readonly visibility: 'open' | 'hidden'
  readonly type: 'main' | 'personal'
  readonly distribType: string
  readonly defaultBranch: string
  readonly released: boolean
  readonly owner: Pick<Namespace, 'id' | 'name' | 'type' | 'fullname'>
  readonly createdAt: string
  readonly updatedAt: string
}

export interface Shelf {
  readonly id: number
  readonly platformId: number
  readonly name: string
  readonly description: string
  readonly publishWithoutQa: boolean
  readonly publishBuildsOnlyFromBranch: string | null
  readonly synchronizingPublications: boolean
  readonly createdAt: string
  readonly updatedAt: string
}

export interface PlatformFilter {
  readonly type?: 'main' | 'personal'
  /** Substring of the name, without case. */
  readonly search?: string
  /** Accounts through which somebody sees hidden platforms; undefined = sees all. */
  readonly visibleTo?: readonly number[]
}

export interface PlatformStore {
  /** Gives every account without one its personal platform with the shelf `main` and its repositories on it. */
  ensurePersonal(): Promise<void>
  find(id: number): Promise<Platform | undefined>
  findByName(name: string): Promise<Platform | undefined>
  /** By name. */
  list(filter: PlatformFilter & { limit: number; offset: number }): Promise<Platform[]>
  count(filter: PlatformFilter): Promise<number>
  /** Throws `conflict` when the name is taken, compared without case. */
  create(
    platform: Pick<
      Platform,
      'name' | 'description' | 'visibility' | 'distribType' | 'defaultBranch' | 'released'
    > & { ownerId: number },
  ): Promise<Platform>
  update(
    id: number,
    change: Partial<
      Pick<Platform, 'description' | 'visibility' | 'defaultBranch' | 'released'> & {
        ownerId: number
      }
    >,
  ): Promise<void>
  /** A main platform with the same shelves and the same projects on them. Throws `conflict` when the name is taken. */
  clone(
    from: Platform,
    to: Pick<Platform, 'name' | 'description' | 'defaultBranch'> & { ownerId: number },
  ): Promise<Platform>
  /** Takes every project off its shelves; answers how many. */
  clear(id: number): Promise<number>
  delete(id: number): Promise<void>
  /** Roles that any of these accounts has here by membership. */
  roles(id: number, accountIds: readonly number[]): Promise<PlatformRole[]>
  /** By name. */
  listMembers(
    id: number,
    limit: number,
    offset: number,
  ): Promise<{ account: Namespace; role: PlatformRole }[]>
  countMembers(id: number): Promise<number>
  /** Role null removes. */
  setMember(id: number, accountId: number, role: PlatformRole | null): Promise<void>
  /**
   * Takes the platform's next turn to export its packages, or says when that is.
   * One turn per window, whoever asks in whatever process.
   */
  takeExportTurn(id: number, windowSeconds: number): Promise<{ retryAfterSeconds: number } | null>
}

export interface PlatformToken {
  readonly id: number
  readonly platformId: number
  readonly description: string
  readonly status: 'active' | 'blocked'
  readonly createdAt: string
}

export interface PlatformTokenStore {
  create(token: { platformId: number; hash: string; description: string }): Promise<PlatformToken>
  find(id: number): Promise<PlatformToken | undefined>
  findActive(hash: string): Promise<PlatformToken | undefined>
  list(platformId: number, limit: number, offset: number): Promise<PlatformToken[]>
  count(platformId: number): Promise<number>
  setStatus(id: number, status: PlatformToken['status']): Promise<void>
  delete(id: number): Promise<void>
}

export interface ShelfStore {
  find(id: number): Promise<Shelf | undefined>
  findByName(platformId: number, name: string): Promise<Shelf | undefined>
  /** By name. */
  list(platformIds: readonly number[]): Promise<Shelf[]>
  /** Throws `conflict` when the platform has one of this name. */
  create(
    shelf: Pick<
      Shelf,
      | 'platformId'
      | 'name'
      | 'description'
      | 'publishWithoutQa'
      | 'publishBuildsOnlyFromBranch'
      | 'synchronizingPublications'
    >,
  ): Promise<Shelf>
  update(
    id: number,
    change: Partial<
      Pick<
        Shelf,
        | 'description'
        | 'publishWithoutQa'
        | 'publishBuildsOnlyFromBranch'
        | 'synchronizingPublications'
      >
    >,
  ): Promise<void>
  delete(id: number): Promise<void>
  isMember(id: number, accountIds: readonly number[]): Promise<boolean>
  isMemberOfAny(platformId: number, accountIds: readonly number[]): Promise<boolean>
  setMember(id: number, accountId: number, isMember: boolean): Promise<void>
}

export interface ProjectDetail {
  /** The one who was named, else the owner, else the owning organisation's first owner. */
  readonly maintainer: User | undefined
  readonly isPackage: boolean
  readonly hasIssues: boolean
  readonly hasWiki: boolean
  readonly publishI686IntoX8664: boolean
}

export interface ProjectStore {
  /** `name_taken`: another project of the same name, without case, is on a shelf of this platform. */
  link(shelfId: number, repoId: RepoId): Promise<'linked' | 'name_taken'>
  unlink(shelfId: number, repoId: RepoId): Promise<void>
  listShelves(repoId: RepoId): Promise<Shelf[]>
  details(repos: readonly Repo[]): Promise<Map<RepoId, ProjectDetail>>
  setDetail(
    repoId: RepoId,
    change: Partial<Omit<ProjectDetail, 'maintainer'> & { maintainerId: number }>,
  ): Promise<void>
}

export interface KeyPair {
  readonly publicKey: string
  readonly sealedSecret: string
  readonly fingerprint: string
}

export interface KeyPairStore {
  find(shelfId: number): Promise<KeyPair | undefined>
  replace(shelfId: number, pair: KeyPair): Promise<void>
}

/** One mirror that is copying a shelf. */
export interface MirrorLock {
  readonly shelfId: number
  readonly holder: string
  readonly createdAt: string
  readonly expiresAt: string
}

export interface MirrorLockStore {
  /** Takes or renews. Undefined while a repository of the shelf is held exclusively (squash, pruning). */
  acquire(shelfId: number, holder: string, seconds: number): Promise<MirrorLock | undefined>
  /** Holder undefined: all of them. */
  release(shelfId: number, holder: string | undefined): Promise<void>
  list(shelfIds: readonly number[]): Promise<MirrorLock[]>
  /** Ids of the repositories that locks of this shelf keep from being written, in pages. */
  listRepoIds(shelfId: number, after: RepoId | '', limit: number): Promise<RepoId[]>
}

/** Accounts of machines: mirrors and build nodes. */
export interface SystemUserStore {
  has(userId: number): Promise<boolean>
  set(userId: number, isSystem: boolean): Promise<void>
}

/** What a search or a list of accounts asks. */
export interface AccountSearch {
  search(
    type: 'user' | 'org',
    query: { text?: string; memberId?: number; limit: number; offset: number },
  ): Promise<Namespace[]>
  count(type: 'user' | 'org', query: { text?: string; memberId?: number }): Promise<number>
}

export interface PackageStores {
  readonly platforms: PlatformStore
  readonly platformTokens: PlatformTokenStore
  readonly shelves: ShelfStore
  readonly projects: ProjectStore
  readonly keyPairs: KeyPairStore
  readonly mirrorLocks: MirrorLockStore
  readonly systemUsers: SystemUserStore
  readonly accountSearch: AccountSearch
}
