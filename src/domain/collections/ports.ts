import type { RepoListQuery } from '../repos/ports.js'
import type { Repo, RepoId, RepoKind } from '../types.js'

export const COLLECTION_THEMES = ['orange', 'blue', 'green', 'purple', 'pink', 'indigo'] as const
export type CollectionTheme = (typeof COLLECTION_THEMES)[number]
export type CollectionItemType = RepoKind | 'paper' | 'collection'

export interface Collection {
  /** 24 hex digits: what identifies it, whatever its title becomes. */
  readonly id: string
  readonly namespaceId: number
  readonly namespace: string
  readonly namespaceFullname: string | null
  readonly namespaceType: 'user' | 'org'
  readonly title: string
  readonly description: string | null
  readonly theme: CollectionTheme
  readonly isPrivate: boolean
  /** From 0, among the collections of its owner. */
  readonly position: number
  readonly upvotes: number
  readonly createdAt: string
  readonly updatedAt: string
}

/** What an item stands for: a repository and a collection by their ids, so that a new name changes nothing. */
export type CollectionTarget =
  | { readonly type: RepoKind; readonly repoId: RepoId }
  | { readonly type: 'paper'; readonly paperId: string }
  | { readonly type: 'collection'; readonly collectionId: string }

export type CollectionItem = {
  /** 24 hex digits. */
  readonly id: string
  readonly note: string | null
} & (
  | { readonly type: RepoKind; readonly repo: Repo }
  | { readonly type: 'paper'; readonly paperId: string; readonly title: string | null }
  | { readonly type: 'collection'; readonly collection: Collection }
)

/** As in `RepoListQuery`: undefined = site administration, which sees everything. */
export type Viewer = RepoListQuery['visibleTo']

export type CollectionSort = 'lastModified' | 'trending' | 'upvotes'

export interface CollectionQuery {
  readonly viewer: Viewer
  /** Of any of these owners. */
  readonly namespaceIds?: readonly number[] | undefined
  /** Holding every one of these. */
  readonly holding?: readonly CollectionTarget[] | undefined
  /** Part of the title or the description, without case. */
  readonly text?: string | undefined
  readonly sort: CollectionSort
  readonly after?: { readonly value: string | number; readonly id: string } | undefined
  readonly limit: number
}

export interface CollectionStore {
  find(id: string): Promise<Collection | undefined>
  findByTitle(namespaceId: number, title: string): Promise<Collection | undefined>
  /** Best first; `value` is what it was sorted by. */
  list(query: CollectionQuery): Promise<{ collection: Collection; value: string | number }[]>
  /** Behind the owner's others. Undefined when the owner has `max` already. Throws `conflict` when the title is taken. */
  create(order: {
    id: string
    namespaceId: number
    title: string
    description: string | null
    isPrivate: boolean
    theme: CollectionTheme
    max: number
  }): Promise<Collection | undefined>
  /** Throws `conflict` when the title is taken. A position beyond the end is the end. */
  update(
    id: string,
    change: Partial<{
      title: string
      description: string | null
      isPrivate: boolean
      theme: CollectionTheme
      position: number
    }>,
  ): Promise<void>
  delete(id: string): Promise<boolean>
  /** In order, only what the viewer may see. */
  listItems(id: string, viewer: Viewer, limit: number): Promise<CollectionItem[]>
  /** At the end. `taken`: it is in there; `full`: it holds `max` items. */
  addItem(
    id: string,
    item: { id: string; target: CollectionTarget; note: string | null; max: number },
  ): Promise<'added' | 'taken' | 'full'>
  /** `before`: another item, or null for the end. False when an item is gone. */
  updateItem(
    id: string,
    itemId: string,
    change: { note?: string | null; before?: string | null },
  ): Promise<boolean>
  deleteItem(id: string, itemId: string): Promise<boolean>
  setUpvote(id: string, userId: number, upvoted: boolean): Promise<void>
  /** Which of these collections the user upvoted. */
  listUpvoted(userId: number, ids: readonly string[]): Promise<ReadonlySet<string>>
}
