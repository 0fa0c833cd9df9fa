import type { Readable } from 'node:stream'
import type { RepoCard, TagType } from './cards/card.js'
import type { CardFacts } from './cards/tags.js'
import type {
  Discussion,
  GateMode,
  GitOid,
  HubEvent,
  LfsOid,
  LfsPointer,
  Namespace,
  ObjectFormat,
  Org,
  OrgMembership,
  OrgRole,
  Ref,
  RefUpdate,
  Repo,
  RepoAddress,
  RepoFile,
  RepoId,
  RepoKind,
  Token,
  TokenRole,
  User,
  Visibility,
} from './types.js'

/*
 * What the domain needs from the outside: stores (storage/db), the git engine (git/) and object bytes (storage/objects).
 * A method that changes several rows is one transaction of database calls; none waits for git, hashing or the network inside.
 * `find…` answers undefined where nothing is there; `read…` throws the HubError of its noun.
 */

export interface AccountStore {
  findNamespace(name: string): Promise<Namespace | undefined>
  /** As a new name would meet it: equal without case, `-` and `_`. */
  findNamespaceLike(name: string): Promise<Namespace | undefined>
  findNamespaceById(id: number): Promise<Namespace | undefined>
  findUser(name: string): Promise<User | undefined>
  findUserById(id: number): Promise<User | undefined>
  findUserByEmail(email: string): Promise<User | undefined>
  findPasswordHash(userId: number): Promise<string | undefined>
  findOrg(name: string): Promise<Org | undefined>
  countUsers(): Promise<number>
  listUsers(afterId: number, limit: number): Promise<User[]>
  listOrgs(afterId: number, limit: number): Promise<Org[]>
  /** Users and organisations whose name holds this text, without case. */
  searchNamespaces(text: string, limit: number): Promise<Namespace[]>
  /**
   * Throws `conflict` when the name (compared without case, `-`, `_`) or the e-mail address is taken. With an invitation
   * the account uses it and joins its organisation, or is not made (`invalid_input`).
   */
  createUser(user: {
    invitationHash?: string
    name: string
    email: string | null
    fullname: string | null
    passwordHash: string | null
    isSiteAdmin: boolean
    quotas: { privateBytes: number | null; publicBytes: number | null }
  }): Promise<User>
  /** The organisation and its first owner, or `conflict`. */
  createOrg(org: {
    name: string
    description: string | null
    ownerId: number
    quotas: { privateBytes: number | null; publicBytes: number | null }
  }): Promise<Org>
  updateUser(
    id: number,
    change: Partial<{
      email: string | null
      fullname: string | null
      passwordHash: string
      isSiteAdmin: boolean
      isActive: boolean
    }>,
  ): Promise<void>
  updateOrg(
    id: number,
    change: Partial<{ description: string | null; fullname: string | null }>,
  ): Promise<void>
  readProfile(id: number): Promise<Record<string, unknown>>
  /** Sets these keys and leaves the others; null removes one. */
  updateProfile(id: number, change: Record<string, unknown>): Promise<void>
  setNamespaceQuotas(
    id: number,
    quotas: {
      privateBytes?: number | null
      publicBytes?: number | null
      totalBytes?: number | null
    },
  ): Promise<void>
  /** Throws `conflict` while the namespace still owns repositories. */
  deleteNamespace(id: number): Promise<void>
  listMemberships(userId: number): Promise<OrgMembership[]>
  listMembers(orgId: number): Promise<{ user: User; role: OrgRole; since: string }[]>
  /** Names of the organisations that would be left without an owner. */
  listOrgsWithSoleOwner(userId: number): Promise<string[]>
  /** role null removes. Throws `conflict` when the organisation would be left without an owner. */
  setMember(orgId: number, userId: number, role: OrgRole | null): Promise<void>

  createToken(token: {
    userId: number
    name: string
    kind: 'token' | 'session'
    hash: string
    role: TokenRole
    repoIds: readonly RepoId[]
    expiresAt: string | null
  }): Promise<Token>
  findTokenByHash(hash: string): Promise<Token | undefined>
  listTokens(userId: number): Promise<Token[]>
  touchToken(id: string): Promise<void>
  deleteToken(userId: number, id: string): Promise<boolean>
  /** All but one, where given. */
  deleteSessions(userId: number, exceptTokenId?: string): Promise<void>
  /** Every user's, newest first; secrets are not among it. */
  scanTokens(kind: Token['kind'], limit: number, offset: number): Promise<Token[]>
  deleteExpiredTokens(): Promise<void>

