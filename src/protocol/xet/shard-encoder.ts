/**
 * Writes shards (layout in shard-format.ts): as clients upload them, and as the answer to a global dedupe query —
 * xorbs in full with every chunk hash keyed, so that only someone who holds a chunk recognises it.
 */
import { KeyedHash } from './blake3.js'
import { HASH_BYTES, swapSha256 } from './hash-string.js'
import { encodeShardFooter } from './shard-footer.js'
import {
  FILE_HAS_RANGE_HASHES,
  FILE_HAS_SHA256,
  FOOTER_BYTES,
  RECORD_BYTES,
  SHARD_TAG,
  SHARD_VERSION,
  type ShardTerm,
} from './shard-format.js'
import { rawBytesOf, storedBytesOf, type XorbIndex } from './xorb-index.js'

/** A file to write. Hashes are 32 bytes. */
export interface FileEntry {
  readonly hash: Uint8Array
  readonly terms: readonly ShardTerm[]
  /** One per term, in order. */
  readonly rangeHashes?: readonly Uint8Array[]
  /** Ordinary 32-byte digest. */
  readonly sha256?: Uint8Array
}

/** A shard without footer, as current clients upload it. */
export function encodeShard(files: readonly FileEntry[], xorbs: readonly XorbIndex[]): Buffer {
  return Buffer.concat([
    header(0),
    ...files.map(encodeFile),
    bookend(),
    ...xorbs.map((xorb) => encodeXorb(xorb, xorb.chunkHashes, storedBytesOf(xorb))),
    bookend(),
  ])
}

/**
 * The answer to `GET …/chunks/{prefix}/{hash}`: no files, these xorbs, a footer.
 * @param options.key 32 bytes, not zero, under which chunk hashes are hidden and which the answer carries.
 * @param options.createdAt, options.expiresAt unix seconds; hf_xet keeps using the answer until it expires.
 */
export function encodeDedupeShard(
  xorbs: readonly XorbIndex[],
  options: { key: Uint8Array; createdAt: number; expiresAt: number },
): Buffer {
  const keyed = new KeyedHash(options.key)
  const body = Buffer.concat([
    header(FOOTER_BYTES),
    bookend(),
    ...xorbs.map((xorb) => encodeXorb(xorb, keyEach(xorb.chunkHashes, keyed), storedBytesOf(xorb))),
    bookend(),
  ])
  const footer = encodeShardFooter({
    ...options,
    filesAt: RECORD_BYTES,
    xorbsAt: 2 * RECORD_BYTES,
    lookupsAt: body.length,
    storedBytes: xorbs.reduce((sum, xorb) => sum + storedBytesOf(xorb), 0),
    rawBytes: xorbs.reduce((sum, xorb) => sum + rawBytesOf(xorb), 0),
  })
  return Buffer.concat([body, footer])
}

function header(footerBytes: number): Buffer {
  const record = Buffer.alloc(RECORD_BYTES)
  record.set(SHARD_TAG)
  record.writeBigUInt64LE(SHARD_VERSION, 32)
  record.writeBigUInt64LE(BigInt(footerBytes), 40)
  return record
}

function bookend(): Buffer {
  return Buffer.alloc(RECORD_BYTES).fill(0xff, 0, HASH_BYTES)
}

function encodeFile(file: FileEntry): Buffer {
  const n = file.terms.length
  if (file.rangeHashes && file.rangeHashes.length !== n) throw new RangeError('one hash per term')
  const flags = (file.rangeHashes ? FILE_HAS_RANGE_HASHES : 0) + (file.sha256 ? FILE_HAS_SHA256 : 0)
  const records = [record(file.hash, flags, n, 0, 0)]
  for (const term of file.terms) {
    records.push(record(term.xorbHash, 0, term.rawBytes, term.chunkStart, term.chunkEnd))
  }
  for (const hash of file.rangeHashes ?? []) records.push(record(hash, 0, 0, 0, 0))
  if (file.sha256) records.push(record(swapSha256(file.sha256), 0, 0, 0, 0))
  return Buffer.concat(records)
}

function encodeXorb(xorb: XorbIndex, chunkHashes: Uint8Array, storedBytes: number): Buffer {
  const n = xorb.rawEnds.length
  const records = [record(xorb.hash, 0, n, rawBytesOf(xorb), storedBytes)]
  for (let i = 0, start = 0; i < n; i++) {
    const end = xorb.rawEnds[i] as number
    const hash = chunkHashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES)
    records.push(record(hash, start, end - start, 0, 0))
    start = end
  }
  return Buffer.concat(records)
}

function keyEach(chunkHashes: Uint8Array, keyed: KeyedHash): Uint8Array {
  const out = new Uint8Array(chunkHashes.length)
  for (let at = 0; at < chunkHashes.length; at += HASH_BYTES) {
    out.set(keyed.digest(chunkHashes.subarray(at, at + HASH_BYTES)), at)
  }
  return out
}

function record(hash: Uint8Array, a: number, b: number, c: number, d: number): Buffer {
  const bytes = Buffer.alloc(RECORD_BYTES)
  bytes.set(hash)
  bytes.writeUInt32LE(a, 32)
  bytes.writeUInt32LE(b, 36)
  bytes.writeUInt32LE(c, 40)
  bytes.writeUInt32LE(d, 44)
  return bytes
}
