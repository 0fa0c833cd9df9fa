import type { Discussion, RepoId } from '../types.js'

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