  createInvitation(invitation: {
    tokenHash: string
    orgId: number | null
    role: OrgRole
    email: string | null
    createdBy: number | null
    maxUsage: number
    expiresAt: string
  }): Promise<void>
  findInvitation(tokenHash: string): Promise<Invitation | undefined>
  listInvitations(orgId: number | null): Promise<Invitation[]>
  /** Joins the organisation and counts one use; false when it is used up, expired or gone. Members stay as they are. */
  acceptInvitation(tokenHash: string, userId: number): Promise<boolean>
  deleteInvitation(tokenHash: string): Promise<boolean>

  /** Counts an attempt under this key; answers how many there were in its window, this one included, and when that ends. */
  takeLoginAttempt(
    key: string,
    windowSeconds: number,
  ): Promise<{ count: number; retryAfterSeconds: number }>
  /** One attempt turned out to be rightful. */
  returnLoginAttempt(key: string): Promise<void>
  clearLoginAttempts(key: string): Promise<void>
}

export interface Invitation {
  readonly tokenHash: string
  readonly orgId: number | null
  readonly role: OrgRole
  readonly email: string | null
  /** -1 = without limit. */
  readonly maxUsage: number
  readonly usageCount: number
  readonly createdAt: string
  readonly expiresAt: string
}

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
  readonly memberOf?: { readonly userId: number; readonly namespaceIds: readonly number[] }
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
  findMemberRole(id: RepoId, userId: number): Promise<string | undefined>
  setMember(id: RepoId, userId: number, role: string | null): Promise<void>
  listMembers(id: RepoId): Promise<{ userId: number; name: string; role: string }[]>

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

/** What the database must know after refs changed, worked out from git before the transaction starts. */
export interface RefRecord {
  readonly repoId: RepoId
  /** The digest that the derivation started from; the transaction does nothing and answers false when it is no longer current. */
  readonly fromDigest: string
  readonly toDigest: string
  readonly updates: readonly RefUpdate[]
  /** Undefined: the default branch did not change. */
  readonly head?: {
    readonly oid: GitOid | null
    readonly at: string | null
    readonly commitCount: number
    readonly removed: readonly string[] | 'all'
    readonly upserted: readonly RepoFile[]
    readonly card: { readonly card: RepoCard; readonly facts: CardFacts }
  }
  readonly defaultBranch: string
  readonly gitBytes: number
  /** Null: this was no push. */
  readonly pushedAt: string | null
  readonly events: readonly HubEvent[]
  /** Work that the change leaves behind, there as soon as the change is. */
  readonly jobs: readonly { readonly kind: string; readonly delayMs: number }[]
}

export interface RefStore {
  list(repoId: RepoId): Promise<Ref[]>
  record(change: RefRecord): Promise<boolean>
  /** Drops what was derived, so that the next record derives all of it. */
  forget(repoId: RepoId): Promise<void>
  setGitBytes(repoId: RepoId, gitBytes: number): Promise<void>
}

/** A list as the Hugging Face dialect asks for it: every condition must hold. */
export interface RepoSearch {
  readonly kind: RepoKind
  readonly namespaceId?: number | undefined
  /** Substrings of `namespace/name`, without case. */
  readonly search: readonly string[]
  readonly tags: readonly string[]
  readonly gated?: boolean | undefined
  readonly parameters?:
    | { readonly min?: number | undefined; readonly max?: number | undefined }
    | undefined
  /** Undefined = everything (site administration). */
  readonly visibleTo: RepoListQuery['visibleTo']
  readonly sort: RepoSort
  readonly order: 'asc' | 'desc'
  /** Position after which the page starts. */
  readonly after?: ListPosition | undefined
  readonly limit: number
  /** Cards cost reading: only for those who show them. */
  readonly withCards: boolean
}

export type RepoSort =
  | 'createdAt'
  | 'lastModified'
  | 'downloads'
  | 'likes'
  | 'likes30d'
  | 'trendingScore'
  | 'mainSize'
  | 'parameters'
  | 'id'

export interface ListPosition {
  readonly value: string | number
  readonly seq: number
}

