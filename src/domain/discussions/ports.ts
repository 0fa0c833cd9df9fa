import type { Discussion, DiscussionComment, GitOid, HubEvent, RepoId } from '../types.js'

export interface DiscussionFilter {
  readonly isPullRequest?: boolean | undefined
  readonly statuses?: readonly Discussion['status'][] | undefined
  readonly author?: string | undefined
}

export interface DiscussionOrder {
  readonly repoId: RepoId
  readonly title: string
  /** Becomes the first comment. */
  readonly description: string
  readonly isPullRequest: boolean
  readonly status: Discussion['status']
  readonly authorId: number
  readonly baseRef: string | null
}

/** One line of a discussion, in the order in which they happened. */
export type DiscussionEntry = {
  /** Position in the discussion. */
  readonly seq: number
  readonly id: string
  readonly authorId: number | null
  readonly authorName: string | null
  readonly createdAt: string
} & (
  | { readonly type: 'comment'; readonly comment: DiscussionComment }
  | { readonly type: ChangeType; readonly data: Readonly<Record<string, unknown>> }
)

type ChangeType = 'status-change' | 'title-change' | 'commit' | 'pinning-change' | 'locking-change'

export type NewEntry = { readonly authorId: number | null } & (
  | { readonly type: 'comment'; readonly content: string }
  | { readonly type: 'status-change'; readonly data: { readonly status: Discussion['status'] } }
  | { readonly type: 'title-change'; readonly data: { readonly from: string; readonly to: string } }
  | { readonly type: 'commit'; readonly data: { readonly subject: string; readonly oid: GitOid } }
  | { readonly type: 'pinning-change'; readonly data: { readonly pinned: boolean } }
  | { readonly type: 'locking-change'; readonly data: { readonly locked: boolean } }
)

/** What happens to a discussion at once. */
export interface DiscussionChangeSet {
  readonly num: number
  /** Nothing happens unless it is still so. */
  readonly expect?: Partial<Pick<Discussion, 'title' | 'status' | 'pinned' | 'locked'>>
  readonly set: Partial<
    Pick<
      Discussion,
      'title' | 'status' | 'pinned' | 'locked' | 'headOid' | 'mergeOid' | 'mergeBaseOid'
    >
  > & { readonly opened?: true }
  readonly entries: readonly NewEntry[]
  /** What the rest of the hub hears, given the discussion as it is then. */
  readonly events: (now: Discussion, made: readonly DiscussionEntry[]) => readonly HubEvent[]
}

export interface PlannedMerge {
  readonly repoId: RepoId
  readonly num: number
  /** What the base is about to be moved to. */
  readonly oid: GitOid
  readonly baseRef: string
  readonly mergeBaseOid: GitOid
  readonly userId: number | null
  readonly comment: string | null
}

export interface CommentVersion {
  readonly content: string
  readonly at: string
  readonly authorName: string | null
}

export interface DiscussionStore {
  /** Takes the repository's next number. */
  create(
    order: DiscussionOrder,
    event: (made: Discussion, first: DiscussionComment) => HubEvent,
  ): Promise<Discussion>
  /** A pull request that nobody sees before a change opens it: its ref comes first. */
  reserve(order: DiscussionOrder): Promise<Discussion>
  find(repoId: RepoId, num: number): Promise<Discussion | undefined>
  /** Also one that is not opened yet. */
  findPull(
    repoId: RepoId,
    num: number,
  ): Promise<(Discussion & { readonly opened: boolean }) | undefined>
  /** The number is not given out again. */
  remove(repoId: RepoId, num: number, events?: readonly HubEvent[]): Promise<void>
  /** Newest first. */
  list(
    repoId: RepoId,
    filter: DiscussionFilter,
    limit: number,
    offset: number,
  ): Promise<Discussion[]>
  count(repoId: RepoId, filter: DiscussionFilter): Promise<number>

  /** Answers the new entries, or undefined when what it expects does not hold. */
  change(repoId: RepoId, change: DiscussionChangeSet): Promise<DiscussionEntry[] | undefined>
  /** In order, from behind `after`. */
  listEntries(repoId: RepoId, num: number, after: number, limit: number): Promise<DiscussionEntry[]>
  countCommits(repoId: RepoId, num: number): Promise<number>
  findComment(repoId: RepoId, num: number, id: string): Promise<DiscussionComment | undefined>
  /** Former versions, oldest first. */
  listVersions(commentId: string): Promise<CommentVersion[]>
  /** The former text becomes a version. Answers undefined when the comment is hidden. */
  editComment(
    id: string,
    content: string,
    events: (now: DiscussionComment) => readonly HubEvent[],
  ): Promise<DiscussionComment | undefined>
  /** Drops its text and all versions of it. */
  hideComment(
    id: string,
    events: (now: DiscussionComment) => readonly HubEvent[],
  ): Promise<DiscussionComment | undefined>

  planMerge(merge: PlannedMerge): Promise<void>
  /** `num` undefined: of all pull requests. */
  listPlannedMerges(repoId: RepoId, num?: number): Promise<PlannedMerge[]>
}
