import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Response } from 'express'
import { ignoreClientGone } from './send-bytes.js'

/** A JSON document in pieces, at the client's pace: what is long never stands in memory as a whole. */
export async function streamJson(res: Response, pieces: AsyncIterable<string>): Promise<void> {
  const iterator = pieces[Symbol.asyncIterator]()
  // an error before the first piece is still an ordinary answer
  const first = await iterator.next()
  async function* all(): AsyncGenerator<string> {
    if (!first.done) yield first.value
    yield* { [Symbol.asyncIterator]: () => iterator }
  }
  res.set('Content-Type', 'application/json; charset=utf-8')
  if (res.req.method === 'HEAD') {
    await iterator.return?.()
    res.end()
    return
  }
  await pipeline(Readable.from(all()), res).catch(ignoreClientGone)
}
