/**
 * What one needs to know of a stored xorb without its bytes: per chunk a hash and where it ends, stored and raw.
 * Kept as xet-core's xorb footer V1, 92 + 40n bytes and a length word (xet-core `xorb_object`; little-endian):
 *   0 'XETBLOB' 1 | xorb hash[32] | 'XBLBHSH' 0 | n u32 | n x chunk hash[32]
 *   'XBLBBND' 1 | n u32 | n x record end u32 | n x raw end u32
 *   n u32 | distance to the hashes u32 | distance to the bounds u32 | 16 unused | footer length u32
 * No client asks for a footer: uploads that carry one lose it, and ours need not be a part of the stored xorb.
 */
import { HASH_BYTES } from './hash-string.js'
import { XetFormatError } from './xet-format-error.js'

/** Most chunks of one xorb. */
export const MAX_XORB_CHUNKS = 8192

/** Plain data: passes between threads as it is. */
export interface XorbIndex {
  /** The xorb's hash. */
  readonly hash: Uint8Array
  /** The chunk hashes in order, 32 bytes each. */
  readonly chunkHashes: Uint8Array
  /** Per chunk the offset in the serialized xorb where its record ends; it starts where the last one ended. */
  readonly recordEnds: Uint32Array
  /** Per chunk the offset in the raw bytes of the xorb where it ends. */
  readonly rawEnds: Uint32Array
}

/** One row of the table. Offsets and lengths in bytes. */
export interface XorbChunk {
  /** 32 bytes. */
  readonly hash: Uint8Array
  /** Where its record (header and data) starts in the serialized xorb, and the record's length. */
  readonly recordStart: number
  readonly recordBytes: number
  /** Where its bytes start in the raw bytes of the xorb, and their length. */
  readonly rawStart: number
  readonly rawBytes: number
}

/** @throws RangeError when the xorb has no such chunk. */
export function chunkAt(index: XorbIndex, i: number): XorbChunk {
  const recordEnd = index.recordEnds[i]
  const rawEnd = index.rawEnds[i]
  if (recordEnd === undefined || rawEnd === undefined) throw new RangeError('no such chunk')
  const recordStart = i === 0 ? 0 : (index.recordEnds[i - 1] as number)
  const rawStart = i === 0 ? 0 : (index.rawEnds[i - 1] as number)
  return {
    hash: hashesOf(index, i, i + 1),
    recordStart,
    recordBytes: recordEnd - recordStart,
    rawStart,
    rawBytes: rawEnd - rawStart,
  }
}

/** The hashes of chunks `start` (inclusive) to `end` (exclusive), concatenated: the input of `rangeHash`. */
export function hashesOf(index: XorbIndex, start: number, end: number): Uint8Array {
  return index.chunkHashes.subarray(start * HASH_BYTES, end * HASH_BYTES)
}

/** Length of the chunk records in bytes: the serialized xorb without any footer. */
export function storedBytesOf(index: XorbIndex): number {
  return index.recordEnds.at(-1) ?? 0
}

/** Length of all chunks in bytes before compression. */
export function rawBytesOf(index: XorbIndex): number {
  return index.rawEnds.at(-1) ?? 0
}

const MAGIC = Buffer.from('XETBLOB\x01', 'latin1')
const HASHES = Buffer.from('XBLBHSH\x00', 'latin1')
const BOUNDS = Buffer.from('XBLBBND\x01', 'latin1')

/** Length of the V1 footer of `n` chunks in bytes, its length word included. */
export function footerBytes(n: number): number {
  return 96 + 40 * n
}

/** The index as a V1 footer. */
export function encodeXorbFooter(index: XorbIndex): Buffer {
  const n = index.recordEnds.length
  const footer = Buffer.alloc(footerBytes(n))
  footer.set(MAGIC, 0)
  footer.set(index.hash, 8)
  footer.set(HASHES, 40)
  footer.writeUInt32LE(n, 48)
  footer.set(index.chunkHashes, 52)
  const bounds = 52 + 32 * n
  footer.set(BOUNDS, bounds)
  footer.writeUInt32LE(n, bounds + 8)
  for (let i = 0; i < n; i++) {
    footer.writeUInt32LE(index.recordEnds[i] as number, bounds + 12 + 4 * i)
    footer.writeUInt32LE(index.rawEnds[i] as number, bounds + 12 + 4 * (n + i))
  }
  const tail = bounds + 12 + 8 * n
  footer.writeUInt32LE(n, tail)
  footer.writeUInt32LE(52 + 40 * n, tail + 4)
  footer.writeUInt32LE(40 + 8 * n, tail + 8)
  footer.writeUInt32LE(92 + 40 * n, tail + 28)
  return footer
}

/**
 * Reads a whole V1 footer; the 16 unused bytes may hold anything. Says nothing of whether the hashes are true.
 * @throws XetFormatError when it is not exactly one footer with rising ends.
 */
export function parseXorbFooter(bytes: Uint8Array): XorbIndex {
  const footer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const bad = () => new XetFormatError('malformed xorb footer')
  if (footer.length < footerBytes(1) || !footer.subarray(0, 8).equals(MAGIC)) throw bad()
  const n = footer.readUInt32LE(48)
  if (n > MAX_XORB_CHUNKS || footer.length !== footerBytes(n)) throw bad()
  const bounds = 52 + 32 * n
  const tail = bounds + 12 + 8 * n
  const consistent =
    footer.subarray(40, 48).equals(HASHES) &&
    footer.subarray(bounds, bounds + 8).equals(BOUNDS) &&
    footer.readUInt32LE(bounds + 8) === n &&
    footer.readUInt32LE(tail) === n &&
    footer.readUInt32LE(tail + 4) === 52 + 40 * n &&
    footer.readUInt32LE(tail + 8) === 40 + 8 * n &&
    footer.readUInt32LE(tail + 28) === 92 + 40 * n
  if (!consistent) throw bad()
  const ends = (at: number) => {
    const read = Uint32Array.from({ length: n }, (_, i) => footer.readUInt32LE(at + 4 * i))
    if (read.some((end, i) => end <= (read[i - 1] ?? 0))) throw bad()
    return read
  }
  return {
    hash: Buffer.from(footer.subarray(8, 40)),
    chunkHashes: Buffer.from(footer.subarray(52, bounds)),
    recordEnds: ends(bounds + 12),
    rawEnds: ends(bounds + 12 + 4 * n),
  }
}
