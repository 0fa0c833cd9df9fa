import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Request, Response } from 'express'
import { HubError } from '../domain/errors.js'
import type { ByteRange } from '../domain/ports.js'

export interface Body {
  readonly size: number
  /** Without quotes; a strong validator of the bytes. */
  readonly etag: string
  open(range?: ByteRange): Promise<Readable>
}

/**
 * Sends bytes with ETag, conditional and range handling (RFC 9110 13–14). The caller has set type and other headers.
 * One range answers 206; several are answered with the whole body, which the RFC allows. Throws `range_not_satisfiable`
 * before anything is sent.
 */
export async function sendBytes(req: Request, res: Response, body: Body): Promise<void> {
  res.set({ ETag: `"${body.etag}"`, 'Accept-Ranges': 'bytes', 'X-Content-Type-Options': 'nosniff' })
  if (isNotModified(req, body.etag)) {
    res.status(304).end()
    return
  }
  const range = ifRangeHolds(req, body.etag) ? readRange(req, body.size) : undefined
  if (range === 'unsatisfiable') {
    res.set('Content-Range', `bytes */${body.size}`)
    throw new HubError('range_not_satisfiable', 'Range Not Satisfiable')
  }
  if (range) {
    res.status(206)
    res.set('Content-Range', `bytes ${range.first}-${range.last}/${body.size}`)
  }
  res.set('Content-Length', String(range ? range.last - range.first + 1 : body.size))
  if (req.method === 'HEAD' || body.size === 0) {
    res.end()
    return
  }
  const stream = await body.open(range)
  await pipeline(stream, res).catch(ignoreClientGone)
}

function isNotModified(req: Request, etag: string): boolean {
  const header = req.get('if-none-match')
  if (!header) return false
  return (
    header === '*' || header.split(',').some((it) => it.trim().replace(/^W\//, '') === `"${etag}"`)
  )
}

function ifRangeHolds(req: Request, etag: string): boolean {
  const header = req.get('if-range')
  return header === undefined || header === `"${etag}"`
}

function readRange(req: Request, size: number): ByteRange | 'unsatisfiable' | undefined {
  const ranges = req.range(size)
  if (ranges === -1) return size === 0 ? undefined : 'unsatisfiable'
  if (!Array.isArray(ranges) || ranges.type !== 'bytes' || ranges.length !== 1) return undefined
  const [one] = ranges
  return one && { first: one.start, last: one.end }
}

export function ignoreClientGone(err: NodeJS.ErrnoException): void {
  if (!['ERR_STREAM_PREMATURE_CLOSE', 'ABORT_ERR', 'EPIPE', 'ECONNRESET'].includes(err.code ?? ''))
    throw err
}