export interface ListedRepo {
  readonly repo: Repo
  readonly tags: readonly string[]
  readonly pipelineTag: string | undefined
  readonly libraryName: string | undefined
  /** Where a page after this one starts. */
  readonly position: ListPosition
  readonly card?: RepoCard | undefined
}

/** What was read off the tip of the default branch (cards), and the lists that are made by it. */
export interface CardStore {
  /** Undefined when the repository's files are not those of this commit any more. */
  findAt(repoId: RepoId, head: GitOid): Promise<RepoCard | undefined>
  search(query: RepoSearch): Promise<ListedRepo[]>
  /** The position `n` places behind the start, when there is something behind that. */
  boundary(query: RepoSearch, n: number): Promise<ListPosition | undefined>
  /** Tags that public repositories of a kind carry, by type. At most `limit` of each. */
  listTags(kind: RepoKind, limit: number): Promise<Map<TagType, string[]>>
}

export interface FileStore {
  find(repoId: RepoId, path: string): Promise<RepoFile | undefined>
  findMany(repoId: RepoId, paths: readonly string[]): Promise<RepoFile[]>
  /** In byte order of the path. `head`: only while the files are those of this commit, else none. */
  list(repoId: RepoId, after: string, limit: number, head?: GitOid): Promise<RepoFile[]>
  count(repoId: RepoId): Promise<number>
}

export interface LfsObject {
  readonly oid: LfsOid
  readonly size: number
  /** `raw` bytes, or chunks of `xet` xorbs: `LfsObjects.open` reads both. */
  readonly storage: string
  /** Where the raw bytes are in the object store; null when there are only chunks. */
  readonly key: string | null
  /** Hash of the Xet file by which Xet clients may fetch it; null for raw objects. Absent where nobody asked for it. */
  readonly xetHash?: string | null
}

export interface LfsLock {
  readonly id: string
  readonly path: string
  readonly ref: string | null
  readonly ownerId: number
  readonly ownerName: string
  readonly lockedAt: string
}

/** Bytes that are to come: the key is theirs alone, and named here before the first of them is written. */
export interface LfsUpload {
  readonly id: string
  readonly repoId: RepoId
  readonly oid: LfsOid
  readonly size: number
  readonly key: string
  /** In parts: the store's own id of the upload, and the size of all parts but the last. */
  readonly storeUploadId: string | null
  readonly partSize: number
  readonly expiresAt: string
}

export interface LfsStore extends LfsUploadStore, LfsCollectorStore, LfsLockStore {
  /** Of these oids, the objects that this repository may serve. One query whatever the number (up to 2,000). */
  findLinked(repoId: RepoId, oids: readonly LfsOid[]): Promise<Map<LfsOid, LfsObject>>
  findObject(oid: LfsOid): Promise<LfsObject | undefined>
  /** Of these, the objects in repositories that the filter lets see and that are not gated. One query, as `findLinked`. */
  findVisible(
    oids: readonly LfsOid[],
    visibleTo: RepoListQuery['visibleTo'],
  ): Promise<Map<LfsOid, LfsObject>>
  /** Of these, the ones that this repository used to serve until no commit named them any more. */
  findRemoved(repoId: RepoId, oids: readonly LfsOid[]): Promise<Set<LfsOid>>
  /**
   * Protects these oids from garbage collection until `expiresAt` and reserves their sizes; renews older leases of the
   * same repository and lifts the marks of links that were about to go.
   */
  lease(repoId: RepoId, objects: readonly LfsPointer[], expiresAt: string): Promise<void>
  release(repoId: RepoId, oids: readonly LfsOid[]): Promise<void>
  /** Links the objects that (still) exist and answers which those are. */
  link(repoId: RepoId, objects: readonly LfsPointer[]): Promise<Set<LfsOid>>
  /** An object that is there in chunks: its row, and the link. Answers whether raw bytes of it are left over. */
  storeChunked(repoId: RepoId, object: LfsPointer): Promise<{ rawLeft: boolean }>
  /** Discards the raw bytes of an object that is there in chunks, too. */
  discardRaw(oid: LfsOid): Promise<void>
  scanObjects(after: string, limit: number): Promise<LfsObject[]>
}

