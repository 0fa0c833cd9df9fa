import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Express } from 'express'
import type { Logger } from 'pino'
import type { Config } from './config/config.js'
import { gitSmart } from './dialects/git-smart/index.js'
import { huggingFace } from './dialects/huggingface/index.js'
import { kohaku } from './dialects/kohaku/index.js'
import { lfs } from './dialects/lfs/index.js'
import { outpost } from './dialects/outpost/index.js'
import { Access } from './domain/access/access.js'
import { ActionSigner } from './domain/access/signed-actions.js'
import { Login } from './domain/accounts/login.js'
import { Registry } from './domain/accounts/registry.js'
import { Committer } from './domain/commits/committer.js'
import { HUB_ACTOR } from './domain/events/events.js'
import { JobRunner } from './domain/jobs/runner.js'
import { LfsCollector } from './domain/lfs/collector.js'
import { LfsLocks } from './domain/lfs/locks.js'
import { LfsObjects } from './domain/lfs/objects.js'
import type { GitEngine, ObjectStore } from './domain/ports.js'
import { Quotas } from './domain/quotas/quotas.js'
import { BranchProtection } from './domain/refs/protection.js'
import { PushPolicy } from './domain/refs/push-policy.js'
import { Pushes } from './domain/refs/pushes.js'
import { RefRecorder } from './domain/refs/recorder.js'
import { Revisions } from './domain/refs/revisions.js'
import { Checker } from './domain/repos/checker.js'
import { Holds } from './domain/repos/holds.js'
import { LanguageCounter } from './domain/repos/language-counter.js'
import { RepoRegistry } from './domain/repos/registry.js'
import { Squash } from './domain/repos/squash.js'
import { openGit, prepareRunDir } from './git/engine.js'
import { baseUrlOf } from './http/base-url.js'
import { authenticate } from './http/caller.js'
import { health } from './http/health.js'
import { closeServer, listen, newApp } from './http/server.js'
import { Closer } from './lib/closer.js'
import { openStores, type Stores } from './storage/db/index.js'
import { ignoreTemplates } from './storage/ignore-templates.js'
import { openObjects } from './storage/objects/index.js'

const SHUTDOWN_GRACE_MS = 30_000
const UNFINISHED_AFTER_MS = 10 * 60_000

export type Domain = Awaited<ReturnType<typeof openDomain>>

