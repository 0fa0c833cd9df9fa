import type { Request } from 'express'
import { asHubError, HubError } from '../../domain/errors.js'
import { abortSignalOf, readBody } from '../../http/body.js'
import { ByteBudget } from '../../lib/byte-budget.js'
import { MAX_SHARD_BYTES } from '../../protocol/xet/shard-format.js'
import { isRetryable } from './errors.js'
import type { XetRequest } from './parts.js'
import { openSession } from './session.js'

/** Shards are read whole: so many bytes of them at once, over all requests. */
const bodies = new ByteBudget(4 * MAX_SHARD_BYTES)
/** Clients give up after 300 s of silence. */
const HEARTBEAT_MS = 10_000

/** POST /v1/shards -> {"result": 0 | 1}: 0 = every file was known. */
export async function receiveShard(it: XetRequest): Promise<void> {
  const session = await openSession(it, 'write')
  const signal = abortSignalOf(it.res)
  await withBody(it.req, signal, async (body) => {
    const { isNew } = await it.parts.shards.receive(session, body, { signal })
    it.res.json({ result: isNew ? 1 : 0 })
  })
}

/** POST /v2/shards -> lines of JSON: progress while files are verified, then `result` or `error` (xet-wire 2.3). */
export async function receiveShardWithProgress(it: XetRequest): Promise<void> {
  const { res } = it
  const session = await openSession(it, 'write')
  const signal = abortSignalOf(res)
  await withBody(it.req, signal, async (body) => {
    res.set({ 'Content-Type': 'application/x-ndjson', 'X-Accel-Buffering': 'no' })
    const say = (line: object) => void res.write(`${JSON.stringify(line)}\n`)
    let progress = { verified: 0, total: 0 }
    const heartbeat = setInterval(() => say({ type: 'validating', ...progress }), HEARTBEAT_MS)
    try {
      say({ type: 'validating', ...progress })
      const { isNew } = await it.parts.shards.receive(session, body, {
        signal,
        onProgress: (verified, total) => {
          progress = { verified, total }
        },
      })
      say({ type: 'validating', ...progress })
      say({ type: 'result', result: isNew ? 1 : 0 })
    } catch (err) {
      const failure = asHubError(err)
      if (isRetryable(failure.code) && !signal.aborted)
        it.req.log.error({ err, ...failure.facts }, 'Xet shard failed')
      say({ type: 'error', message: failure.message, retryable: isRetryable(failure.code) })
    } finally {
      clearInterval(heartbeat)
      res.end()
    }
  })
}

async function withBody(
  req: Request,
  signal: AbortSignal,
  use: (body: Buffer) => Promise<void>,
): Promise<void> {
  const claimed = Number(req.get('content-length') ?? MAX_SHARD_BYTES)
  if (!(claimed <= MAX_SHARD_BYTES))
    throw new HubError('too_large', `A shard has ${MAX_SHARD_BYTES} bytes at most.`)
  const giveBack = await bodies.take(claimed, signal)
  try {
    await use(await readBody(req, MAX_SHARD_BYTES))
  } finally {
    giveBack()
  }
}
