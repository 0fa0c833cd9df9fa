/**
 * Xet hashes are 32 bytes, written as 64 hex digits of four u64 little-endian words: the bytes of every group of
 * eight stand reversed. Bytes 00..1f read `0706050403020100 0f0e…08 1716…10 1f1e…18` (without the spaces).
 * Shards keep the file's SHA-256 in the same order, so one rule serves both (draft-denis-xet, "Hash encoding").
 */
import { XetFormatError } from './xet-format-error.js'

/** Length of every Xet hash in bytes. */
export const HASH_BYTES = 32

const HEX = /^[0-9a-f]{64}$/

/** The 64 hex digits of the 32 bytes at `offset`. The bytes must be there: @throws RangeError otherwise. */
export function hashToHex(bytes: Uint8Array, offset = 0): string {
  if (bytes.length - offset < HASH_BYTES) throw new RangeError('a hash is 32 bytes')
  const swapped = Buffer.allocUnsafe(HASH_BYTES)
  swapGroups(bytes, offset, swapped)
  return swapped.toString('hex')
}

/** The 32 bytes of a hash string. @throws XetFormatError unless it is 64 lower-case hex digits. */
export function hashFromHex(hex: string): Buffer {
  if (!HEX.test(hex)) throw new XetFormatError('a Xet hash is 64 lower-case hex digits')
  return Buffer.from(hex, 'hex').swap64()
}

/** Is this the string form of a Xet hash: 64 lower-case hex digits? */
export function isHashHex(text: string): boolean {
  return HEX.test(text)
}

/**
 * An ordinary 32-byte SHA-256 digest in the order a shard stores it, and back: the swap is its own inverse.
 * `hashToHex` of the stored form is the ordinary hex digest.
 */
export function swapSha256(digest: Uint8Array): Buffer {
  if (digest.length !== HASH_BYTES) throw new RangeError('a SHA-256 digest is 32 bytes')
  const swapped = Buffer.allocUnsafe(HASH_BYTES)
  swapGroups(digest, 0, swapped)
  return swapped
}

/** Are all 32 bytes at `offset` zero: the hash of nothing (an empty file), never that of content? */
export function isZeroHash(bytes: Uint8Array, offset = 0): boolean {
  for (let i = offset; i < offset + HASH_BYTES; i++) if (bytes[i] !== 0) return false
  return true
}

function swapGroups(from: Uint8Array, offset: number, to: Uint8Array): void {
  for (let i = 0; i < HASH_BYTES; i++) to[i] = from[offset + (i ^ 7)] as number
}
