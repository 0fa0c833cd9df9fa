/** Packs raw chunks into a serialized xorb, within the limits that clients keep (64 MiB, 8192 chunks). */
import { type Compression, encodeRecord, RECORD_HEADER_BYTES } from './chunk-record.js'
import { chunkHash } from './content-hash.js'
import { HASH_BYTES } from './hash-string.js'
import { xorbHash } from './merkle-tree.js'
import { MAX_XORB_CHUNKS, type XorbIndex } from './xorb-index.js'
import { MAX_XORB_CHUNK_BYTES } from './xorb-validator.js'

export interface BuiltXorb {
  readonly index: XorbIndex
  /** The chunk records in order: concatenated they are the xorb. */
  readonly records: readonly Uint8Array[]
}

export class XorbBuilder {
  readonly #compression: Compression
  #records: Uint8Array[] = []
  #hashes: Uint8Array[] = []
  #rawLengths: number[] = []
  #rawBytes = 0

  constructor(compression: Compression = 'auto') {
    this.#compression = compression
  }

  get chunkCount(): number {
    return this.#records.length
  }

  /** Raw bytes so far. */
  get rawBytes(): number {
    return this.#rawBytes
  }

  /** Is there room for another chunk of `rawBytes` bytes? */
  fits(rawBytes: number): boolean {
    return (
      this.#records.length < MAX_XORB_CHUNKS && this.#rawBytes + rawBytes <= MAX_XORB_CHUNK_BYTES
    )
  }

  /**
   * Appends a chunk of 1 to 131072 bytes; ask `fits` first. The bytes are copied.
   * @param hash the chunk's hash when the caller has it already. @returns its position in the xorb.
   */
  add(raw: Uint8Array, hash: Uint8Array = chunkHash(raw)): number {
    return this.addRecord(encodeRecord(raw, this.#compression), raw.length, hash)
  }

  /** Appends a record that was encoded elsewhere (a worker); kept, not copied. */
  addRecord(record: Uint8Array, rawBytes: number, hash: Uint8Array): number {
    if (!this.fits(rawBytes)) throw new RangeError('the xorb is full')
    if (record.length <= RECORD_HEADER_BYTES) throw new RangeError('not a chunk record')
    this.#records.push(record)
    this.#hashes.push(hash)
    this.#rawLengths.push(rawBytes)
    this.#rawBytes += rawBytes
    return this.#records.length - 1
  }

  /** The xorb so far, or `undefined` when nothing was added; the builder starts anew. */
  finish(): BuiltXorb | undefined {
    if (this.#records.length === 0) return undefined
    const records = this.#records
    const chunkHashes = Buffer.concat(this.#hashes, records.length * HASH_BYTES)
    const index: XorbIndex = {
      hash: xorbHash(chunkHashes, this.#rawLengths),
      chunkHashes,
      recordEnds: runningSums(records.map((record) => record.length)),
      rawEnds: runningSums(this.#rawLengths),
    }
    this.#records = []
    this.#hashes = []
    this.#rawLengths = []
    this.#rawBytes = 0
    return { index, records }
  }
}

function runningSums(lengths: readonly number[]): Uint32Array {
  let sum = 0
  return Uint32Array.from(lengths, (length) => {
    sum += length
    return sum
  })
}
