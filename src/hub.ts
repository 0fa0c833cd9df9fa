import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Express, RequestHandler } from 'express'
import type { Logger } from 'pino'
import type { Config } from './config/config.js'
import { abf, downloads } from './dialects/abf/index.js'
import { gitSmart } from './dialects/git-smart/index.js'
import { huggingFace } from './dialects/huggingface/index.js'
import { kohaku } from './dialects/kohaku/index.js'
import { lfs } from './dialects/lfs/index.js'
import { DirectTransfers } from './dialects/lfs/transfers.js'
import { outpost } from './dialects/outpost/index.js'
import { onlySpaces, spaces } from './dialects/spaces/index.js'
import { duplicateRoutes } from './dialects/xet/duplicate.js'
import { xet } from './dialects/xet/index.js'
import { xetTokenRoutes } from './dialects/xet/tokens.js'
import { proxyFiles } from './http/accel-redirect.js'
import { recordActs } from './http/audit.js'
import { baseUrlOf } from './http/base-url.js'
import { authenticate } from './http/caller.js'
import { cors } from './http/cors.js'
import { DirectWay } from './http/direct-answer.js'
import { health, metricsRoute } from './http/health.js'
import { Metrics } from './http/metrics.js'
import { limitApiCalls } from './http/rate-limit.js'
import { asDialect } from './http/request-facts.js'
import { closeServer, lastAnswers, listen, newApp } from './http/server.js'
import { Closer } from './lib/closer.js'
import { hasEnded } from './lib/process-instance.js'
import type { Siblings } from './lib/siblings.js'
import { type Domain, openDomain } from './services.js'
import { objectsDirectory } from './storage/objects/index.js'

const { version: VERSION } = createRequire(import.meta.url)('../package.json') as {
  version: string
}
const GIT_PATH = /\/(info\/refs|git-upload-pack|git-receive-pack)$/
/** Where a batch sends git-lfs once for each object. */
const OBJECT_PATH = /^\/lfs\/repo_\w+\/[0-9a-f]{64}\/(upload|download)$/

export interface Hub {
  readonly url: string
  readonly domain: Domain
  close(): Promise<void>
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
    const { listener } = buildWays(domain, log, among.siblings)
    const { server, url } = await listen(listener, config.host, config.port)
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

export function buildApp(domain: Domain, log: Logger): Express {
  return buildWays(domain, log).app
}

/** Every route, and the listener that answers what is asked most often before it comes to them. */
function buildWays(domain: Domain, log: Logger, siblings?: Siblings) {
  const { config, git, login } = domain
  const baseUrl = baseUrlOf(config.publicUrl)
  const app = newApp({
    log,
    trustProxy: config.trustProxy,
    proxyFiles: proxyFiles(config.accelRedirect, objectsDirectory(config.dataDir)),
  })
  const metrics = new Metrics(domain, siblings)
  app.use(metrics.count())
  app.use(recordActs(domain.audit, domain.access))
  const identify = authenticate(login, baseUrl)
  const { createOnPush } = config
  const gitParts = { ...domain, git, createOnPush, baseUrl, agent: 'packhorse' }
  const { router, polls } = gitSmart(gitParts)
  const gitRoutes = asDialect('git', router)
  // what polls and clones ask all day passes no other dialect's routes
  app.use(when(GIT_PATH, identify), when(GIT_PATH, gitRoutes))
  app.use(asDialect('hub', health(domain)))
  app.use(cors())
  const lfsParts = { ...domain, repos: domain.stores.repos, xetTokens: domain.xet.tokens, baseUrl }
  const lfsRoutes = asDialect('lfs', lfs(lfsParts))
  app.use(when(OBJECT_PATH, identify), when(OBJECT_PATH, lfsRoutes))
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
  app.use(lfsRoutes)
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
  const way = new DirectWay(app, { metrics, log, audit: domain.audit })
  const transfers = new DirectTransfers(lfsParts, domain.linkRights)
  return { app, listener: transfers.listener(way, polls.listener(way)) }
}

function when(path: RegExp, handler: RequestHandler): RequestHandler {
  return (req, res, next) => (path.test(req.path) ? handler(req, res, next) : next())
}
