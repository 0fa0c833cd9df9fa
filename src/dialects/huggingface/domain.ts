import type { Access } from '../../domain/access/access.js'
import type { Committer } from '../../domain/commits/committer.js'
import type { LfsObjects } from '../../domain/lfs/objects.js'
import type {
  AccountStore,
  EventStore,
  FileStore,
  GitEngine,
  LfsStore,
  QuotaStore,
  RefStore,
  RepoStore,
} from '../../domain/ports.js'
import type { Quotas } from '../../domain/quotas/quotas.js'
import type { PushPolicy } from '../../domain/refs/push-policy.js'
import type { RefRecorder } from '../../domain/refs/recorder.js'
import type { Revisions } from '../../domain/refs/revisions.js'
import type { RepoRegistry } from '../../domain/repos/registry.js'
import type { Squash } from '../../domain/repos/squash.js'

export interface Domain {
  readonly access: Access
  readonly committer: Committer
  readonly git: GitEngine
  readonly objects: LfsObjects
  readonly policy: PushPolicy
  readonly quotas: Quotas
  readonly recorder: RefRecorder
  readonly registry: RepoRegistry
  readonly revisions: Revisions
  readonly squash: Squash
  readonly stores: {
    readonly accounts: AccountStore
    readonly repos: RepoStore
    readonly refs: RefStore
    readonly files: FileStore
    readonly lfs: LfsStore
    readonly quotas: QuotaStore
    readonly events: EventStore
  }
}
