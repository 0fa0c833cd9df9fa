/**
 * Reads a shard (layout in shard-format.ts). The bytes are checked from end to end first, so that reading the
 * result cannot fail; what is returned are views on them, nothing is copied and no count is trusted with memory.
 * Says nothing of whether hashes, lengths and xorbs are true: that takes the store.
 */
import { MAX_CHUNK_RAW_BYTES } from './chunk-record.js'
import { HASH_BYTES, isZeroHash, swapSha256 } from './hash-string.js'
import {
  FILE_HAS_RANGE_HASHES,
  FILE_HAS_SHA256,
  FOOTER_BYTES,
  MAX_SHARD_BYTES,
  RECORD_BYTES,
  SHARD_TAG,
  SHARD_VERSION,
  type ShardTerm,
} from './shard-format.js'
import { XetFormatError } from './xet-format-error.js'
import { MAX_XORB_CHUNKS } from './xorb-index.js'

/** One file of a shard. Positions are not bounds-checked beyond the shard's own bytes: stay below `termCount`. */
export class ShardFile {
  readonly #bytes: Buffer

  /** @param bytes the file's records, checked. */
  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** Xet file hash, 32 bytes; zero for an empty file. */
  get hash(): Uint8Array {
    return this.#bytes.subarray(0, HASH_BYTES)
  }

  get termCount(): number {
    return this.#bytes.readUInt32LE(36)
  }

