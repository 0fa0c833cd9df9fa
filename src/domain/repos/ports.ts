import type {
  GateMode,
  GitOid,
  HubEvent,
  ObjectFormat,
  Repo,
  RepoAddress,
  RepoId,
  RepoKind,
  User,
  Visibility,
} from '../types.js'

export interface RepoListQuery {
  readonly kind?: RepoKind
  readonly namespaceId?: number
  /** Substring of `namespace/name`, without case. Every one must match. */
  readonly search?: readonly string[]
  readonly visibility?: Visibility
  readonly gated?: boolean
  readonly sort:
    | 'updatedAt'
    | 'createdAt'
    | 'downloads'
    | 'likes'
    | 'trendingScore'
    | 'name'
    | 'size'
  readonly order: 'asc' | 'desc'
  readonly limit: number
  /** Only for APIs that promise page numbers. */
  readonly offset?: number
  /** Position after which the page starts: sort value and seq of the last item of the page before. */
  readonly after?: { readonly value: string | number; readonly seq: number }
  /** Undefined = everything (site administration). */
  readonly visibleTo?:
    | {
        readonly userId: number | null
        readonly namespaceIds: readonly number[]
        /** Of what is not public, these only: a credential for some repositories. */
        readonly within?: readonly RepoId[]
      }
    | undefined
  readonly repoIds?: readonly RepoId[]
  /** On this shelf of a platform (domain/packages). */
  readonly shelfId?: number
  /** Owned by one of these namespaces, or shared with this user. */
  readonly memberOf?: { readonly accountIds: readonly number[] }
}

export interface RepoStore {
  /** Follows no redirect. */
  findByAddress(address: RepoAddress): Promise<Repo | undefined>
  findById(id: RepoId): Promise<Repo | undefined>
  /** The repository that would be in the way of one with this name: equal without case, `-` and `_`. */
  findNamesake(kind: RepoKind, namespaceId: number, name: string): Promise<Repo | undefined>
  findBySeq(seq: number): Promise<Repo | undefined>
  /** The repository that used to live at this address, while nobody took the name again. */
  findRedirect(address: RepoAddress): Promise<Repo | undefined>
  list(query: RepoListQuery): Promise<Repo[]>
  count(
    query: Omit<RepoListQuery, 'sort' | 'order' | 'limit' | 'after' | 'offset'>,
  ): Promise<number>
  /** Every repository that is not being deleted, by seq, for sweeps. */
  scan(afterSeq: number, limit: number): Promise<Repo[]>
  /** State `creating`. Throws `repo_exists` with the other's address in its facts when the name is taken. */
  create(repo: {
    id: RepoId
    kind: RepoKind
    namespaceId: number
    name: string
    visibility: Visibility
    description: string
    defaultBranch: string
    objectFormat: ObjectFormat
    sdk: string | null
    /** The process that creates it. */
    owner: string
  }): Promise<Repo>
  markReady(id: RepoId, event: HubEvent): Promise<void>
  /** Frees the name at once, drops what points at it, leaves the `repo.purge` job. One transaction with the event. */
  markDeleting(id: RepoId, event: HubEvent): Promise<void>
  /** Removes the rows of a repository whose bytes are gone. */
  purge(id: RepoId): Promise<void>
  /** Creations that have not ended, each with the process that is at it. */
  listUnfinished(): Promise<{ repo: Repo; owner: string | null }[]>
  /**
   * Throws `repo_exists`, or `quota_exceeded` when `requireRoom` and the new owner has none for it.
   * `redirect`: the old address leads here until somebody takes it.
   */
  move(
    id: RepoId,
    to: { namespaceId: number; name: string },
    options: { redirect: boolean; requireRoom: boolean; event: HubEvent },
  ): Promise<Repo>
  /** Throws `quota_exceeded` when the visibility moves it into a pool without room (unless told not to look). */
  updateSettings(
    id: RepoId,
    change: Partial<{
      visibility: Visibility
      gate: GateMode
      description: string
      defaultBranch: string
      quotaBytes: number | null
      disabled: boolean
      sdk: string | null
    }>,
    event: HubEvent,
    options?: { requireRoom: boolean },
  ): Promise<Repo>
  readExtraSettings(id: RepoId): Promise<Record<string, unknown>>
  updateExtraSettings(id: RepoId, change: Record<string, unknown>): Promise<void>
  /** Roles that any of these accounts has as a member. */
  memberRoles(id: RepoId, accountIds: readonly number[]): Promise<string[]>
  /** A user, or an organisation and so everybody in it. Role null removes. */
  setMember(id: RepoId, accountId: number, role: string | null): Promise<void>
  listMembers(
    id: RepoId,
  ): Promise<{ userId: number; name: string; type: 'user' | 'org'; role: string }[]>
  /** Another address that leads to a repository. Throws `repo_exists` when a repository has it. */
  addAlias(id: RepoId, address: RepoAddress, event: HubEvent): Promise<void>

  addLike(id: RepoId, userId: number): Promise<boolean>
  removeLike(id: RepoId, userId: number): Promise<boolean>
  hasLike(id: RepoId, userId: number): Promise<boolean>
  listLikers(id: RepoId, limit: number, offset: number): Promise<{ user: User; at: string }[]>
  listLikes(userId: number, limit: number, offset: number): Promise<{ repo: Repo; at: string }[]>
  /** One session per visitor and 15-minute bucket, each with the files it took. */
  countDownloads(
    batch: readonly { repoId: RepoId; visitor: string; known: boolean; files: number }[],
  ): Promise<void>
  downloadsByDay(
    id: RepoId,
    sinceDay: string,
  ): Promise<{ day: string; sessions: number; authenticated: number; files: number }[]>
  /** Most download sessions since that day first; repositories without any are not among them. */
  listMostDownloaded(query: {
    sinceDay: string
    kind?: RepoKind
    visibleTo: RepoListQuery['visibleTo']
    limit: number
  }): Promise<{ repo: Repo; sessions: number }[]>
  /** Recomputes `trendingScore` of every repository with recent downloads and forgets old sessions. */
  refreshTrending(): Promise<void>
}

/** Main language per repository, counted at a tip of the default branch. */
export interface LanguageStore {
  find(repoIds: readonly RepoId[]): Promise<Map<RepoId, string | null>>
  set(repoId: RepoId, language: string | null, headOid: GitOid | null): Promise<void>
}

/** `.gitignore` texts by the name GitHub's collection gives them (`Python`, `Go`, `Node`). */
export interface IgnoreTemplates {
  find(name: string): Promise<string | undefined>
}

/** A hold keeps a repository from being written (squash, prune, mirror lock) until it is released or its lease ends. */
export interface Hold {
  readonly id: string
  readonly repoId: RepoId
  readonly kind: string
  /** Who it is held for, as told to refused writers. */
  readonly holder: string
  /** The process instance that renews it. */
  readonly owner: string
  readonly createdAt: string
  readonly expiresAt: string
}

export interface HoldStore {
  /** Undefined when somebody else holds it exclusively. */
  acquire(hold: {
    repoId: RepoId
    kind: string
    holder: string
    owner: string
    seconds: number
  }): Promise<Hold | undefined>
  renew(id: string, seconds: number): Promise<boolean>
  release(id: string): Promise<void>
  find(repoId: RepoId): Promise<Hold[]>
  releaseOwner(owner: string): Promise<void>
  listOwners(): Promise<string[]>
}
