import type { RepoListQuery } from '../repos/ports.js'
import type { Repo, RepoKind } from '../types.js'

export interface PaperAuthor {
  readonly name: string
  /** Name of an account of this hub. */
  readonly user?: string | undefined
  readonly hidden?: boolean | undefined
}

/** Everything but the id is what an administrator wrote down; null = nobody did. */
export interface Paper {
  /** arXiv id without version: `2307.09288`, `hep-th/9901001`. */
  readonly id: string
  readonly title: string | null
  readonly summary: string | null
  readonly authors: readonly PaperAuthor[]
  readonly publishedAt: string | null
  readonly source: string | null
  readonly submittedOnDailyAt: string | null
  readonly submittedOnDailyBy: string | null
}

export interface PaperQuery {
  /** Part of the id, the title, the summary or an author's name, without case. */
  readonly text?: string | undefined
  readonly visibleTo: RepoListQuery['visibleTo']
  readonly limit: number
}

export interface DailyQuery {
  /** ISO times, the first inclusive, the second not. */
  readonly from?: string | undefined
  readonly until?: string | undefined
  readonly submitter?: string | undefined
  readonly sort: 'publishedAt' | 'submitted'
  readonly limit: number
  readonly offset: number
}

/** Papers are known by what an administrator wrote down and by the `arxiv:` tags of repositories. */
export interface PaperStore {
  /** What was written down about it. */
  find(id: string): Promise<Paper | undefined>
  /** Newest ids first. Those that only tags name are among them where the viewer may see a repository with the tag. */
  search(query: PaperQuery): Promise<Paper[]>
  listDaily(query: DailyQuery): Promise<Paper[]>
  save(paper: Paper): Promise<void>
  delete(id: string): Promise<boolean>
  /** Repositories that carry the tag and the viewer may see, most liked first. */
  listRepos(
    id: string,
    query: { kind?: RepoKind; visibleTo: RepoListQuery['visibleTo']; limit: number },
  ): Promise<Repo[]>
}
