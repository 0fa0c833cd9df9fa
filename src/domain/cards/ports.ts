import type { RepoListQuery } from '../repos/ports.js'
import type { GitOid, Repo, RepoId, RepoKind } from '../types.js'
import type { RepoCard, TagType } from './card.js'

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
