import { HubError } from '../../domain/errors.js'
import type { ByteRange } from '../../domain/ports.js'
import type { Reconstruction } from '../../domain/xet/reconstructions.js'
import { hashToHex } from '../../protocol/xet/hash-string.js'
import type { FetchRange } from '../../protocol/xet/reconstruction.js'
import type { XetRequest } from './parts.js'
import { openSession } from './session.js'

/** Ranges that one link names at most: what a request may ask for at once, and URLs have an end. */
const RANGES_PER_LINK = 50

/** GET /v1|v2/reconstructions/{file hash}, optional `Range: bytes=a-b`: how to put those bytes together. */
export async function reconstruct(it: XetRequest, version: 1 | 2): Promise<void> {
  const session = await openSession(it, 'read')
  const { reconstructions } = it.parts
  const file = await reconstructions.read(session, it.params[0] ?? '')
  const plan = await reconstructions.plan(file, readRange(it.req.get('range')))
  const body = {
    offset_into_first_range: plan.offsetIntoFirstRange,
    terms: plan.terms.map((term) => ({
      hash: hashToHex(term.xorbHash),
      unpacked_length: term.rawBytes,
      range: { start: term.chunkStart, end: term.chunkEnd },
    })),
    ...(version === 1 ? { fetch_info: toFetchInfo(it, plan) } : { xorbs: toXorbs(it, plan) }),
  }
  it.res.set('Cache-Control', 'no-store').json(body)
}

/** HEAD /v1/files/{file hash}. */
export async function headFile(it: XetRequest): Promise<void> {
  const session = await openSession(it, 'read')
  const file = await it.parts.reconstructions.read(session, it.params[0] ?? '')
  it.res.set('Content-Length', String(file.size)).end()
}

/** Ends near 2^64 do come (xet-wire 2.5): far past any file, they all mean its end. */
function readRange(header: string | undefined): ByteRange | undefined {
  if (header === undefined) return undefined
  const [, from, to] = /^bytes=(\d{1,20})-(\d{0,20})$/.exec(header.trim()) ?? []
  if (from === undefined) throw new HubError('invalid_input', 'The Range header is not one range.')
  const bound = (text: string) => {
    const value = BigInt(text)
    return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value)
  }
  return { first: bound(from), last: to ? bound(to) : Number.MAX_SAFE_INTEGER }
}

const bytesOf = (it: FetchRange) => ({ start: it.firstByte, end: it.lastByte })
const chunksOf = (it: FetchRange) => ({ start: it.chunkStart, end: it.chunkEnd })

function toFetchInfo(it: XetRequest, plan: Reconstruction) {
  return Object.fromEntries(
    plan.fetches.map(({ xorb, ranges }) => [
      xorb.hash,
      ranges.map((range) => ({
        range: chunksOf(range),
        url: link(it, xorb, [range]),
        url_range: bytesOf(range),
      })),
    ]),
  )
}

function toXorbs(it: XetRequest, plan: Reconstruction) {
  return Object.fromEntries(
    plan.fetches.map(({ xorb, ranges }) => {
      const entries = []
      for (let at = 0; at < ranges.length; at += RANGES_PER_LINK) {
        const some = ranges.slice(at, at + RANGES_PER_LINK)
        const list = some.map((range) => ({ chunks: chunksOf(range), bytes: bytesOf(range) }))
        entries.push({ url: link(it, xorb, some), ranges: list })
      }
      return [xorb.hash, entries]
    }),
  )
}

function link(
  { req, parts }: XetRequest,
  xorb: { hash: string; nonce: string },
  ranges: readonly FetchRange[],
): string {
  const bytes = ranges.map((it) => ({ first: it.firstByte, last: it.lastByte }))
  return `${parts.baseUrl(req)}/xet${parts.links.sign(xorb, bytes)}`
}