export interface LfsUploadStore {
  /** The open uploads of these objects, made or renewed. At most one per repository and object. */
  openUploads(
    repoId: RepoId,
    objects: readonly LfsPointer[],
    expiresAt: string,
  ): Promise<Map<LfsOid, LfsUpload>>
  findUpload(id: string): Promise<LfsUpload | undefined>
  findUploads(repoId: RepoId, oids: readonly LfsOid[]): Promise<LfsUpload[]>
  /** Makes it one in parts; answers how it then is: as somebody else said who was first. Undefined when it has ended. */
  beginParts(id: string, storeUploadId: string, partSize: number): Promise<LfsUpload | undefined>
  /**
   * The bytes under the upload's key were verified: the object, its link and a lease until `leaseUntil` for the push to
   * come. `surplus`: the object was there already, the key is discarded. `ended`: there is no such upload (any more) and
   * nothing was done. `writableUntil`: until when a client can write the key by itself.
   */
  finishUpload(
    id: string,
    options: { leaseUntil: string; writableUntil: string | null },
  ): Promise<'stored' | 'surplus' | 'ended'>
  /** Discards the key. */
  endUpload(id: string): Promise<void>
  /** Ends the uploads whose time is over and discards their keys; answers how many. */
  expireUploads(): Promise<number>
}

/** Bytes that nobody needs any more; their key is never used again. */
export interface Discard {
  readonly key: string
  readonly storeUploadId: string | null
  /** Clients may write the key by themselves until then: look at it again. */
  readonly until: string
}

export interface LfsLinkState {
  readonly oid: LfsOid
  readonly size: number
  readonly condemned: boolean
}

/** What the collector does, in steps that may be interrupted anywhere. */
export interface LfsCollectorStore {
  /** Links of this repository, by oid. */
  listLinks(repoId: RepoId, after: string, limit: number): Promise<LfsLinkState[]>
  /** Of these, the ones without a live lease of this repository. */
  listUnleased(repoId: RepoId, oids: readonly LfsOid[]): Promise<LfsOid[]>
  /** Marks links that no live lease protects, answers which are marked now. A lease lifts the mark, `pardon` too. */
  condemn(repoId: RepoId, oids: readonly LfsOid[]): Promise<LfsOid[]>
  pardon(repoId: RepoId, oids: readonly LfsOid[]): Promise<void>
  /**
   * Drops the links that still are marked and unleased, answers how many. Nothing is done when the repository's refs are
   * not the ones (`refsDigest`) by which the oids were found unreachable.
   */
  unlinkCondemned(repoId: RepoId, oids: readonly LfsOid[], refsDigest: string): Promise<number>
  /** Objects without any link or live lease, older than `before`, by oid. */
  listOrphans(before: string, after: string, limit: number): Promise<LfsObject[]>
  /** Of these objects, those older than `before` without a live lease: bytes, and how many repositories are linked. */
  countLinks(
    oids: readonly LfsOid[],
    before: string,
  ): Promise<{ oid: LfsOid; size: number; links: number }[]>
  /** Forgets the object and discards its key, unless a link or lease appeared meanwhile (false). */
  takeOrphan(oid: LfsOid): Promise<boolean>
  /** A key that was written though its upload had ended. */
  discard(key: string): Promise<void>
  listDiscards(after: string, limit: number): Promise<Discard[]>
  dropDiscard(key: string): Promise<void>
  purgeExpiredLeases(): Promise<void>
}

export interface LfsLockStore {
  /** Throws `conflict` with the existing lock in its facts. */
  createLock(
    repoId: RepoId,
    lock: { path: string; ref: string | null; ownerId: number; ownerName: string },
  ): Promise<LfsLock>
  findLock(repoId: RepoId, id: string): Promise<LfsLock | undefined>
  listLocks(
    repoId: RepoId,
    filter: { path?: string; id?: string; ref?: string; after?: string; limit: number },
  ): Promise<LfsLock[]>
  /** False when it was gone already. */
  deleteLock(repoId: RepoId, id: string): Promise<boolean>
}

export interface NamespaceUsage {
  /** Unique stored bytes: git bytes of every repository plus each LFS object once. */
  readonly privateBytes: number
  readonly publicBytes: number
}

