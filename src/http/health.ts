import { type Request, Router } from 'express'
import { callerOf } from './caller.js'
import type { Metrics } from './metrics.js'

const CHECK_MS = 5_000

/** /healthz (process up), /readyz (database, disk, object store reachable). Asked before anybody is authenticated. */
export function health(parts: {
  stores: { check(): Promise<void> }
  store: { check(): Promise<void> }
}): Router {
  const router = Router()
  router.get('/healthz', (_req, res) => {
    res.json({ status: 'ok' })
  })
  router.get('/readyz', async (req, res) => {
    const verdict = (name: string, check: Promise<void>) =>
      inTime(check).then(
        () => 'ok',
        (err) => {
          req.log.error({ err, check: name }, 'not ready')
          return 'failed'
        },
      )
    const [database, objects] = await Promise.all([
      verdict('database', parts.stores.check()),
      verdict('objects', parts.store.check()),
    ])
    const status = database === 'ok' && objects === 'ok' ? 'ok' : 'failed'
    res.status(status === 'ok' ? 200 : 503).json({ status, database, objects })
  })
  return router
}

async function inTime(check: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), CHECK_MS)
  })
  await Promise.race([check, late]).finally(() => clearTimeout(timer))
}

/**
 * /metrics (Prometheus). They tell how much goes on, so `local` answers only direct callers on this machine (a proxy
 * tells on itself by its headers) and site administrators; to others the page does not exist.
 */
export function metricsRoute(metrics: Metrics, access: 'local' | 'open' | 'off'): Router {
  const router = Router()
  router.get('/metrics', async (req, res, next) => {
    if (access === 'off') return next()
    if (access === 'local' && !isLocal(req) && !isSiteAdmin(req)) return next()
    const { type, body } = await metrics.text()
    res.type(type).send(body)
  })
  return router
}

/** Wrong credentials are none here: the page stays absent. */
function isSiteAdmin(req: Request): boolean {
  try {
    return callerOf(req).isSiteAdmin
  } catch {
    return false
  }
}

const PROXY_HEADERS = ['x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'forwarded', 'via']

function isLocal(req: Request): boolean {
  const address = req.socket.remoteAddress ?? ''
  if (!/^(127\.|::1$|::ffff:127\.)/.test(address)) return false
  return !PROXY_HEADERS.some((it) => req.headers[it] !== undefined)
}
