import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Response } from 'express'
import { ignoreClientGone } from './send-bytes.js'

/** Characters that are sent at once: every write costs about as much as a small answer. */
const GATHERED = 32 * 1024

/**
 * A JSON document in pieces, at the client's pace: what is long never stands in memory as a whole. A piece of bytes is
 * whole characters.
 */
export async function streamJson(
  res: Response,
  pieces: AsyncIterable<string | Buffer>,
): Promise<void> {
  const iterator = pieces[Symbol.asyncIterator]()
  // an error before the first piece is still an ordinary answer
  const first = await iterator.next()
  async function* all(): AsyncGenerator<string | Buffer> {
    if (!first.done) yield first.value
    yield* { [Symbol.asyncIterator]: () => iterator }
  }
  res.set('Content-Type', 'application/json; charset=utf-8')
  if (res.req.method === 'HEAD') {
    await iterator.return?.()
    res.end()
    return
  }
  await pipeline(Readable.from(gather(all())), res).catch(ignoreClientGone)
}

async function* gather(pieces: AsyncIterable<string | Buffer>): AsyncGenerator<string | Buffer> {
  let text = ''
  for await (const piece of pieces) {
    if (piece.length < GATHERED) text += piece
    else {
      if (text !== '') yield text
      text = ''
      yield piece
    }
    if (text.length < GATHERED) continue
    yield text
    text = ''
  }
  if (text !== '') yield text
}