/** The stores and services, without HTTP: what the command line works with. */
export async function openDomain(config: Config, log: Logger, closer: Closer) {
  await prepareRunDir(config.dataDir)
  const stores: Stores = closer.add(await openStores(config.db), (it) => it.close())
  const hooksDir = fileURLToPath(new URL('../hooks', import.meta.url))
  const git: GitEngine = closer.add(
    await openGit({ root: join(config.dataDir, 'git'), hooksDir }),
    (it) => it.close(),
  )
  const store: ObjectStore = await openObjects(config)
  const owner = `${process.pid}-${randomBytes(4).toString('hex')}`

  const access = new Access(stores.repos)
  const quotas = new Quotas(stores)
  const rules = {
    forcePush: config.forcePush,
    defaultBranchDelete: config.defaultBranchDelete,
    allowMissingLfs: config.allowMissingLfs,
  }
  const policy = new PushPolicy({ git, lfs: stores.lfs, holds: stores.holds, quotas, rules })
  const protection = new BranchProtection(stores.repos)
  const recorder = new RefRecorder({ git, refs: stores.refs, repos: stores.repos })
  const committer = new Committer({ git, policy, recorder })
  const pushes = new Pushes({ ...stores, git, policy, recorder, maxPushBytes: config.maxPushBytes })
  const holds = new Holds({ holds: stores.holds, git, owner })
  const registry = new RepoRegistry({ ...stores, git, access, committer, quotas, policy })
  const squash = new Squash({ ...stores, git, holds, recorder })
  const objects = new LfsObjects({ ...stores, store, access, quotas, policy, limits: config.lfs })
  const collector = new LfsCollector({ ...stores, git, store })
  const secret = await stores.settings.findOrCreate(
    'signing_secret',
    randomBytes(32).toString('hex'),
  )
  const jobs = new JobRunner({
    store: stores.jobs,
    owner,
    intervalMs: config.jobIntervalMs,
    onError: (job, err) => log.warn({ err, job: job.kind, key: job.key }, 'job failed'),
  })
  jobs.handle('repo.purge', (job) => registry.purge(job.key))
  jobs.handle('repo.prune', (job) =>
    squash.prune(job.key, async (repo) => {
      await collector.releaseUnreachable(repo)
    }),
  )
  jobs.handle('repo.maintain', async (job) => {
    const repo = await stores.repos.findById(job.key)
    if (repo?.state !== 'ready') return
    await git.maintain(repo.id)
    await recorder.measure(repo)
  })
  const languages = new LanguageCounter(stores)
  recorder.onRecorded((repo) => languages.schedule(repo))
  jobs.handle('repo.language', async (job) => {
    const repo = await stores.repos.findById(job.key)
    if (repo?.state === 'ready') await languages.count(repo)
  })
  jobs.handle('lfs.gc', async () => {
    await collector.collect({ dryRun: false, graceSeconds: config.lfs.graceSeconds })
  })
  recorder.onRecorded((repo) =>
    stores.jobs.enqueue({ kind: 'repo.maintain', key: repo.id, delayMs: 5_000 }),
  )

  return {
    config,
    stores,
    git,
    store,
    owner,
    access,
    accounts: new Registry(stores.accounts, config.quotas),
    login: new Login(stores.accounts, config.adminToken),
    signer: new ActionSigner(secret),
    quotas,
    policy,
    recorder,
    committer,
    revisions: new Revisions(git),
    pushes,
    holds,
    registry,
    squash,
    objects,
    locks: new LfsLocks(stores.lfs),
    protection,
    templates: ignoreTemplates(),
    collector,
    checker: new Checker({ ...stores, git, store }),
    jobs,
  }
}

export interface Hub {
  readonly url: string
  readonly domain: Domain
  close(): Promise<void>
}

/** The whole hub, listening. What was opened is closed again when opening fails half-way. */
export async function startHub(config: Config, log: Logger): Promise<Hub> {
  const closer = new Closer()
  try {
    const domain = await openDomain(config, log, closer)
    await recover(domain)
    const app = buildApp(domain, log)
    const { server, url } = await listen(app, config.host, config.port)
    closer.add(server, (it) => closeServer(it, SHUTDOWN_GRACE_MS))
    domain.jobs.start()
    closer.add(domain.jobs, (it) => it.stop())
    return { url, domain, close: () => closer.close() }
  } catch (err) {
    await closer.close()
    throw err
  }
}

/** What a crash, or a push while no hub ran, left behind is mended before the first request. */
async function recover(domain: Domain): Promise<void> {
  const { stores, registry, recorder, collector } = domain
  for (const owner of await stores.holds.listOwners())
    if (!isAlive(owner)) await stores.holds.releaseOwner(owner)
  await registry.sweepUnfinished(HUB_ACTOR, UNFINISHED_AFTER_MS)
  await collector.finishDeletions()
  for (let after = 0; ; ) {
    const page = await stores.repos.scan(after, 1_000)
    for (const repo of page) await recorder.sync(repo)
    const last = page.at(-1)
    if (!last) return
    after = last.seq
  }
}

function isAlive(owner: string): boolean {
  const pid = Number(owner.split('-')[0])
  if (!Number.isInteger(pid) || pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

export function buildApp(domain: Domain, log: Logger): Express {
  const { config, git, login } = domain
  const baseUrl = baseUrlOf(config.publicUrl)
  const app = newApp({ log, trustProxy: config.trustProxy })
  app.use(health(domain))
  app.use(authenticate(login))
  app.use(gitSmart({ ...domain, git, createOnPush: config.createOnPush, agent: 'packhorse' }))
  app.use(lfs({ ...domain, repos: domain.stores.repos, baseUrl }))
  app.use(outpost({ ...domain, baseUrl }))
  app.use(kohaku({ ...domain, ...domain.stores, baseUrl }))
  app.use(huggingFace({ ...domain, baseUrl }))
  return app
}
