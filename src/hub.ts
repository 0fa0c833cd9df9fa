import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Express, RequestHandler } from 'express'
import type { Logger } from 'pino'
import type { Config } from './config/config.js'
import { abf, downloads } from './dialects/abf/index.js'
import { gitSmart } from './dialects/git-smart/index.js'
import { huggingFace } from './dialects/huggingface/index.js'
import { kohaku } from './dialects/kohaku/index.js'
import { lfs } from './dialects/lfs/index.js'
import { outpost } from './dialects/outpost/index.js'
import { onlySpaces, spaces } from './dialects/spaces/index.js'
import { duplicateRoutes } from './dialects/xet/duplicate.js'
import { xet } from './dialects/xet/index.js'
import { xetTokenRoutes } from './dialects/xet/tokens.js'
import { Access } from './domain/access/access.js'
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
import { type JobHandler, JobRunner } from './domain/jobs/runner.js'
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
import { recordActs } from './http/audit.js'
import { baseUrlOf } from './http/base-url.js'
import { authenticate } from './http/caller.js'
import { cors } from './http/cors.js'
import { health, metricsRoute } from './http/health.js'
import { Metrics } from './http/metrics.js'
import { limitApiCalls } from './http/rate-limit.js'
import { asDialect } from './http/request-facts.js'
import { closeServer, lastAnswers, listen, newApp } from './http/server.js'
import { Closer } from './lib/closer.js'
import { hasEnded, PROCESS_INSTANCE } from './lib/process-instance.js'
import type { Siblings } from './lib/siblings.js'
import { XetWorkers } from './protocol/xet/xet-workers.js'
import { appRunner } from './runner/app-runner.js'
import { checkouts } from './runner/checkouts.js'
import type { Manifest } from './storage/backup/manifest.js'
import { restore } from './storage/backup/restore.js'
import { openStores, type Stores } from './storage/db/index.js'
import { ignoreTemplates } from './storage/ignore-templates.js'
import { openObjects } from './storage/objects/index.js'
import { readSecretKey } from './storage/secret-key.js'

const { version: VERSION } = createRequire(import.meta.url)('../package.json') as {
  version: string
}
const BUNDLES_SECONDS = 3600
const LFS_GC_SECONDS = 24 * 3600
const UPKEEP_SECONDS = 24 * 3600
const TRENDING_SECONDS = 15 * 60
const TOKEN_SWEEP_SECONDS = 3600

const GIT_PATH = /\/(info\/refs|git-upload-pack|git-receive-pack)$/

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
  const store: ObjectStore = await openObjects(config)
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
  const unlessBackup = (handler: JobHandler) => backupLease.guard(handler)
  jobs.handle(
    'repo.purge',
    unlessBackup(async (job) => {
      await bundles.drop(job.key)
      await registry.purge(job.key)
      await apps.appRuns.order(job.key)
    }),
  )
  jobs.handle(
    'repo.prune',
    unlessBackup((job) =>
      squash.prune(job.key, async (repo) => {
        await bundles.drop(repo.id)
        // what nobody else names either can go
        if ((await collector.releaseUnreachable(repo)) > 0)
          await stores.jobs.enqueue({ kind: 'lfs.sweep', key: 'all' })
      }),
    ),
  )
  const upkeep = new Upkeep({ ...stores, git, policy, recorder })
  jobs.handle(
    'repo.maintain',
    unlessBackup((job) => upkeep.maintain(job.key)),
  )
  jobs.handleEvery(
    'repo.upkeep',
    UPKEEP_SECONDS,
    unlessBackup((_, signal) => upkeep.planAll(signal)),
  )
  const downloads = closer.add(
    new Downloads({ ...stores, onError: (err) => log.warn({ err }, 'downloads not counted') }),
    (it) => it.flush(),
  )
  const languages = new LanguageCounter(stores)
  // one count for a series of pushes
  recorder.leaveJob('repo.language', 2_000)
  jobs.handle('repo.language', async (job) => {
    const repo = await stores.repos.findById(job.key)
    if (repo?.state === 'ready') await languages.count(repo)
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
  jobs.handle('account.purge', (job) => userRemoval.purge(Number(job.key)))
  jobs.handleEvery('repo.trending', TRENDING_SECONDS, () => stores.repos.refreshTrending())
  jobs.handleEvery('account.tokens', TOKEN_SWEEP_SECONDS, () =>
    stores.accounts.deleteExpiredTokens(),
  )
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
    workers,
  })
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

  return {
    config,
    stores,
    git,
    store,
    owner,
    bundles,
    audit,
    access,
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
}

