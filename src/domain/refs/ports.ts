import type { RepoCard } from '../cards/card.js'
import type { CardFacts } from '../cards/tags.js'
import type { DiscussionChangeSet } from '../discussions/ports.js'
import type { GitOid, HubEvent, Ref, RefUpdate, RepoFile, RepoId } from '../types.js'

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
  /** What it means for pull requests. */
  readonly discussions: readonly DiscussionChangeSet[]
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
