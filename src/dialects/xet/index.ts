import { type RequestHandler, Router } from 'express'
import { HubError } from '../../domain/errors.js'
import { noteRead } from '../../http/audit.js'
import { listed, tableOf } from '../../http/route-list.js'
import { findChunk } from './chunks.js'
import { sendData } from './data.js'
import { xetErrors } from './errors.js'
import type { XetParts, XetRequest } from './parts.js'
import { headFile, reconstruct } from './reconstructions.js'
import { receiveShard, receiveShardWithProgress } from './shards.js'
import { headXorb, receiveXorb } from './xorbs.js'

const HASH = '([0-9a-f]{64})'

/**
 * The content-addressed store's routes (draft-denis-xet, "API"; xet-wire 2), in the three spellings that hf_xet has had:
 * /xorb/…, /xorbs/…, /v1/xorbs/…. The prefix before a hash is free.
 */
const ROUTES: readonly {
  readonly method: string
  readonly path: RegExp
  readonly handle: (it: XetRequest) => Promise<void>
}[] = [
  { method: 'POST', path: new RegExp(`^/(?:v1/)?xorbs?/[^/]+/${HASH}$`), handle: receiveXorb },
  { method: 'HEAD', path: new RegExp(`^/(?:v1/)?xorbs?/[^/]+/${HASH}$`), handle: headXorb },
  { method: 'POST', path: /^\/v2\/shards$/, handle: receiveShardWithProgress },
  { method: 'POST', path: /^\/(?:v1\/)?shards$/, handle: receiveShard },
  { method: 'POST', path: new RegExp(`^/shard/[^/]+/${HASH}$`), handle: receiveShard },
  { method: 'GET', path: new RegExp(`^/(?:v1/)?chunks?/[^/]+/${HASH}$`), handle: findChunk },
  {
    method: 'GET',
    path: new RegExp(`^/(?:v1/)?reconstructions?/${HASH}$`),
    handle: (it) => reconstruct(it, 1),
  },
  {
    method: 'GET',
    path: new RegExp(`^/v2/reconstructions/${HASH}$`),
    handle: (it) => reconstruct(it, 2),
  },
  { method: 'HEAD', path: new RegExp(`^/(?:v1/)?files/${HASH}$`), handle: headFile },
  { method: 'GET', path: /^\/data\/([0-9a-f]{64}\.[0-9a-f]{16})$/, handle: sendData },
  { method: 'POST', path: /^\/v1\/telemetry$/, handle: ignoreTelemetry },
]

/** Everything below /xet. Its tokens are its own: mount it before the hub's authentication. */
export function xet(parts: XetParts): Router {
  const router = Router()
  const handler: RequestHandler = async (req, res) => {
    const route = ROUTES.find((it) => it.method === req.method && it.path.test(req.path))
    if (!route) throw new HubError('not_found', 'There is no such route.')
    const params = route.path.exec(req.path)?.slice(1) ?? []
    await route.handle({ req, res, parts, params })
  }
  router.use('/xet', listed(handler, tableOf('/xet', ROUTES)), xetErrors)
  return router
}

async function ignoreTelemetry({ req, res }: XetRequest): Promise<void> {
  noteRead(req)
  req.resume()
  res.status(204).end()
}
