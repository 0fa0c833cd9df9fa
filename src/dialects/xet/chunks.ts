import type { XetRequest } from './parts.js'
import { openSession } from './session.js'

/** GET /v1/chunks/{prefix}/{chunk hash} -> a dedupe shard, or 404: nothing to deduplicate against. */
export async function findChunk(it: XetRequest): Promise<void> {
  const session = await openSession(it, 'read')
  const shard = await it.parts.dedupe.find(session, it.params[0] ?? '')
  it.res.type('application/octet-stream').send(shard)
}
