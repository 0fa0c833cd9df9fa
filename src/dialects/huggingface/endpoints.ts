import type { Request, Response, Router } from 'express'
import type { Endpoint, EndpointWanted } from '../../domain/endpoints/ports.js'
import type { Caller } from '../../domain/types.js'
import { check, readJson } from '../../http/body.js'
import { callerOf } from '../../http/caller.js'
import { CreateBody, changed, splitOrder, toRaw, UpdateBody } from './endpoint-shapes.js'
import type { HfParts } from './parts.js'

/** All of it may have to fit into the environment of a process. */
const MAX_BODY = 256 * 1024
const BASE = '/v2/endpoint/:namespace'

const WANTED: Readonly<Record<string, EndpointWanted>> = {
  pause: 'paused',
  resume: 'running',
  'scale-to-zero': 'scaledToZero',
}

/**
 * The Inference Endpoints API (huggingface-wire B7). Clients call it at a fixed host: their constant
 * INFERENCE_ENDPOINTS_ENDPOINT must be set to this hub's `/v2`.
 */
export function endpointRoutes(router: Router, parts: HfParts): void {
  const { endpoints } = parts
  router.get(BASE, async (req, res) => {
    const namespace = await endpoints.namespace(callerOf(req), param(req, 'namespace'), 'read')
    const items = await endpoints.list(namespace)
    res.json({ items: await Promise.all(items.map((it) => raw(parts, it))) })
  })
  router.post(BASE, async (req, res) => {
    const caller = callerOf(req)
    const namespace = await endpoints.namespace(caller, param(req, 'namespace'), 'write')
    const body = check(CreateBody, await readJson(req, MAX_BODY))
    const order = { name: body.name, ...splitOrder(body) }
    await send(parts, res, await endpoints.create(namespace, order, actorOf(caller)))
  })
  router.get(`${BASE}/:name`, async (req, res) => {
    const { endpoint } = await endpoints.open(callerOf(req), address(req), 'read')
    await send(parts, res, endpoint)
  })
  router.put(`${BASE}/:name`, async (req, res) => {
    const caller = callerOf(req)
    const opened = await endpoints.open(caller, address(req), 'write')
    const body = check(UpdateBody, await readJson(req, MAX_BODY))
    const change = changed(opened.endpoint.spec, endpoints.readSecrets(opened.endpoint), body)
    await send(parts, res, await endpoints.update(opened, change, actorOf(caller)))
  })
  router.delete(`${BASE}/:name`, async (req, res) => {
    const caller = callerOf(req)
    await endpoints.remove(await endpoints.open(caller, address(req), 'write'), actorOf(caller))
    res.status(202).json({})
  })
  for (const [verb, wanted] of Object.entries(WANTED))
    router.post(`${BASE}/:name/${verb}`, async (req, res) => {
      const caller = callerOf(req)
      const opened = await endpoints.open(caller, address(req), 'write')
      await send(parts, res, await endpoints.want(opened, wanted, actorOf(caller)))
    })
  // which machines there are is known to the runner alone
  router.get('/v2/provider/:namespace', async (req, res) => {
    await endpoints.namespace(callerOf(req), param(req, 'namespace'), 'read')
    res.json({ vendors: [] })
  })
}

async function raw(parts: HfParts, endpoint: Endpoint) {
  return toRaw(endpoint, await parts.endpoints.status(endpoint))
}

async function send(parts: HfParts, res: Response, endpoint: Endpoint): Promise<void> {
  res.json(await raw(parts, endpoint))
}

function param(req: Request, name: string): string {
  const value = req.params[name]
  return typeof value === 'string' ? value : ''
}

function address(req: Request): { namespace: string; name: string } {
  return { namespace: param(req, 'namespace'), name: param(req, 'name') }
}

function actorOf(caller: Caller) {
  return { caller, dialect: 'huggingface' }
}
