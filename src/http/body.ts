import type { IncomingMessage } from 'node:http'
import { PassThrough, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { Request } from 'express'
import type { z } from 'zod'
import { HubError } from '../domain/errors.js'

const PIECE_BYTES = 256 * 1024

/** Bodies that were read before it was known who would want them, as they were sent. */
const READ_AHEAD = new WeakMap<object, Buffer>()

/** Gives a body that `readAnnounced` answered back, for whoever reads the request's body next. */
export function unread(req: IncomingMessage, body: Buffer): void {
  READ_AHEAD.set(req, body)
}

/** The request's bytes with gzip taken off. Throws `unsupported_media` for other encodings. */
export function bodyStream(req: Request): Readable {
  const ahead = READ_AHEAD.get(req)
  const sent = ahead ? Readable.from([ahead], { objectMode: false }) : req
  const encoding = (req.get('content-encoding') ?? 'identity').toLowerCase()
  if (encoding === 'identity') return sent
  if (encoding !== 'gzip' && encoding !== 'x-gzip')
    throw new HubError(
      'unsupported_media',
      `Content-Encoding ${encoding.slice(0, 40)} is not supported`,
    )
  const gunzip = createGunzip()
  req.on('error', (err) => gunzip.destroy(err))
  req.on('aborted', () => gunzip.destroy())
  // whoever reads sees the error, also when it came before the reading began; unheard, it would end the process
  gunzip.on('error', () => undefined)
  return sent.pipe(gunzip)
}

/** Reads and drops what is left of a body that was answered early, or the client, still sending, would never see the answer. */
export function dropRest(req: Request): void {
  req.unpipe()
  req.resume()
}

/** Whole body in memory, at most `maxBytes` after decompression (`too_large`). */
export async function readBody(req: Request, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    // leaving the loop must not destroy the socket: the refusal goes out by it
    for await (const chunk of bodyStream(req).iterator({ destroyOnReturn: false })) {
      size += chunk.length
      if (size > maxBytes)
        throw new HubError('too_large', `The request body is larger than ${maxBytes} bytes.`)
      chunks.push(chunk)
    }
  } catch (err) {
    dropRest(req)
    if (err instanceof HubError) throw err
    throw new HubError('invalid_input', 'The request body cannot be read.', {}, err)
  }
  return Buffer.concat(chunks)
}

/**
 * A body of announced and small length, read without the machinery that long ones need; undefined for any other.
 * Throws `invalid_input` when it breaks off.
 */
export async function readAnnounced(
  req: IncomingMessage,
  maxBytes: number,
): Promise<Buffer | undefined> {
  const { 'content-length': length, 'content-encoding': encoding } = req.headers
  if (encoding !== undefined && encoding !== 'identity') return undefined
  const ahead = READ_AHEAD.get(req)
  if (ahead) return ahead
  if (length === undefined || !(Number(length) <= maxBytes)) return undefined
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let whole = false
    const cut = (err?: Error) => {
      // every request is closed in the end, and making an error costs more than reading a small body
      if (whole) return
      reject(new HubError('invalid_input', 'The request body cannot be read to its end.', {}, err))
    }
    // who left before this was called is not heard of again
    if (req.destroyed) cut()
    req.on('data', (chunk: Buffer) => chunks.push(chunk))
    req.once('end', () => {
      whole = true
      resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks))
    })
    req.once('error', cut)
    req.once('close', cut)
  })
}

/**
 * A body as it was sent, with its encoding on; `bodyStream` still gives all of it. Undefined when it is longer.
 * Throws `invalid_input` when it breaks off.
 */
export async function readSent(
  req: IncomingMessage,
  maxBytes: number,
): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of req.iterator({ destroyOnReturn: false })) {
      chunks.push(chunk)
      size += chunk.length
      if (size > maxBytes) break
    }
  } catch (err) {
    throw new HubError('invalid_input', 'The request body cannot be read to its end.', {}, err)
  }
  const sent = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)
  if (size > maxBytes) {
    req.unshift(sent)
    return undefined
  }
  READ_AHEAD.set(req, sent)
  return sent
}

/** Body as JSON; an empty body counts as `{}`. Throws `invalid_input` (syntax) or `too_large`. */
export async function readJson(req: Request, maxBytes: number): Promise<unknown> {
  const body = await readBody(req, maxBytes)
  if (body.length === 0) return {}
  try {
    return JSON.parse(body.toString('utf8')) as unknown
  } catch {
    throw new HubError('invalid_input', 'The request body is not valid JSON.')
  }
}

/** Checks a value against a schema; `invalid_input` names the first thing that is wrong. */
export function check<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const where = issue?.path.join('.') ?? ''
  throw new HubError(
    'invalid_input',
    `${where ? `${where}: ` : ''}${issue?.message ?? 'invalid'}`,
    {
      issues: parsed.error.issues.slice(0, 5),
    },
  )
}

/** Hands a long body to `take`, whose failure does not cut the connection: the client gets to read what was wrong. */
export async function takeBody<T>(req: Request, take: (body: Readable) => Promise<T>): Promise<T> {
  const body = new PassThrough({ highWaterMark: PIECE_BYTES })
  const cut = () => {
    if (!req.complete) body.destroy(new HubError('invalid_input', 'The request body broke off.'))
  }
  req.once('close', cut)
  req.once('error', cut)
  try {
    return await take(req.pipe(body))
  } catch (err) {
    dropRest(req)
    throw err
  } finally {
    req.off('close', cut)
  }
}

/** Aborts when the client goes away before the answer is complete. */
export function abortSignalOf(res: import('express').Response): AbortSignal {
  const controller = new AbortController()
  const left = () => {
    if (!res.writableFinished) controller.abort()
  }
  // it may have happened before this was called
  if (res.closed) left()
  else res.once('close', left)
  return controller.signal
}

export function readableOf(buffer: Buffer): Readable {
  return Readable.from([buffer])
}
