import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Request, Response } from 'express'
import { HubError } from '../domain/errors.js'
import type { ByteRange } from '../domain/ports.js'
import { BlockStream } from '../lib/blocks.js'
import { parseRange } from '../protocol/byte-range.js'
import { leaveToProxy } from './accel-redirect.js'
import { sendBlocks } from './send-blocks.js'

export interface Body {
  readonly size: number
  /** Without quotes; a strong validator of the bytes. */
  readonly etag: string
  /** Key of the file of exactly these bytes, which a proxy in front may be able to send. */
  readonly localKey?: string | undefined
  /** The bytes as a stream, or at once where they are in memory anyway. */
  open(range?: ByteRange): Promise<Readable | Buffer>
}

/**
 * Sends bytes with ETag, conditional and range handling (RFC 9110 13–14). The caller has set type and other headers.
 * One range answers 206 with it, several with multipart/byteranges. Throws `range_not_satisfiable` before anything is sent.
 */
export async function sendBytes(req: Request, res: Response, body: Body): Promise<void> {
  res.set({ ETag: `"${body.etag}"`, 'Accept-Ranges': 'bytes', 'X-Content-Type-Options': 'nosniff' })
  if (isNotModified(req, body.etag)) {
    res.status(304).end()
    return
  }
  const ranges = readRanges(req, body)
  if (ranges?.length === 0) {
    // @huggingface/hub reads the size of an empty file from this header of a 200
    res.set('Content-Range', `bytes */${body.size}`)
    if (body.size > 0) throw new HubError('range_not_satisfiable', 'Range Not Satisfiable')
  }
  if (body.size > 0 && leaveToProxy(req, res, body.localKey)) return
  if (ranges && ranges.length > 1) return sendParts(res, body, ranges)
  const range = ranges?.[0]
  if (range) {
    res.status(206)
    res.set('Content-Range', `bytes ${range.first}-${range.last}/${body.size}`)
  }
  const length = range ? range.last - range.first + 1 : body.size
  res.set('Content-Length', String(length))
  if (req.method === 'HEAD' || body.size === 0) {
    res.end()
    return
  }
  const bytes = await body.open(range)
  if (Buffer.isBuffer(bytes)) res.end(bytes)
  else if (bytes instanceof BlockStream) await sendBlocks(res, bytes.takeBlocks(), length)
  else await pipeline(bytes, res).catch(ignoreClientGone)
}

/** RFC 9110 14.6. */
async function sendParts(res: Response, body: Body, ranges: readonly ByteRange[]): Promise<void> {
  const boundary = randomBytes(12).toString('hex')
  const type = res.get('Content-Type') ?? 'application/octet-stream'
  const heads = ranges.map(
    (it, n) =>
      `${n === 0 ? '' : '\r\n'}--${boundary}\r\nContent-Type: ${type}\r\nContent-Range: bytes ${it.first}-${it.last}/${body.size}\r\n\r\n`,
  )
  const tail = `\r\n--${boundary}--\r\n`
  const bytes = ranges.reduce((sum, it) => sum + it.last - it.first + 1, 0)
  const length = Buffer.byteLength(heads.join('')) + bytes + tail.length
  res.status(206).set({
    'Content-Type': `multipart/byteranges; boundary=${boundary}`,
    'Content-Length': String(length),
  })
  async function* parts(): AsyncGenerator<Buffer> {
    for (const [n, range] of ranges.entries()) {
      yield Buffer.from(heads[n] ?? '')
      const bytes = await body.open(range)
      if (Buffer.isBuffer(bytes)) yield bytes
      else yield* bytes as AsyncIterable<Buffer>
    }
    yield Buffer.from(tail)
  }
  await pipeline(Readable.from(parts(), { objectMode: false }), res).catch(ignoreClientGone)
}

/** Only GET has ranges (RFC 9110 14.2), and only for the very bytes that If-Range names. */
function readRanges(req: Request, body: Body): ByteRange[] | undefined {
  if (req.method !== 'GET') return undefined
  const condition = req.get('if-range')
  if (condition !== undefined && condition !== `"${body.etag}"`) return undefined
  return parseRange(req.get('range'), body.size)
}

function isNotModified(req: Request, etag: string): boolean {
  const header = req.get('if-none-match')
  if (!header) return false
  return (
    header === '*' || header.split(',').some((it) => it.trim().replace(/^W\//, '') === `"${etag}"`)
  )
}

export function ignoreClientGone(err: NodeJS.ErrnoException): void {
  if (!['ERR_STREAM_PREMATURE_CLOSE', 'ABORT_ERR', 'EPIPE', 'ECONNRESET'].includes(err.code ?? ''))
    throw err
}
