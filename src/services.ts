import { randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Logger } from 'pino'
import { addBackgroundWork } from './background.js'
import type { Config } from './config/config.js'
import { Access } from './domain/access/access.js'
import { KeptRights } from './domain/access/kept-rights.js'
import { ActionSigner } from './domain/access/signed-actions.js'
import { Avatars } from './domain/accounts/avatars.js'
import { Follows } from './domain/accounts/follows.js'
import { Invitations } from './domain/accounts/invitations.js'
import { Login } from './domain/accounts/login.js'
import { Organizations } from './domain/accounts/organizations.js'
import { Registry } from './domain/accounts/registry.js'
import { Tokens } from './domain/accounts/tokens.js'
import { UserRemoval } from './domain/accounts/user-removal.js'
import { auditServices } from './domain/audit/index.js'
import { Bundles } from './domain/bundles/bundles.js'
import { Cards } from './domain/cards/cards.js'
import { Collections } from './domain/collections/collections.js'
import { BranchMerges } from './domain/commits/branch-merges.js'
import { Committer } from './domain/commits/committer.js'
import { FileCommits } from './domain/commits/file-commits.js'
import { RefEdits } from './domain/commits/ref-edits.js'
import { CommitTargets } from './domain/commits/targets.js'
import { UploadModes } from './domain/commits/upload-modes.js'
import { Contents } from './domain/content/contents.js'
import { discussionServices } from './domain/discussions/index.js'
import { PullTracker } from './domain/discussions/pull-tracker.js'
import { Downloads } from './domain/downloads/downloads.js'
import { HubError } from './domain/errors.js'
import { AccessRequests } from './domain/gating/access-requests.js'
import { BackupLease } from './domain/jobs/backup-lease.js'
import { JobRunner } from './domain/jobs/runner.js'
import { LfsCollector } from './domain/lfs/collector.js'
import { LfsLocks } from './domain/lfs/locks.js'
import { LfsObjects } from './domain/lfs/objects.js'
import { packageServices } from './domain/packages/index.js'
import { Papers } from './domain/papers/papers.js'
import type { ObjectStore } from './domain/ports.js'
import { Quotas } from './domain/quotas/quotas.js'
import { BranchProtection } from './domain/refs/protection.js'
import { protectionGuard, pullRequestGuard, secretScanGuard } from './domain/refs/push-guards.js'
import { PushPolicy } from './domain/refs/push-policy.js'
import { Pushes } from './domain/refs/pushes.js'
import { RefRecorder } from './domain/refs/recorder.js'
import { Revisions } from './domain/refs/revisions.js'
import { Checker } from './domain/repos/checker.js'
import { Duplicator } from './domain/repos/duplicator.js'
import { Forks } from './domain/repos/forks.js'
import { Holds } from './domain/repos/holds.js'
import { LanguageCounter } from './domain/repos/language-counter.js'
import { Recovery } from './domain/repos/recovery.js'
import { RepoRegistry } from './domain/repos/registry.js'
import { Squash } from './domain/repos/squash.js'
import { Upkeep } from './domain/repos/upkeep.js'
import { appServices } from './domain/spaces/services.js'
import { webhookServices } from './domain/webhooks/index.js'
import { XetContent } from './domain/xet/content.js'
import { xetServices } from './domain/xet/services.js'
import { Xorbs } from './domain/xet/xorbs.js'
import { type Git, openGit } from './git/engine.js'
import { Closer } from './lib/closer.js'
import { hasEnded, PROCESS_INSTANCE } from './lib/process-instance.js'
import { XetWorkers } from './protocol/xet/xet-workers.js'
import { appRunner } from './runner/app-runner.js'
import { checkouts } from './runner/checkouts.js'
import type { Manifest } from './storage/backup/manifest.js'
import { restore } from './storage/backup/restore.js'
import { openStores, type Stores } from './storage/db/index.js'
import { ignoreTemplates } from './storage/ignore-templates.js'
import { openObjects } from './storage/objects/index.js'
import { readSecretKey } from './storage/secret-key.js'

