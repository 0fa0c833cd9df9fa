import { sql } from 'kysely'
import type { FollowStore } from '../../domain/accounts/follows.js'
import type { AccountStore } from '../../domain/accounts/ports.js'
import type { AppRunStore } from '../../domain/apps/ports.js'
import type { AuditStore } from '../../domain/audit/ports.js'
import type { CardStore } from '../../domain/cards/ports.js'
import type { CollectionStore } from '../../domain/collections/ports.js'
import type { FileStore } from '../../domain/content/ports.js'
import type { DiscussionStore } from '../../domain/discussions/ports.js'
import type { EndpointStore } from '../../domain/endpoints/ports.js'
import type { EventStore } from '../../domain/events/ports.js'
import type { AccessRequestStore } from '../../domain/gating/ports.js'
import type { JobStore } from '../../domain/jobs/ports.js'
import type { LfsStore } from '../../domain/lfs/ports.js'
import type { PackageStores } from '../../domain/packages/ports.js'
import type { PaperStore } from '../../domain/papers/ports.js'
import type { SettingStore } from '../../domain/ports.js'
import type { QuotaStore } from '../../domain/quotas/ports.js'
import type { RefStore } from '../../domain/refs/ports.js'
import type { HoldStore, LanguageStore, RepoStore } from '../../domain/repos/ports.js'
import type { SpaceStore } from '../../domain/spaces/ports.js'
import type { DeliveryQueue, WebhookStore } from '../../domain/webhooks/ports.js'
import type { XetStore } from '../../domain/xet/ports.js'
import { packageStores } from './abf.js'
import { accessRequestStore } from './access-requests.js'
import { accountStore } from './accounts.js'
import { appRunStore } from './app-runs.js'
import { auditStore } from './audit.js'
import { cardStore } from './cards.js'
import { collectionStore } from './collections.js'
import { discussionStore } from './discussions.js'
import { endpointStore } from './endpoints.js'
import { eventStore } from './events.js'
import { followStore } from './follows.js'
import { holdStore } from './holds.js'
import { jobStore } from './jobs.js'
import {
  KeptReads,
  keepAccountReads,
  keepHoldReads,
  keepRepoReads,
  keepSettingReads,
} from './kept-reads.js'
import { languageStore } from './languages.js'
import { LateSync } from './late-sync.js'
import { lfsStore } from './lfs.js'
import { copyDatabase, openDatabase } from './open.js'
import { paperStore } from './papers.js'
import { quotaStore } from './quotas.js'
import { fileStore, refStore } from './refs.js'
import { repoStore } from './repos.js'
import { settingStore } from './settings.js'
import { spaceStore } from './spaces.js'
import { countTotals, type Totals } from './totals.js'
import { deliveryQueue } from './webhook-queue.js'
import { webhookStore } from './webhooks.js'
import { xetStore } from './xet.js'

export interface Stores {
  readonly accounts: AccountStore
  readonly repos: RepoStore
  readonly accessRequests: AccessRequestStore
  readonly collections: CollectionStore
  readonly papers: PaperStore
  readonly follows: FollowStore
  readonly refs: RefStore
  readonly files: FileStore
  readonly cards: CardStore
  readonly lfs: LfsStore
  readonly xet: XetStore
  readonly languages: LanguageStore
  readonly quotas: QuotaStore
  readonly discussions: DiscussionStore
  readonly events: EventStore
  readonly audit: AuditStore
  readonly holds: HoldStore
  readonly packages: PackageStores
  readonly spaces: SpaceStore
  readonly appRuns: AppRunStore
  readonly endpoints: EndpointStore
  readonly jobs: JobStore
  readonly webhooks: WebhookStore
  readonly deliveries: DeliveryQueue
  readonly settings: SettingStore
  /** Another text after every write, by whichever process. */
  version(): string
  /** Another text after every write that may change a right or a lock. */
  rightsVersion(): string
  check(): Promise<void>
  totals(): Promise<Totals>
  /** A consistent copy of the database as a new file, while others read and write it. */
  copyTo(file: string): Promise<void>
  close(): Promise<void>
}

export async function openStores(file: string, onQuery?: (sql: string) => void): Promise<Stores> {
  const opened = await openDatabase(file, onQuery)
  const { db, version, rightsVersion } = opened
  const reads = new KeptReads(version)
  // whose answers hold nothing that an upload changes
  const rights = new KeptReads(rightsVersion)
  const late = new LateSync(opened, file)
  return {
    accounts: keepAccountReads(accountStore(db), rights),
    repos: keepRepoReads(repoStore(db), reads, rights),
    accessRequests: accessRequestStore(db),
    collections: collectionStore(db),
    papers: paperStore(db),
    follows: followStore(db),
    refs: refStore(db),
    files: fileStore(db),
    cards: cardStore(db),
    lfs: lfsStore(opened, late),
    xet: xetStore(db),
    languages: languageStore(db),
    quotas: quotaStore(db),
    discussions: discussionStore(db),
    events: eventStore(db),
    audit: auditStore(db, late),
    holds: keepHoldReads(holdStore(db), rights),
    packages: packageStores(db),
    spaces: spaceStore(db),
    appRuns: appRunStore(db),
    endpoints: endpointStore(db),
    jobs: jobStore(db),
    webhooks: webhookStore(db),
    deliveries: deliveryQueue(db),
    settings: keepSettingReads(settingStore(db), rights),
    version,
    rightsVersion,
    // with the write lock taken: a database that can only be read is not ready
    check: async () => {
      await db.transaction().execute((tx) => sql`select key from setting limit 1`.execute(tx))
    },
    totals: () => countTotals(db),
    copyTo: (file) => copyDatabase(db, file),
    close: async () => {
      await late.close()
      await db.destroy()
    },
  }
}