export interface QuotaStore {
  usage(namespaceId: number): Promise<NamespaceUsage>
  /** What counts against the limits: `usage` and whatever uploads and pushes under way have reserved. */
  charged(namespaceId: number): Promise<NamespaceUsage>
  /** Throws `quota_exceeded` when `extraBytes` more do not fit into the repository, its pool or its namespace. */
  requireRoom(repoId: RepoId, extraBytes: number): Promise<void>
  /**
   * Leases these LFS objects for the repository and reserves `bytes` for what is not LFS, or throws `quota_exceeded` and
   * leaves nothing: checked and taken in one transaction, so parallel uploads cannot overshoot together.
   */
  reserve(order: {
    repoId: RepoId
    objects: readonly LfsPointer[]
    bytes: number
    expiresAt: string
  }): Promise<{ id: string | undefined }>
  /** What was reserved has become stored bytes, or nothing. */
  settle(id: string): Promise<void>
  /** Recounts `lfsBytes` of a repository from its links. */
  recountRepo(repoId: RepoId): Promise<number>
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

export interface DiscussionFilter {
  readonly isPullRequest?: boolean | undefined
  readonly statuses?: readonly Discussion['status'][] | undefined
  readonly author?: string | undefined
}

export interface DiscussionStore {
  /** Takes the repository's next number. */
  create(
    order: Pick<Discussion, 'repoId' | 'title' | 'description' | 'isPullRequest' | 'status'> & {
      authorId: number
      baseRef: string | null
    },
  ): Promise<Discussion>
  find(repoId: RepoId, num: number): Promise<Discussion | undefined>
  remove(repoId: RepoId, num: number): Promise<void>
  /** Newest first. */
  list(
    repoId: RepoId,
    filter: DiscussionFilter,
    limit: number,
    offset: number,
  ): Promise<Discussion[]>
  count(repoId: RepoId, filter: DiscussionFilter): Promise<number>
}

export interface EventStore {
  add(event: HubEvent): Promise<void>
  list(filter: {
    repoId?: RepoId
    afterId?: number
    limit: number
  }): Promise<(HubEvent & { id: number; at: string })[]>
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

export interface Job {
  readonly id: number
  readonly kind: string
  readonly key: string
  readonly data: Readonly<Record<string, unknown>>
  readonly attempts: number
}

export interface JobStore {
  /** One waiting job per kind and key: a second one only moves it earlier and takes the new data. */
  enqueue(job: {
    kind: string
    key: string
    data?: Record<string, unknown>
    delayMs?: number
  }): Promise<void>
  claim(owner: string, leaseSeconds: number): Promise<Job | undefined>
  renew(id: number, owner: string, leaseSeconds: number): Promise<boolean>
  finish(id: number, owner: string): Promise<void>
  fail(id: number, owner: string, error: string, retryAfterMs: number): Promise<void>
  counts(): Promise<{ waiting: number; running: number; failing: number }>
  /** Processes that claimed jobs which are not finished. */
  listOwners(): Promise<string[]>
  /** Gives back what a dead process had claimed. */
  releaseOwner(owner: string): Promise<void>
}

export interface SettingStore {
  find(key: string): Promise<string | undefined>
  /** Stores `value` unless the key exists; answers what is stored. */
  findOrCreate(key: string, value: string): Promise<string>
  put(key: string, value: string): Promise<void>
  remove(key: string): Promise<void>
}

/** The whole truth about a repository's refs at one instant, as read from its directory. */
export interface RefSnapshot {
  /** Branch that HEAD names, born or not, without `refs/heads/`. */
  readonly defaultBranch: string
  readonly headOid: GitOid | null
  /** In byte order of the name. Hub-private refs are not in it. */
  readonly refs: readonly Ref[]
  /** SHA-256 over HEAD and every name and oid. */
  readonly digest: string
}

export interface CommitInfo {
  readonly oid: GitOid
  readonly treeOid: GitOid
  readonly parents: readonly GitOid[]
  readonly author: Signature
  readonly committer: Signature
  readonly message: string
}

export interface Signature {
  readonly name: string
  readonly email: string
  /** ISO-8601 UTC. */
  readonly at: string
}

export interface TreeEntry {
  readonly path: string
  readonly mode: string
  readonly type: 'blob' | 'tree' | 'commit'
  readonly oid: GitOid
  /** Blob bytes; 0 for trees and submodules. */
  readonly size: number
}

export interface BlobChange {
  readonly path: string
  /** null = the path is gone. */
  readonly after: { readonly mode: string; readonly oid: GitOid } | null
}

/** One step of a commit made by the hub. Steps apply in order; paths were validated by the domain. */
export type CommitStep =
  | {
      readonly type: 'put'
      readonly path: string
      readonly mode: string
      /** A function opens the bytes anew each time. */
      readonly content: Buffer | (() => Readable)
      readonly size: number
    }
  | { readonly type: 'link'; readonly path: string; readonly mode: string; readonly oid: GitOid }
  | { readonly type: 'delete'; readonly path: string }

/** Environment under which git sees the objects of a push that is not accepted yet. */
export interface Quarantine {
  readonly objectDirectory: string
  readonly alternates: string
}

/** What a bare repository's hook hands over; answered with lines for the pusher and a verdict. */
export interface HookCall {
  readonly hook: 'pre-receive' | 'post-receive'
  readonly updates: readonly RefUpdate[]
  readonly pushOptions: readonly string[]
  readonly quarantine: Quarantine | undefined
}

export interface HookAnswer {
  readonly accept: boolean
  /** Shown on the pusher's terminal. */
  readonly lines: readonly string[]
}

export interface GitServiceRun {
  readonly service: 'upload-pack' | 'receive-pack'
  /** Value of the client's Git-Protocol header, already checked. */
  readonly protocol: string | undefined
  readonly advertise?: boolean
  /** Sent ahead of git's first byte, so that a failure before it can still be answered in another way. */
  readonly prologue?: Buffer
  readonly input: Readable
  readonly output: NodeJS.WritableStream
  readonly signal: AbortSignal
  readonly maxInputBytes?: number | undefined
  readonly onHook?: (call: HookCall) => Promise<HookAnswer>
  /** Hears why a hook call could not be answered; the pusher is told "internal error". */
  readonly onHookError?: (err: unknown) => void
}

/** The git engine: bare repositories named by repository id. Every method throws `git_failed` when git does. */
export interface GitEngine {
  create(id: RepoId, options: { objectFormat: ObjectFormat; defaultBranch: string }): Promise<void>
  remove(id: RepoId): Promise<void>
  exists(id: RepoId): Promise<boolean>
  /** Repository ids that have a directory. */
  listDirectories(): AsyncIterable<RepoId>
  directory(id: RepoId): string

