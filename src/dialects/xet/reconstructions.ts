import { HubError } from '../../domain/errors.js'
import type { ByteRange } from '../../domain/ports.js'
import type { Reconstruction } from '../../domain/xet/reconstructions.js'
import { hashToHex } from '../../protocol/xet/hash-string.js'
import type { FetchRange } from '../../protocol/xet/reconstruction.js'
import type { XetRequest } from './parts.js'
import { openSession } from './session.js'

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
    ...(version === 1
      ? { fetch_info: await toFetchInfo(it, plan) }
      : { xorbs: await toXorbs(it, plan) }),
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

/** By xorb: v1 names one range with each URL. */
async function toFetchInfo(it: XetRequest, plan: Reconstruction) {
  const links = await linksOf(it, plan, 1)
  return byXorb(links, ({ url, ranges: [range] }) =>
    range ? [{ range: chunksOf(range), url, url_range: bytesOf(range) }] : [],
  )
}

/** By xorb: v2 names as many ranges as the URL is good for. */
async function toXorbs(it: XetRequest, plan: Reconstruction) {
  return byXorb(await linksOf(it, plan), ({ url, ranges }) => [
    { url, ranges: ranges.map((range) => ({ chunks: chunksOf(range), bytes: bytesOf(range) })) },
  ])
}

interface Link {
  readonly xorb: { readonly hash: string }
  readonly url: string
  readonly ranges: readonly FetchRange[]
}

function linksOf({ req, parts }: XetRequest, plan: Reconstruction, perLink?: number) {
  const toBytes = (it: FetchRange) => ({ first: it.firstByte, last: it.lastByte })
  return parts.links.toRanges(plan.fetches, toBytes, `${parts.baseUrl(req)}/xet`, perLink)
}

function byXorb<T>(links: readonly Link[], entries: (link: Link) => T[]): Record<string, T[]> {
  const found: Record<string, T[]> = {}
  for (const link of links)
    found[link.xorb.hash] = [...(found[link.xorb.hash] ?? []), ...entries(link)]
  return found
}