export interface Hub {
  readonly url: string
  readonly domain: Domain
  close(): Promise<void>
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

/** The whole hub, listening. What was opened is closed again when opening fails half-way. */
export async function startHub(
  config: Config,
  log: Logger,
  /** Worker processes: of several that start together, one looks after what a crash left behind. */
  among: { readonly siblings?: Siblings; readonly sweeps: boolean } = { sweeps: true },
): Promise<Hub> {
  const closer = new Closer()
  try {
    const domain = await openDomain(config, log, closer)
    closer.add(domain.git.useLauncher(), (it) => it.close())
    // before anything is looked at: what local pushes change from here on is told, what they changed before is found
    closer.add(await openMailbox(domain, log), (it) => it.close())
    await domain.recovery.beforeServing()
    const app = buildApp(domain, log, among.siblings)
    const { server, url } = await listen(app, config.host, config.port)
    const background = new AbortController()
    const swept = among.sweeps ? domain.recovery.sweep(background.signal) : undefined
    await domain.jobs.start()
    await domain.webhookDispatcher.start(hasEnded)
    // no new requests from the first moment on; background work and running requests end side by side
    closer.add(server, async (it) => {
      background.abort()
      const stopped = [domain.jobs.stop(), domain.webhookDispatcher.stop(), swept]
      await Promise.all([closeServer(it, config.shutdownMs), ...stopped])
    })
    return { url, domain, close: () => closer.close() }
  } catch (err) {
    await closer.close()
    throw err
  }
}

function openMailbox({ config, git, pushes }: Domain, log: Logger) {
  return git.openMailbox({
    runDir: join(config.dataDir, 'run'),
    hub: `${process.pid}-${randomBytes(6).toString('hex')}`,
    onHook: (id, call) => pushes.answerLocalHook(id, call),
    onError: (err) => log.error({ err }, 'local push failed'),
  })
}

export function buildApp(domain: Domain, log: Logger, siblings?: Siblings): Express {
  const { config, git, login } = domain
  const baseUrl = baseUrlOf(config.publicUrl)
  const app = newApp({ log, trustProxy: config.trustProxy, accelRedirect: config.accelRedirect })
  const metrics = new Metrics(domain, siblings)
  app.use(metrics.count())
  app.use(recordActs(domain.audit, domain.access))
  const identify = authenticate(login, baseUrl)
  const { createOnPush } = config
  const gitRoutes = asDialect(
    'git',
    gitSmart({ ...domain, git, createOnPush, baseUrl, agent: 'packhorse' }),
  )
  // what polls and clones ask all day passes no other dialect's routes
  app.use(when(GIT_PATH, identify), when(GIT_PATH, gitRoutes))
  app.use(asDialect('hub', health(domain)))
  app.use(cors())
  const xetParts = { ...domain.xet, access: domain.access, quotas: domain.quotas, baseUrl }
  app.use(asDialect('xet', xet(xetParts)))
  const abfParts = { ...domain, baseUrl, hourlyCalls: config.abfHourlyCalls, siblings }
  app.use(asDialect('abf', downloads(abfParts, identify)))
  app.use(identify)
  const spacesParts = { ...domain, spacesUrl: config.spacesUrl, baseUrl }
  const spacePages = spaces(spacesParts)
  app.use(asDialect('spaces', onlySpaces(spacesParts, spacePages)))
  app.use(limitApiCalls(config.apiLimit, siblings))
  app.use(asDialect('hub', metricsRoute(metrics, config.metrics)))
  app.use(gitRoutes)
  const lfsParts = { ...domain, repos: domain.stores.repos, xetTokens: domain.xet.tokens, baseUrl }
  app.use(asDialect('lfs', lfs(lfsParts)))
  app.use(asDialect('abf', abf(abfParts)))
  app.use(asDialect('outpost', outpost({ ...domain, baseUrl })))
  app.use(asDialect('kohaku', kohaku({ ...domain, version: VERSION, baseUrl })))
  app.use(
    asDialect(
      'huggingface',
      huggingFace({
        ...domain,
        baseUrl,
        moreRoutes: [...xetTokenRoutes(xetParts), ...duplicateRoutes(domain)],
        maxCommitBytes: config.maxCommitBytes,
        spoolDir: join(config.dataDir, 'tmp'),
      }),
    ),
  )
  app.use(asDialect('spaces', spacePages))
  app.use(...lastAnswers())
  return app
}

function when(path: RegExp, handler: RequestHandler): RequestHandler {
  return (req, res, next) => (path.test(req.path) ? handler(req, res, next) : next())
}