  snapshot(id: RepoId): Promise<RefSnapshot>
  /** Targets of the annotated tags in a snapshot, by ref name. */
  peel(id: RepoId, snapshot: RefSnapshot): Promise<Map<string, GitOid>>
  /** All or nothing, each compared with its old oid; throws `conflict` when one moved. */
  updateRefs(id: RepoId, updates: readonly RefUpdate[]): Promise<void>
  setHead(id: RepoId, branch: string): Promise<void>

  runService(id: RepoId, run: GitServiceRun): Promise<void>

  /** Full oid of a commit for a revision expression that `isSafeRevision` let through; undefined when there is none. */
  resolveCommit(id: RepoId, revision: string): Promise<GitOid | undefined>
  readCommit(id: RepoId, oid: GitOid): Promise<CommitInfo>
  /** Newest first, following parents. */
  log(
    id: RepoId,
    from: GitOid,
    options: { skip: number; limit: number; path?: string },
  ): Promise<CommitInfo[]>
  countCommits(id: RepoId, from: GitOid, not?: GitOid): Promise<number>
  /** The object at a path of a commit or tree; undefined when there is none. */
  findEntry(id: RepoId, commit: GitOid, path: string): Promise<TreeEntry | undefined>
  /** Children of a tree path, in git's order; undefined when the path is no tree. */
  listTree(
    id: RepoId,
    commit: GitOid,
    path: string,
    options: { recursive: boolean },
  ): AsyncIterable<TreeEntry>
  /** Type, oid and size of the object at a path, by one question to a process that is already there. */
  statPath(
    id: RepoId,
    commit: GitOid,
    path: string,
  ): Promise<(Pick<TreeEntry, 'oid' | 'size'> & { type: string }) | undefined>
  /**
   * As `listTree` without sizes and without a process of its own, for reading in pages: starts behind `after`, the path of
   * the entry before (`path/` when that was a folder). Nothing when the path is no tree.
   */
  walk(
    id: RepoId,
    commit: GitOid,
    path: string,
    options: { recursive: boolean; after?: string | undefined },
  ): AsyncIterable<Omit<TreeEntry, 'size'>>
  /** Newest commit that touched each path; leaves out what git did not meet within `budgetMs`. */
  lastCommits(
    id: RepoId,
    from: GitOid,
    paths: readonly string[],
    budgetMs: number,
  ): Promise<Map<string, GitOid>>
  blobSize(id: RepoId, oid: GitOid): Promise<number | undefined>
  /** Throws `too_large` above `maxBytes`. */
  readBlob(id: RepoId, oid: GitOid, maxBytes: number): Promise<Buffer>
  openBlob(
    id: RepoId,
    oid: GitOid,
    signal: AbortSignal,
  ): Promise<{ size: number; stream: Readable }>

