/** What a hub knows about, in plain data. Times are ISO-8601 UTC with milliseconds, sizes are bytes. */

export type RepoKind = 'model' | 'dataset' | 'space'
export const REPO_KINDS: readonly RepoKind[] = ['model', 'dataset', 'space']
export type Visibility = 'public' | 'internal' | 'private'
export type ObjectFormat = 'sha1' | 'sha256'
export type GateMode = 'auto' | 'manual' | 'none'
/** What may be done with a repository, each level including the ones before it. */
export type Right = 'read' | 'write' | 'admin'
export type TokenRole = 'read' | 'write' | 'admin'
export type OrgRole = 'reader' | 'contributor' | 'maintainer' | 'admin' | 'owner'

/** `repo_` + 12 hex digits; never changes, names the directory. */
export type RepoId = string & { readonly __brand?: 'RepoId' }
/** 40 (SHA-1) or 64 (SHA-256) lower-case hex digits. */
export type GitOid = string & { readonly __brand?: 'GitOid' }
/** 64 lower-case hex digits. */
export type LfsOid = string & { readonly __brand?: 'LfsOid' }

export interface Namespace {
  readonly id: number
  readonly name: string
  readonly type: 'user' | 'org'
  readonly fullname: string | null
  readonly createdAt: string
  readonly privateQuotaBytes: number | null
  readonly publicQuotaBytes: number | null
  /** Limit over both pools together. */
  readonly totalQuotaBytes: number | null
}

export interface User extends Namespace {
  readonly type: 'user'
  readonly email: string | null
  readonly isSiteAdmin: boolean
  readonly isActive: boolean
}

export interface Org extends Namespace {
  readonly type: 'org'
  readonly description: string | null
}

export interface OrgMembership {
  readonly orgId: number
  readonly orgName: string
  readonly orgFullname: string | null
  readonly role: OrgRole
}

export interface Token {
  readonly id: string
  readonly userId: number
  readonly name: string
  readonly kind: 'token' | 'session'
  readonly role: TokenRole
  /** Empty = every repository the user reaches. */
  readonly repoIds: readonly RepoId[]
  readonly createdAt: string
  readonly expiresAt: string | null
  readonly lastUsedAt: string | null
}

/** Who is asking, as `authenticate` found out. */
export interface Caller {
  readonly user: User | undefined
  readonly memberships: readonly OrgMembership[]
  /** The most the credential permits, whatever the user may do. */
  readonly role: TokenRole
  /** Not empty: the credential reaches these repositories only. */
  readonly repoIds: readonly RepoId[]
  /** Site administration: the admin token, or an admin user with an admin-role credential. */
  readonly isSiteAdmin: boolean
  readonly via: 'anonymous' | 'password' | 'token' | 'session' | 'admin_token' | 'signed'
  readonly token: Token | undefined
  readonly address: string
  /** Id of the request, as the log and the audit log have it. */
  readonly requestId?: string
}

export interface RepoAddress {
  readonly kind: RepoKind
  readonly namespace: string
  readonly name: string
}

export interface Repo extends RepoAddress {
  readonly id: RepoId
  readonly seq: number
  readonly namespaceId: number
  readonly visibility: Visibility
  readonly gate: GateMode
  readonly description: string
  readonly defaultBranch: string
  readonly objectFormat: ObjectFormat
  readonly state: 'creating' | 'ready' | 'deleting'
  readonly disabled: boolean
  readonly sdk: string | null
  readonly createdAt: string
  readonly updatedAt: string
  readonly pushedAt: string | null
  /** Tip of the default branch; null while it has no commit. */
  readonly headOid: GitOid | null
  readonly headAt: string | null
  readonly commitCount: number
  /** Digest of HEAD and all refs that the metadata was derived from. */
  readonly refsDigest: string
  readonly gitBytes: number
  readonly lfsBytes: number
  readonly quotaBytes: number | null
  readonly downloads: number
  readonly likes: number
  readonly trendingScore: number
}

export interface Ref {
  readonly name: string
  readonly oid: GitOid
  /** Target commit of an annotated tag. */
  readonly peeled?: GitOid
  /** Of a symbolic ref: the name it leads to in the end. */
  readonly symref?: string
}

/** oid null = the ref did not exist before, or does not exist after. */
export interface RefUpdate {
  readonly name: string
  readonly oldOid: GitOid | null
  readonly newOid: GitOid | null
}

/** A file of the default branch as the database knows it. */
export interface RepoFile {
  readonly path: string
  readonly mode: string
  readonly blobOid: GitOid
  /** Bytes of the real content: for an LFS file the object, else the blob. */
  readonly size: number
  readonly lfsOid: LfsOid | null
  /** Bytes of the pointer blob; null for regular files. */
  readonly pointerSize: number | null
}

export interface LfsPointer {
  readonly oid: LfsOid
  readonly size: number
}

export interface Discussion {
  /** 24 hex digits. */
  readonly id: string
  readonly repoId: RepoId
  /** From 1, shared by discussions and pull requests of a repository. */
  readonly num: number
  readonly title: string
  /** null = the account is gone. */
  readonly authorId: number | null
  readonly authorName: string | null
  readonly isPullRequest: boolean
  readonly status: 'draft' | 'open' | 'closed' | 'merged'
  readonly pinned: boolean
  /** Only who may write to the repository comments. */
  readonly locked: boolean
  /** Pull requests: the branch to merge into, and `refs/pr/<num>`. */
  readonly baseRef: string | null
  readonly headRef: string | null
  /** Tip of `headRef` as last recorded. */
  readonly headOid: GitOid | null
  /** Of a merged one: what the merge made, and what its diff begins at. */
  readonly mergeOid: GitOid | null
  readonly mergeBaseOid: GitOid | null
  readonly numComments: number
  readonly createdAt: string
}

export interface DiscussionComment {
  /** 24 hex digits. */
  readonly id: string
  readonly authorId: number | null
  readonly authorName: string | null
  readonly createdAt: string
  readonly content: string
  readonly updatedAt: string
  readonly edited: boolean
  /** Its content is gone for good. */
  readonly hidden: boolean
}

export interface HubEvent {
  readonly type: string
  readonly repo: Pick<Repo, 'id' | 'kind' | 'namespace' | 'name'> | undefined
  readonly actor: {
    readonly id: number | null
    readonly name: string | null
    readonly address: string
  }
  readonly dialect: string
  readonly data: Readonly<Record<string, unknown>>
  /** The request that it was part of. */
  readonly request?: string | null
  /** What the actor proved to be: `password`, `token:<id>`, `session:<id>`, `admin_token`, … */
  readonly credential?: string | null
}
