import { Readable } from 'node:stream'
import type { Request } from 'express'
import { HubError } from '../../domain/errors.js'
import type { FetchAnswer } from '../../domain/ports.js'
import { noteRead } from '../../http/audit.js'
import { abortSignalOf, bodyStream, readAnnounced, readSent, unread } from '../../http/body.js'
import { sendBlocks } from '../../http/send-blocks.js'
import { type FetchRequest, NAK, PACKFILE_HEADER } from '../../protocol/git-fetch.js'
import { commandOf } from '../../protocol/git-v2.js'
import { readPacket } from '../../protocol/pkt-line.js'
import { sendBundleList } from './bundle-uri.js'
import { type FetchForm, readFetch } from './fetch-questions.js'
import type { GitRequest } from './parts.js'
import { listRefs } from './ref-lists.js'
import {
  clientOf,
  isV2,
  protocolIn,
  readable,
  requireContentType,
  sendWhole,
  typeOf,
} from './request.js'

/** Negotiations are text; even thousands of haves stay far below this. */
const MAX_FETCH_REQUEST_BYTES = 32 * 1024 * 1024
/** An ls-refs request is held in memory; clients send a handful of prefixes. */
const MAX_LS_REFS_BYTES = 4 * 1024 * 1024
/** Requests up to this size (160,000 wants) are read before git is asked, in case their answer is there already. */
const MAX_KEPT_FETCH_BYTES = 8 * 1024 * 1024

/** A list of refs, or what a clone wants of a few branches. */
const SMALL_REQUEST_BYTES = 16 * 1024

/** POST git-upload-pack: ls-refs is answered here, everything else by git. */
export async function uploadPack(it: GitRequest): Promise<void> {
  const { req, res, opened, parts } = it
  noteRead(req)
  requireContentType(it, 'upload-pack')
  const sent = await readAhead(req)
  const form = formOf(it)
  const name = sent && parts.fetches.nameOf(form, sent)
  const known = name === undefined ? undefined : parts.fetches.find(name)
  if (known) return fetch(it, known, () => capped(bodyStream(req), MAX_FETCH_REQUEST_BYTES))
  const { head, rest } = await peek(capped(bodyStream(req), MAX_FETCH_REQUEST_BYTES))
  if (!readable(() => readPacket(head, 0)))
    throw new HubError('invalid_input', 'The request is cut off.')
  const command = form.isV2 ? commandIn(head) : undefined
  if (command === 'ls-refs') {
    const message = Buffer.concat([head, await all(rest, MAX_LS_REFS_BYTES)])
    const answer = await listRefs(parts, opened.repo, message)
    res.setHeader('Content-Type', typeOf('upload-pack', 'result'))
    sendWhole(res, answer)
    return
  }
  if (command === 'bundle-uri') return sendBundleList(it)
  const message = await upTo(head, rest, MAX_KEPT_FETCH_BYTES)
  const request = readFetch(form, message)
  if (request && name !== undefined) parts.fetches.keep(name, request)
  await fetch(it, request, () => Readable.from(joined(message, rest), { objectMode: false }))
}

function formOf({ req, opened }: GitRequest): FetchForm {
  return {
    isV2: isV2(protocolIn(req.headers)),
    encoding: req.get('content-encoding') ?? '',
    objectFormat: opened.repo.objectFormat,
  }
}

/** The body as it was sent; undefined when it is too long to be kept. */
async function readAhead(req: Request): Promise<Buffer | undefined> {
  const small = await readAnnounced(req, SMALL_REQUEST_BYTES)
  if (small) unread(req, small)
  return small ?? readSent(req, MAX_KEPT_FETCH_BYTES)
}

