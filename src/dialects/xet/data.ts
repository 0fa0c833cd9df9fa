import { HubError } from '../../domain/errors.js'
import type { ByteRange } from '../../domain/ports.js'
import { sendBytes } from '../../http/send-bytes.js'
import { parseRange } from '../../protocol/byte-range.js'
import type { XetRequest } from './parts.js'

/**
 * GET /data/{xorb}?ranges=…&expires=…&signature=…: bytes of stored records. The link is the right, no token comes with
 * it, and it is good for the ranges it names (one or several in a request: 206 with multipart/byteranges).
 */
export async function sendData({ req, res, parts, params }: XetRequest): Promise<void> {
  const link = parts.links.verify(params[0] ?? '', req.query)
  const xorb = (await parts.xet.findXorbs([link.hash])).get(link.hash)
  // 403: the client asks for a new reconstruction, and finds what is there now
  if (!xorb || xorb.nonce !== link.nonce) throw new HubError('forbidden', 'This link has expired.')
  const wanted = parseRange(req.get('range'), xorb.bytes)
  if (!wanted?.length || !wanted.every((it) => isWithin(it, link.ranges)))
    throw new HubError('forbidden', 'This link is good for the ranges that it names.')
  res.set({ 'Content-Type': 'application/octet-stream', 'Cache-Control': 'private, max-age=3600' })
  await sendBytes(req, res, {
    size: xorb.bytes,
    etag: `${xorb.hash}.${xorb.nonce}`,
    open: (range) => parts.xorbs.openVerified(xorb, range ?? { first: 0, last: xorb.bytes - 1 }),
  })
}

function isWithin(range: ByteRange, allowed: readonly ByteRange[]): boolean {
  return allowed.some((it) => it.first <= range.first && range.last <= it.last)
}
