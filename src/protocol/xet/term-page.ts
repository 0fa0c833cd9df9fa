/**
 * Terms of a file as they are kept: 44 bytes each, xorb hash[32], raw bytes u32, chunk start u32, chunk end u32
 * (little-endian, a shard's term without its flags). A page holds some of them; a range needs only the pages it meets.
 */
import { HASH_BYTES } from './hash-string.js'
import type { ShardTerm } from './shard-format.js'

const TERM_BYTES = HASH_BYTES + 12

export function encodeTerms(terms: readonly ShardTerm[]): Buffer {
  const page = Buffer.alloc(terms.length * TERM_BYTES)
  terms.forEach((term, i) => {
    const at = i * TERM_BYTES
    page.set(term.xorbHash, at)
    page.writeUInt32LE(term.rawBytes, at + 32)
    page.writeUInt32LE(term.chunkStart, at + 36)
    page.writeUInt32LE(term.chunkEnd, at + 40)
  })
  return page
}

/** Views on `page`. @throws RangeError when it is no whole number of terms. */
export function decodeTerms(page: Buffer): ShardTerm[] {
  if (page.length % TERM_BYTES !== 0) throw new RangeError('not a page of terms')
  return Array.from({ length: page.length / TERM_BYTES }, (_, i) => {
    const at = i * TERM_BYTES
    return {
      xorbHash: page.subarray(at, at + HASH_BYTES),
      rawBytes: page.readUInt32LE(at + 32),
      chunkStart: page.readUInt32LE(at + 36),
      chunkEnd: page.readUInt32LE(at + 40),
    }
  })
}
