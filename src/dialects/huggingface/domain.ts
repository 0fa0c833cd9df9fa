import type { Access } from '../../domain/access/access.js'
import type { Follows } from '../../domain/accounts/follows.js'
import type { Login } from '../../domain/accounts/login.js'
import type { AccountStore } from '../../domain/accounts/ports.js'
import type { Cards } from '../../domain/cards/cards.js'
import type { CardStore } from '../../domain/cards/ports.js'
import type { Collections } from '../../domain/collections/collections.js'
import type { CollectionStore } from '../../domain/collections/ports.js'
import type { BranchMerges } from '../../domain/commits/branch-merges.js'
import type { Committer } from '../../domain/commits/committer.js'
import type { FileCommits } from '../../domain/commits/file-commits.js'
import type { RefEdits } from '../../domain/commits/ref-edits.js'
import type { CommitTargets } from '../../domain/commits/targets.js'
import type { UploadModes } from '../../domain/commits/upload-modes.js'
import type { Contents } from '../../domain/content/contents.js'
import type { FileStore } from '../../domain/content/ports.js'
import type { DiscussionServices } from '../../domain/discussions/index.js'
import type { DiscussionStore } from '../../domain/discussions/ports.js'
import type { Downloads } from '../../domain/downloads/downloads.js'
import type { Endpoints } from '../../domain/endpoints/endpoints.js'
import type { EventStore } from '../../domain/events/ports.js'
import type { AccessRequests } from '../../domain/gating/access-requests.js'
import type { LfsObjects } from '../../domain/lfs/objects.js'
import type { LfsStore } from '../../domain/lfs/ports.js'
import type { Papers } from '../../domain/papers/papers.js'
import type { GitEngine } from '../../domain/ports.js'
import type { QuotaStore } from '../../domain/quotas/ports.js'
import type { Quotas } from '../../domain/quotas/quotas.js'
import type { RefStore } from '../../domain/refs/ports.js'
import type { PushPolicy } from '../../domain/refs/push-policy.js'
import type { RefRecorder } from '../../domain/refs/recorder.js'
import type { Revisions } from '../../domain/refs/revisions.js'
import type { Duplicator } from '../../domain/repos/duplicator.js'
import type { RepoStore } from '../../domain/repos/ports.js'
import type { RepoRegistry } from '../../domain/repos/registry.js'
import type { Squash } from '../../domain/repos/squash.js'
import type { Spaces } from '../../domain/spaces/spaces.js'
import type { Webhooks } from '../../domain/webhooks/webhooks.js'

export interface Domain extends DiscussionServices {
  readonly access: Access
  readonly accessRequests: AccessRequests
  readonly collections: Collections
  readonly papers: Papers
  readonly follows: Follows
  readonly cards: Cards
  readonly contents: Contents
  readonly downloads: Downloads
  readonly committer: Committer
  readonly fileCommits: FileCommits
  readonly targets: CommitTargets
  readonly uploadModes: UploadModes
  readonly merges: BranchMerges
  readonly refEdits: RefEdits
  readonly duplicator: Duplicator
  readonly login: Login
  readonly git: GitEngine
  readonly objects: LfsObjects
  readonly policy: PushPolicy
  readonly quotas: Quotas
  readonly recorder: RefRecorder
  readonly registry: RepoRegistry
  readonly revisions: Revisions
  readonly squash: Squash
  readonly webhooks: Webhooks
  readonly spaces: Spaces
  readonly endpoints: Endpoints
  readonly stores: {
    readonly accounts: AccountStore
    readonly collections: CollectionStore
    readonly repos: RepoStore
    readonly refs: RefStore
    readonly files: FileStore
    readonly cards: CardStore
    readonly lfs: LfsStore
    readonly quotas: QuotaStore
    readonly events: EventStore
    readonly discussions: DiscussionStore
  }
}