  /** Does every term come with the hash that proves knowledge of its chunks? */
  get hasRangeHashes(): boolean {
    return (this.#bytes.readUInt32LE(32) & FILE_HAS_RANGE_HASHES) !== 0
  }

  /** The file's SHA-256 as an ordinary 32-byte digest, when the client gave it; a claim that nothing proves. */
  get sha256(): Buffer | undefined {
    if (!(this.#bytes.readUInt32LE(32) & FILE_HAS_SHA256)) return undefined
    const at = this.#bytes.length - RECORD_BYTES
    return swapSha256(this.#bytes.subarray(at, at + HASH_BYTES))
  }

  term(i: number): ShardTerm {
    const at = RECORD_BYTES * (1 + i)
    return {
      xorbHash: this.#bytes.subarray(at, at + HASH_BYTES),
      rawBytes: this.#bytes.readUInt32LE(at + 36),
      chunkStart: this.#bytes.readUInt32LE(at + 40),
      chunkEnd: this.#bytes.readUInt32LE(at + 44),
    }
  }

  /** The claimed range hash of term `i`, 32 bytes; only when `hasRangeHashes`. */
  rangeHash(i: number): Uint8Array {
    const at = RECORD_BYTES * (1 + this.termCount + i)
    return this.#bytes.subarray(at, at + HASH_BYTES)
  }

  *terms(): Generator<ShardTerm, void> {
    const n = this.termCount
    for (let i = 0; i < n; i++) yield this.term(i)
  }

  /** Raw bytes of all terms. */
  get rawBytes(): number {
    let sum = 0
    for (const term of this.terms()) sum += term.rawBytes
    return sum
  }
}

/** One xorb of a shard, with all its chunks. */
export class ShardXorb {
  readonly #bytes: Buffer

  /** @param bytes the xorb's records, checked. */
  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** 32 bytes. */
  get hash(): Uint8Array {
    return this.#bytes.subarray(0, HASH_BYTES)
  }

  get chunkCount(): number {
    return this.#bytes.readUInt32LE(36)
  }

  get rawBytes(): number {
    return this.#bytes.readUInt32LE(40)
  }

  /** Serialized length as the client says; hf_xet says 0. */
  get storedBytes(): number {
    return this.#bytes.readUInt32LE(44)
  }

  /** Hash (keyed in dedupe answers, else plain), 32 bytes, and place of chunk `i`. */
  chunk(i: number): { hash: Uint8Array; rawStart: number; rawBytes: number; flags: number } {
    const at = RECORD_BYTES * (1 + i)
    return {
      hash: this.#bytes.subarray(at, at + HASH_BYTES),
      rawStart: this.#bytes.readUInt32LE(at + 32),
      rawBytes: this.#bytes.readUInt32LE(at + 36),
      flags: this.#bytes.readUInt32LE(at + 40),
    }
  }

  /** All chunk hashes in order, 32 bytes each, in a buffer of their own. */
  chunkHashes(): Uint8Array {
    const n = this.chunkCount
    const hashes = new Uint8Array(n * HASH_BYTES)
    for (let i = 0; i < n; i++) hashes.set(this.chunk(i).hash, i * HASH_BYTES)
    return hashes
  }
}

export class Shard {
  readonly #bytes: Buffer
  readonly #xorbsAt: number
  readonly fileCount: number
  readonly xorbCount: number
  /** Does the header announce a footer: is `parseShardFooter` worth calling? */
  readonly hasFooter: boolean

  /** Use `parseShard`. */
  constructor(bytes: Buffer, xorbsAt: number, counts: { files: number; xorbs: number }) {
    this.#bytes = bytes
    this.#xorbsAt = xorbsAt
    this.fileCount = counts.files
    this.xorbCount = counts.xorbs
    this.hasFooter = bytes.readBigUInt64LE(40) !== 0n
  }

  *files(): Generator<ShardFile, void> {
    let at = RECORD_BYTES
    for (let i = 0; i < this.fileCount; i++) {
      const end = fileEnd(this.#bytes, at)
      yield new ShardFile(this.#bytes.subarray(at, end))
      at = end
    }
  }

  *xorbs(): Generator<ShardXorb, void> {
    let at = this.#xorbsAt
    for (let i = 0; i < this.xorbCount; i++) {
      const end = xorbEnd(this.#bytes, at)
      yield new ShardXorb(this.#bytes.subarray(at, end))
      at = end
    }
  }
}

/**
 * Checks and opens a shard. The result keeps `shard` and reads it lazily: leave the bytes unchanged.
 * @throws XetFormatError for more than 64 MiB, a wrong tag, records that do not fit in the bytes, terms and chunks
 * that contradict themselves.
 */
export function parseShard(shard: Uint8Array): Shard {
  const bytes = Buffer.from(shard.buffer, shard.byteOffset, shard.byteLength)
  if (bytes.length > MAX_SHARD_BYTES) throw new XetFormatError('shard too long')
  needRecords(bytes, 0, 1)
  if (!bytes.subarray(0, SHARD_TAG.length).equals(SHARD_TAG))
    throw new XetFormatError('not a shard')
  if (bytes.readBigUInt64LE(32) !== SHARD_VERSION) {
    throw new XetFormatError('unknown shard version')
  }
  const footerBytes = bytes.readBigUInt64LE(40)
  if (footerBytes !== 0n && footerBytes !== BigInt(FOOTER_BYTES)) {
    throw new XetFormatError('unknown shard footer size')
  }

  let at = RECORD_BYTES
  let files = 0
  for (; !isBookend(bytes, at); files++) {
    const end = fileEnd(bytes, at)
    checkFile(bytes, at)
    at = end
  }
  const xorbsAt = at + RECORD_BYTES
  at = xorbsAt
  let xorbs = 0
  for (; !isBookend(bytes, at); xorbs++) {
    const end = xorbEnd(bytes, at)
    checkXorb(bytes, at)
    at = end
  }
  // Lookup tables may follow, then the footer: nobody needs them to read what precedes.
  if (bytes.length - (at + RECORD_BYTES) < footerBytes) {
    throw new XetFormatError('shard footer cut short')
  }
  return new Shard(bytes, xorbsAt, { files, xorbs })
}

function needRecords(bytes: Buffer, at: number, count: number): void {
  if (bytes.length - at < count * RECORD_BYTES) throw new XetFormatError('shard cut short')
}

function isBookend(bytes: Buffer, at: number): boolean {
  needRecords(bytes, at, 1)
  for (let i = 0; i < HASH_BYTES; i++) if (bytes[at + i] !== 0xff) return false
  return true
}

/** Offset after the records of the file at `at`. */
function fileEnd(bytes: Buffer, at: number): number {
  const flags = bytes.readUInt32LE(at + 32)
  const n = bytes.readUInt32LE(at + 36)
  const count = 1 + n * (flags & FILE_HAS_RANGE_HASHES ? 2 : 1) + (flags & FILE_HAS_SHA256 ? 1 : 0)
  needRecords(bytes, at, count)
  return at + count * RECORD_BYTES
}

/** Offset after the records of the xorb at `at`. */
function xorbEnd(bytes: Buffer, at: number): number {
  const count = 1 + bytes.readUInt32LE(at + 36)
  needRecords(bytes, at, count)
  return at + count * RECORD_BYTES
}

function checkFile(bytes: Buffer, at: number): void {
  const n = bytes.readUInt32LE(at + 36)
  if (isZeroHash(bytes, at) !== (n === 0)) {
    throw new XetFormatError('a file has a zero hash when it is empty, only then')
  }
  for (let term = at + RECORD_BYTES, i = 0; i < n; i++, term += RECORD_BYTES) {
    const rawBytes = bytes.readUInt32LE(term + 36)
    const chunkStart = bytes.readUInt32LE(term + 40)
    const chunkEnd = bytes.readUInt32LE(term + 44)
    if (chunkStart >= chunkEnd || chunkEnd > MAX_XORB_CHUNKS) {
      throw new XetFormatError('chunk range of a file term out of bounds')
    }
    const chunks = chunkEnd - chunkStart
    if (rawBytes < chunks || rawBytes > chunks * MAX_CHUNK_RAW_BYTES) {
      throw new XetFormatError('length of a file term out of bounds')
    }
  }
}

function checkXorb(bytes: Buffer, at: number): void {
  const n = bytes.readUInt32LE(at + 36)
  if (n === 0 || n > MAX_XORB_CHUNKS)
    throw new XetFormatError('chunk count of a xorb out of bounds')
  let start = 0
  for (let chunk = at + RECORD_BYTES, i = 0; i < n; i++, chunk += RECORD_BYTES) {
    const rawBytes = bytes.readUInt32LE(chunk + 36)
    if (rawBytes === 0 || rawBytes > MAX_CHUNK_RAW_BYTES) {
      throw new XetFormatError('chunk length in a shard out of bounds')
    }
    if (bytes.readUInt32LE(chunk + 32) !== start) {
      throw new XetFormatError('chunks of a xorb in a shard do not follow each other')
    }
    start += rawBytes
  }
  if (bytes.readUInt32LE(at + 40) !== start) {
    throw new XetFormatError('length of a xorb in a shard is not that of its chunks')
  }
}
