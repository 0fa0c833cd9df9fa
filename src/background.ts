import type { Logger } from 'pino'
import type { Config } from './config/config.js'
import type { UserRemoval } from './domain/accounts/user-removal.js'
import type { AppRuns } from './domain/apps/app-runs.js'
import type { Bundles } from './domain/bundles/bundles.js'
import type { BackupLease } from './domain/jobs/backup-lease.js'
import type { JobHandler, JobRunner } from './domain/jobs/runner.js'
import type { LfsCollector } from './domain/lfs/collector.js'
import type { LfsObjects } from './domain/lfs/objects.js'
import type { RefRecorder } from './domain/refs/recorder.js'
import type { LanguageCounter } from './domain/repos/language-counter.js'
import type { RepoRegistry } from './domain/repos/registry.js'
import type { Squash } from './domain/repos/squash.js'
import type { Upkeep } from './domain/repos/upkeep.js'
import type { XetServices } from './domain/xet/services.js'
import type { Stores } from './storage/db/index.js'

const BUNDLES_SECONDS = 3600
const LFS_GC_SECONDS = 24 * 3600
const UPKEEP_SECONDS = 24 * 3600
const TRENDING_SECONDS = 15 * 60
const TOKEN_SWEEP_SECONDS = 3600

export interface BackgroundParts {
  readonly config: Config
  readonly stores: Stores
  readonly jobs: JobRunner
  readonly backupLease: BackupLease
  readonly appRuns: AppRuns
  readonly bundles: Bundles
  readonly collector: LfsCollector
  readonly languages: LanguageCounter
  readonly objects: LfsObjects
  readonly recorder: RefRecorder
  readonly registry: RepoRegistry
  readonly squash: Squash
  readonly upkeep: Upkeep
  readonly userRemoval: UserRemoval
  readonly xet: XetServices
}

/** What the hub does by itself: durable jobs, by need and by the clock. Those that remove bytes wait for a running backup. */
export function addBackgroundWork(parts: BackgroundParts, log: Logger): void {
  const { config, stores, jobs, backupLease, appRuns, bundles, collector, languages } = parts
  const { objects, recorder, registry, squash, upkeep, userRemoval, xet } = parts
  const unlessBackup = (handler: JobHandler) => backupLease.guard(handler)
  jobs.handle(
    'repo.purge',
    unlessBackup(async (job) => {
      await bundles.drop(job.key)
      await registry.purge(job.key)
      await appRuns.order(job.key)
    }),
  )
  jobs.handle(
    'repo.prune',
    unlessBackup((job) =>
      squash.prune(
        job.key,
        async (repo) => {
          await bundles.drop(repo.id)
          // what nobody else names either can go
          if ((await collector.releaseUnreachable(repo)) > 0)
            await stores.jobs.enqueue({ kind: 'lfs.sweep', key: 'all' })
        },
        job.attempts,
      ),
    ),
  )
  jobs.handle(
    'repo.maintain',
    unlessBackup((job) => upkeep.maintain(job.key)),
  )
  jobs.handleEvery(
    'repo.upkeep',
    UPKEEP_SECONDS,
    unlessBackup((_, signal) => upkeep.planAll(signal)),
  )
  // one count for a series of pushes
  recorder.leaveJob('repo.language', 2_000)
  jobs.handle('repo.language', async (job) => {
    const repo = await stores.repos.findById(job.key)
    if (repo?.state === 'ready') await languages.count(repo)
  })
  jobs.handle('repo.shown', async (job) => {
    const repo = await stores.repos.findById(job.key)
    if (repo) await bundles.dropHidden(repo)
  })
  jobs.handleEvery('repo.bundles', BUNDLES_SECONDS, (_, signal) =>
    bundles.refreshAll(signal, (err, repo) => log.warn({ err, repo: repo.id }, 'no bundle made')),
  )
  jobs.handleEvery(
    'lfs.gc',
    LFS_GC_SECONDS,
    unlessBackup(async () => {
      await collector.collect({ dryRun: false, graceSeconds: config.lfs.graceSeconds })
    }),
  )
  jobs.handle(
    'lfs.sweep',
    unlessBackup(() => collector.sweep(config.lfs.graceSeconds)),
  )
  recorder.leaveJob('repo.maintain', 5_000)
  jobs.handle('account.purge', (job) => userRemoval.purge(Number(job.key)))
  jobs.handleEvery('repo.trending', TRENDING_SECONDS, () => stores.repos.refreshTrending())
  jobs.handleEvery('account.tokens', TOKEN_SWEEP_SECONDS, () =>
    stores.accounts.deleteExpiredTokens(),
  )
  const { dedupe } = config.xet
  if (dedupe !== 'off')
    jobs.handleEvery('xet.convert', dedupe === 'eager' ? 60 : LFS_GC_SECONDS, async (_, signal) => {
      await xet.converter.convertAll({
        minAgeSeconds: dedupe === 'eager' ? 0 : LFS_GC_SECONDS,
        signal,
        onError: (err, oid) => log.warn({ err, oid }, 'an object could not be stored in chunks'),
      })
    })
  jobs.handleEvery(
    'xet.gc',
    LFS_GC_SECONDS,
    unlessBackup(async () => {
      await xet.collector.collect({ dryRun: false, graceSeconds: config.xet.graceSeconds })
    }),
  )
  jobs.handle(
    'lfs.drop-raw',
    unlessBackup((job) => objects.dropRaw(job.key)),
  )
}