  /** Files that differ between two commits; from null = every file. */
  diffFiles(id: RepoId, from: GitOid | null, to: GitOid): AsyncIterable<BlobChange>
  /** Sizes of the given blobs, and which of them are LFS pointers. */
  inspectBlobs(
    id: RepoId,
    oids: readonly GitOid[],
  ): Promise<{
    sizes: Map<GitOid, number>
    pointers: Map<GitOid, LfsPointer & { pointerSize: number }>
  }>
  /** LFS pointers in what `tips` bring that `not` (default: every ref) does not reach. */
  newPointers(
    id: RepoId,
    tips: readonly GitOid[],
    options: { quarantine?: Quarantine | undefined; not?: 'refs' | 'nothing' },
  ): AsyncIterable<LfsPointer>
  /** Files that `tips` bring and no ref reached before, each blob once, those up to `maxBytes`. */
  newBlobs(
    id: RepoId,
    tips: readonly GitOid[],
    options: { quarantine: Quarantine | undefined; maxBytes: number },
  ): AsyncIterable<{ path: string; content: Buffer }>
  isAncestor(
    id: RepoId,
    ancestor: GitOid,
    descendant: GitOid,
    quarantine?: Quarantine,
  ): Promise<boolean>

  /** Children of a tree or of a commit's root; undefined when there is no such tree. */
  readTree(
    id: RepoId,
    treeish: GitOid,
  ): Promise<ReadonlyMap<string, { mode: string; oid: GitOid }> | undefined>
  /**
   * Tells other processes that objects come in which no ref names yet, so that nobody prunes them. The holder asks whether
   * the repository may be written only after this; answers what ends it.
   */
  markWriter(id: RepoId): Promise<() => Promise<void>>
  /** Makes a commit durable; no ref moves. */
  writeCommit(
    id: RepoId,
    commit: {
      parent: GitOid | null
      message: string
      author: Signature
      steps: AsyncIterable<CommitStep> | Iterable<CommitStep>
    },
    signal: AbortSignal,
  ): Promise<GitOid>
  /** Tree of a three-way merge from the best common ancestor, and the paths in conflict. Throws `conflict` when there is none. */
  mergeTree(
    id: RepoId,
    ours: GitOid,
    theirs: GitOid,
  ): Promise<{ treeOid: GitOid; conflicts: string[] }>
  /** Unified diffs by path; undefined when they are longer than `maxBytes` together. */
  diffTexts(
    id: RepoId,
    from: GitOid,
    to: GitOid,
    maxBytes: number,
  ): Promise<Map<string, string> | undefined>
  /** A commit object with this tree and these parents; no ref moves. */
  commitTree(
    id: RepoId,
    commit: { treeOid: GitOid; parents: readonly GitOid[]; message: string; author: Signature },
  ): Promise<GitOid>
  createTag(
    id: RepoId,
    tag: { name: string; target: GitOid; message: string; tagger: Signature },
  ): Promise<GitOid>

  /** For the dumb protocol: pack file names, and object files by their path below the repository. */
  listPacks(id: RepoId): Promise<string[]>
  openObjectFile(
    id: RepoId,
    path: string,
  ): Promise<{ size: number; etag: string; open(range?: ByteRange): Promise<Readable> } | undefined>

