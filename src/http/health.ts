import { Router } from 'express'
import { collectDefaultMetrics, Registry } from 'prom-client'

/** /healthz (process up), /readyz (database, disk, object store reachable), /metrics (Prometheus). */
export function health(parts: {
  stores: { check(): Promise<void> }
  store: { check(): Promise<void> }
}): Router {
  const metrics = new Registry()
  collectDefaultMetrics({ register: metrics, prefix: 'packhorse_' })
  const router = Router()
  router.get('/healthz', (_req, res) => {
    res.json({ status: 'ok' })
  })
  router.get('/readyz', async (req, res) => {
    const checks = { database: parts.stores.check(), objects: parts.store.check() }
    const results: Record<string, string> = {}
    for (const [name, check] of Object.entries(checks))
      results[name] = await check.then(
        () => 'ok',
        (err) => {
          req.log.error({ err, check: name }, 'not ready')
          return 'failed'
        },
      )
    const ready = Object.values(results).every((it) => it === 'ok')
    res.status(ready ? 200 : 503).json({ status: ready ? 'ok' : 'failed', ...results })
  })
  router.get('/metrics', async (_req, res) => {
    res.type(metrics.contentType).send(await metrics.metrics())
  })
  return router
}