/** `input`: the request as git is told it. */
async function fetch(
  it: GitRequest,
  request: FetchRequest | undefined,
  input: () => Readable,
): Promise<void> {
  const { req, res, opened, parts } = it
  const signal = abortSignalOf(res)
  const client = clientOf(it)
  const answer = request && (await openFetch(it, request, client, signal))
  if (!answer && signal.aborted) return
  res.type(typeOf('upload-pack', 'result'))
  if (answer) return sendAnswer(it, answer, signal)
  await parts.git.runService(opened.repo.id, {
    service: 'upload-pack',
    protocol: protocolIn(req.headers),
    client,
    // the missing objects of a partial clone are asked for with a filter
    isBig: request?.haves.length === 0 && request.filter === undefined,
    input: input(),
    output: res,
    signal,
  })
  res.end()
}

/** Undefined when git has to be asked, or nobody waits for it any more. */
async function openFetch(
  { opened, parts }: GitRequest,
  request: FetchRequest,
  client: string,
  signal: AbortSignal,
): Promise<FetchAnswer | undefined> {
  try {
    return await parts.git.openFetch(opened.repo, request, client, signal)
  } catch (err) {
    if (signal.aborted) return undefined
    throw err
  }
}

async function sendAnswer(it: GitRequest, answer: FetchAnswer, signal: AbortSignal): Promise<void> {
  const { req, res } = it
  // the same pack for both, only what stands ahead of it differs
  const head = isV2(protocolIn(req.headers)) ? Buffer.alloc(0) : NAK
  const from = head.length > 0 ? PACKFILE_HEADER.length : 0
  const bytes = answer.size === undefined ? undefined : answer.size - from
  if (bytes !== undefined) res.set('Content-Length', String(head.length + bytes))
  if (head.length > 0) res.write(head)
  try {
    await sendBlocks(res, answer.read(from, signal), bytes)
  } catch (err) {
    if (!signal.aborted) throw err
  }
}

/** The first packet's bytes, at least, unless the body is shorter, and the stream of what follows. */
async function peek(stream: Readable): Promise<{ head: Buffer; rest: AsyncIterator<Buffer> }> {
  const rest = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  let head: Buffer = Buffer.alloc(0)
  while (!readable(() => readPacket(head, 0))) {
    const { value, done } = await rest.next()
    if (done) break
    head = Buffer.concat([head, value])
  }
  return { head, rest }
}

/** It stands before the delimiter; git puts capabilities in front of `bundle-uri` and behind the others. */
function commandIn(head: Buffer): string | undefined {
  let at = 0
  for (;;) {
    const found = readable(() => readPacket(head, at))
    const command = found && commandOf(found.packet)
    if (command || found?.packet.type !== 'data') return command
    at = found.next
  }
}

async function* joined(head: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  if (head.length) yield head
  for (;;) {
    const { value, done } = await rest.next()
    if (done) return
    yield value
  }
}

/** What there is, as soon as it is more than `bytes` or all. */
async function upTo(head: Buffer, rest: AsyncIterator<Buffer>, bytes: number): Promise<Buffer> {
  const chunks = [head]
  for (let size = head.length; size <= bytes; ) {
    const { value, done } = await rest.next()
    if (done) break
    chunks.push(value)
    size += value.length
  }
  return Buffer.concat(chunks)
}

async function all(rest: AsyncIterator<Buffer>, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of joined(Buffer.alloc(0), rest)) {
    size += chunk.length
    if (size > maxBytes) throw new HubError('too_large', 'The negotiation is too large.')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** At most `maxBytes`; whatever ends the body early becomes `invalid_input`. */
function capped(stream: Readable, maxBytes: number): Readable {
  async function* pass() {
    let size = 0
    try {
      for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
        size += chunk.length
        if (size > maxBytes) throw new HubError('too_large', 'The negotiation is too large.')
        yield chunk as Buffer
      }
    } catch (err) {
      if (err instanceof HubError) throw err
      throw new HubError('invalid_input', 'The request body cannot be read to its end.', {}, err)
    }
  }
  return Readable.from(pass(), { objectMode: false })
}