  /** Bytes that a push brings, while it is still in quarantine. */
  quarantineBytes(quarantine: Quarantine): Promise<number>
  /** Bytes on disk of the object store. */
  sizeBytes(id: RepoId): Promise<number>
  /** Pushes past pre-receive that have not ended, in any process. */
  pushesInFlight(id: RepoId): Promise<number>
  /** Packs what is reachable, drops the rest. The caller keeps writers out. */
  prune(id: RepoId): Promise<void>
  /** Cheap upkeep after pushes; writers may go on. */
  maintain(id: RepoId): Promise<void>
  /** Output of `git fsck --full`; empty = clean. */
  fsck(id: RepoId): Promise<string[]>
  /** For backups: brings the object files to a directory, beside running writers, and answers their names. */
  exportObjects(id: RepoId, target: string): Promise<ReadonlySet<string>>
  /** Whether the object files in a directory hold all that `tips` reach. */
  objectsReach(id: RepoId, objects: string, tips: readonly GitOid[]): Promise<boolean>
  dropOtherObjects(target: string, keep: ReadonlySet<string>): Promise<void>
  /** Fills a repository just created with object files of a directory and with refs. */
  importObjects(id: RepoId, source: string, refs: readonly Ref[]): Promise<void>
  /** git processes at work for this process. */
  runningProcesses(): number
  /** Removes lock and temporary files of git processes that died; answers how many stay because their owner may live. */
  sweepLeftovers(id: RepoId): Promise<number>
  /** Removes directories that were on their way in or out when their process died. */
  sweepTrash(): Promise<void>
}

export interface ByteRange {
  readonly first: number
  /** Inclusive. */
  readonly last: number
}

export interface PresignedPart {
  readonly number: number
  readonly url: string
}

/** Where bytes live, by key. Keys are hub-made (`lfs/ab/cd/<oid>`), never a caller's text. */
export interface ObjectStore {
  readonly kind: 'disk' | 's3'
  size(key: string): Promise<number | undefined>
  /** Throws `object_not_found`. */
  open(key: string, range?: ByteRange): Promise<Readable>
  /** Nothing becomes visible unless size and SHA-256 (where given) are right; throws `checksum_mismatch` or `too_large`. */
  put(
    key: string,
    body: Readable,
    expect: { size?: number | undefined; sha256?: string | undefined; maxBytes?: number },
    signal: AbortSignal,
  ): Promise<{ size: number; sha256: string }>
  /**
   * Throws `object_not_found`, or `checksum_mismatch` unless what is held under `key` has this size and SHA-256: told by
   * the store's own checksum where it keeps one, else read. Nothing that a client said about it counts.
   */
  verify(key: string, expect: { size: number; sha256: string }, signal: AbortSignal): Promise<void>
  delete(key: string): Promise<void>
  list(prefix: string): AsyncIterable<{ key: string; size: number; modifiedAt: Date }>
  /** Throws when the store cannot be used. */
  check(): Promise<void>
  /** Removes half-written uploads of processes that died; answers how many. */
  sweep(): Promise<number>
  /** File to send without a copy through a stream, where there is one. */
  localPath?(key: string): string
  /** Direct transfer between client and store; absent where the store cannot. */
  readonly direct?: DirectTransfer
  readonly parts: PartUpload
}

export interface DirectTransfer {
  /** Single PUTs go no further: larger objects need parts or the proxied route. */
  readonly maxPutBytes: number
  /**
   * Whether this store refuses other bytes, and other headers, than a presigned PUT was signed for. Found out once by
   * trying; where it does not, clients must not write into it by themselves.
   */
  bindsPut(): Promise<boolean>
  presignGet(
    key: string,
    options: { seconds: number; filename?: string; contentType?: string },
  ): Promise<string>
  /** The signature binds length and SHA-256: the client must send `headers` exactly. */
  presignPut(
    key: string,
    options: { seconds: number; size: number; sha256: string },
  ): Promise<{ url: string; headers: Record<string, string> }>
  presignPart(key: string, uploadId: string, number: number, seconds: number): Promise<string>
}

/** Uploads in parts of one size, the last one smaller: 1-based numbers, parts may come in any order and again. */
export interface PartUpload {
  readonly minPartBytes: number
  begin(key: string): Promise<string>
  /** Answers the part's ETag. Throws `object_not_found` when the upload has ended. */
  putPart(
    key: string,
    uploadId: string,
    number: number,
    body: Readable,
    size: number,
    signal: AbortSignal,
  ): Promise<string>
  /**
   * Puts the parts together under `key`. Throws `unprocessable` while parts are missing or have another size (the upload
   * goes on), `checksum_mismatch` when the whole is not what was promised (the upload is over, nothing is left).
   * Idempotent: done again for a `key` that is complete, it only checks.
   */
  complete(
    key: string,
    uploadId: string,
    expect: { size: number; partSize: number; sha256: string },
    signal: AbortSignal,
  ): Promise<void>
  abort(key: string, uploadId: string): Promise<void>
}