const HOOKS_DIR = fileURLToPath(new URL('../hooks', import.meta.url))

function gitOptions({ dataDir, fetchCacheBytes, packProcesses, packWaitMs, workers }: Config) {
  return {
    root: join(dataDir, 'git'),
    hooksDir: HOOKS_DIR,
    fetchCache: { root: join(dataDir, 'cache', 'fetches'), maxBytes: fetchCacheBytes },
    packProcesses,
    workers,
    packWaitMs,
  }
}

export type Domain = Awaited<ReturnType<typeof openDomain>>

/** The stores and services, without HTTP: what the command line works with. */
export async function openDomain(config: Config, log: Logger, closer: Closer) {
  const stores: Stores = closer.add(await openStores(config.db), (it) => it.close())
  const git: Git = closer.add(await openGit(gitOptions(config)), (it) => it.close())
  const store: ObjectStore = closer.add(await openObjects(config), (it) => it.close())
  const owner = `${PROCESS_INSTANCE}-${randomBytes(4).toString('hex')}`

  const access = new Access(stores.repos, stores.accessRequests)
  const quotas = new Quotas(stores)
  const rules = {
    forcePush: config.forcePush,
    defaultBranchDelete: config.defaultBranchDelete,
    allowMissingLfs: config.allowMissingLfs,
  }
  const protection = new BranchProtection(stores.repos)
  const guards = [
    pullRequestGuard(stores.discussions),
    protectionGuard(protection, git),
    secretScanGuard(stores.repos, git),
  ]
  const policy = new PushPolicy({ ...stores, git, quotas, rules, guards })
  const workers = closer.add(
    new XetWorkers(Math.ceil(availableParallelism() / config.workers)),
    (it) => it.close(),
  )
  const xorbs = new Xorbs({ ...stores, store, workers })
  const chunked = new XetContent({ ...stores, xorbs, workers })
  const limits = config.lfs
  const objects = new LfsObjects({ ...stores, store, access, quotas, policy, chunked, limits })
  const contents = new Contents({ ...stores, git, objects })
  const cards = new Cards({ cards: stores.cards, contents })
  const tracker = new PullTracker({ ...stores, git })
  const recorder = new RefRecorder({ ...stores, git, cards, pulls: tracker })
  const committer = new Committer({ git, access, policy, recorder })
  const pushes = new Pushes({ ...stores, git, policy, recorder, maxPushBytes: config.maxPushBytes })
  const holds = new Holds({ holds: stores.holds, git, owner })
  const registry = new RepoRegistry({ ...stores, git, access, committer, quotas, policy, owner })
  const squash = new Squash({ ...stores, git, holds, policy, recorder })
  const revisions = new Revisions(git)
  const talks = discussionServices({ ...stores, git, committer, recorder })
  const targets = new CommitTargets({ git, access, pulls: talks.pulls })
  const fileCommits = new FileCommits({ git, committer, objects, quotas, revisions })
  const collector = new LfsCollector({ ...stores, git, store })
  const secret = await stores.settings.findOrCreate(
    'signing_secret',
    randomBytes(32).toString('hex'),
  )
  const jobs = new JobRunner({
    store: stores.jobs,
    owner,
    intervalMs: config.jobIntervalMs,
    onError: (err, job) => {
      const put = { err, job: job?.kind, key: job?.key }
      if (err instanceof HubError && err.code === 'repo_locked') log.debug(put, 'job put off')
      else log.warn(put, 'job failed')
    },
  })
  const backupLease = new BackupLease(stores.settings)
  const bundles = new Bundles({ ...stores, store, git, minBytes: config.bundleMinBytes })
  const upkeep = new Upkeep({ ...stores, git, policy, recorder })
  const downloads = closer.add(
    new Downloads({ ...stores, onError: (err) => log.warn({ err }, 'downloads not counted') }),
    (it) => it.flush(),
  )
  const recovery = closer.add(
    new Recovery({
      ...stores,
      git,
      store,
      registry,
      recorder,
      collector,
      hasEnded,
      onError: (err, repo) => log.error({ err, repo: repo?.id }, 'recovery failed'),
    }),
    (it) => it.close(),
  )
  access.onOpen((repo) => recovery.onOpen(repo))
  const organizations = new Organizations(stores)
  const papers = new Papers({ ...stores, access })
  const userRemoval = new UserRemoval({ ...stores, registry })
  const login = new Login(stores.accounts, config.adminToken)
  const secretKey = config.secretKey ?? (await readSecretKey(config.dataDir))
  const packages = packageServices({
    ...stores,
    git,
    access,
    secretKey,
    mirrorLockSeconds: config.mirrorLockSeconds,
  })
  const apps = appServices(
    {
      ...stores,
      access,
      login,
      cards,
      contents,
      recorder,
      secretKey,
      runner: config.spaceRunner && appRunner(config.spaceRunner),
      checkouts: checkouts(join(config.dataDir, 'apps')),
      onRunnerError: (err) => log.warn({ err, ...err.facts }, 'the runner failed'),
    },
    jobs,
  )
  const onError = (err: unknown) => log.warn({ err }, 'webhook not delivered')
  const options = { ...config.webhooks, owner, onError }
  const webhooks = webhookServices({ ...stores, access, jobs, secretKey, options })
  const xet = xetServices({
    ...stores,
    xorbs,
    content: chunked,
    objects,
    policy,
    access,
    login,
    secret,
    dedupeScope: config.xet.dedupeScope,
    direct: config.xet.links === 's3' ? store.direct : undefined,
    workers,
  })
  const audit = closer.add(
    auditServices({
      ...stores,
      pushes,
      jobs,
      settings: config.audit,
      onError: (err, lost) => log.error({ err, lost }, 'audit log not written'),
    }),
    (it) => it.close(),
  )

  const domain = {
    config,
    stores,
    git,
    store,
    owner,
    bundles,
    audit,
    access,
    rights: new KeptRights(() => stores.version()),
    linkRights: new KeptRights(() => stores.rightsVersion()),
    accessRequests: new AccessRequests({ ...stores, access, cards }),
    collections: new Collections({ ...stores, access, papers }),
    papers,
    follows: new Follows(stores),
    accounts: new Registry({ ...stores, quotas: config.quotas, registration: config.registration }),
    tokens: new Tokens(stores),
    avatars: new Avatars({ ...stores, store }),
    userRemoval,
    organizations,
    invitations: new Invitations({ ...stores, organizations }),
    login,
    packages,
    ...webhooks,
    ...apps,
    xet,
    signer: new ActionSigner(secret),
    quotas,
    policy,
    cards,
    contents,
    downloads,
    recorder,
    committer,
    revisions,
    ...talks,
    targets,
    fileCommits,
    uploadModes: new UploadModes(git),
    merges: new BranchMerges({ git, committer, revisions }),
    refEdits: new RefEdits({ ...stores, git, committer, revisions }),
    duplicator: new Duplicator({ ...stores, git, quotas, registry, committer }),
    pushes,
    holds,
    registry,
    forks: new Forks({ ...stores, git, access, quotas, registry, recorder }),
    squash,
    objects,
    locks: new LfsLocks(stores.lfs),
    protection,
    templates: ignoreTemplates(),
    collector,
    checker: new Checker({ ...stores, git, store, allowMissingLfs: config.allowMissingLfs }),
    recovery,
    backupLease,
    jobs,
  }
  addBackgroundWork({ ...domain, upkeep, languages: new LanguageCounter(stores) }, log)
  return domain
}

/** Puts a backup into the empty data directory that `config` names. */
export async function restoreBackup(
  config: Config,
  directory: string,
  onProgress: (done: number, total: number) => void,
): Promise<Manifest> {
  const closer = new Closer()
  const openEngine = async () => closer.add(await openGit(gitOptions(config)), (it) => it.close())
  try {
    const target = { dataDir: config.dataDir, database: config.db, openGit: openEngine }
    return await restore(directory, target, onProgress)
  } finally {
    await closer.close()
  }
}
