/**
 * Walks a serialized xorb as it arrives, decompresses and hashes every chunk, and ends with its index and hash.
 * Holds one chunk and 40 bytes per chunk, whatever arrives. A footer (hf_xet up to 1.1.3 sends one) is skipped
 * unread: it repeats what is computed here, and what is stored is the records alone.
 * (draft-denis-xet, "Xorb format"; limits: client-side rules of xet-core with room for headers and footer.)
 */
import { RECORD_HEADER_BYTES, type RecordHeader, viewChunk } from './chunk-record.js'
import { chunkHash } from './content-hash.js'
import { HASH_BYTES } from './hash-string.js'
import { xorbHash } from './merkle-tree.js'
import { RecordReader } from './record-reader.js'
import { XetFormatError } from './xet-format-error.js'
import { footerBytes, MAX_XORB_CHUNKS, type XorbIndex } from './xorb-index.js'

/** Clients cut a xorb at 64 MiB of chunk bytes; incompressible ones add 8 bytes each. */
export const MAX_XORB_CHUNK_BYTES = 64 * 1024 * 1024
/** Longest chunk records of one xorb. */
export const MAX_XORB_STORED_BYTES = MAX_XORB_CHUNK_BYTES + MAX_XORB_CHUNKS * RECORD_HEADER_BYTES
/** Longest upload body: records and a footer. */
export const MAX_XORB_BODY_BYTES = MAX_XORB_STORED_BYTES + footerBytes(MAX_XORB_CHUNKS)

/** Sees every chunk's raw bytes, in order; the view is good until it returns. */
export type OnChunk = (raw: Uint8Array, hash: Buffer) => void

export class XorbValidator {
  readonly #reader: RecordReader
  readonly #onChunk: OnChunk | undefined
  #hashes = Buffer.alloc(64 * HASH_BYTES)
  readonly #recordEnds: number[] = []
  readonly #rawEnds: number[] = []
  #storedBytes = 0
  #rawBytes = 0

  constructor(onChunk?: OnChunk) {
    this.#onChunk = onChunk
    this.#reader = new RecordReader((header, data) => this.#record(header, data))
  }

  /** Appends a block of any length. @throws XetFormatError as soon as the bytes cannot be a xorb. */
  push(block: Uint8Array): void {
    this.#reader.push(block)
    if (this.#reader.footerBytes > footerBytes(MAX_XORB_CHUNKS)) {
      throw new XetFormatError('xorb footer too long')
    }
  }

  /**
   * Ends the stream.
   * @param expected the 32-byte hash that the chunks must have.
   * @throws XetFormatError for a cut record, no chunk at all, or another hash.
   */
  finish(expected?: Uint8Array): XorbIndex {
    this.#reader.finish()
    const n = this.#rawEnds.length
    if (n === 0) throw new XetFormatError('xorb without chunks')
    const rawEnds = Uint32Array.from(this.#rawEnds)
    const rawLengths = rawEnds.map((end, i) => end - (rawEnds[i - 1] ?? 0))
    // Copied, because a view would take its whole buffer along to another thread.
    const chunkHashes = new Uint8Array(this.#hashes.subarray(0, n * HASH_BYTES))
    const hash = xorbHash(chunkHashes, rawLengths)
    if (expected && !hash.equals(expected)) throw new XetFormatError('xorb hash mismatch')
    const recordEnds = Uint32Array.from(this.#recordEnds)
    return { hash: new Uint8Array(hash), chunkHashes, recordEnds, rawEnds }
  }

  #record(header: RecordHeader, data: Uint8Array): void {
    const n = this.#rawEnds.length
    if (n === MAX_XORB_CHUNKS) throw new XetFormatError('too many chunks in a xorb')
    this.#storedBytes += RECORD_HEADER_BYTES + header.storedBytes
    if (this.#storedBytes > MAX_XORB_STORED_BYTES) throw new XetFormatError('xorb too long')
    this.#rawBytes += header.rawBytes
    const raw = viewChunk(header, data)
    const hash = chunkHash(raw)
    this.#onChunk?.(raw, hash)
    const at = n * HASH_BYTES
    if (at === this.#hashes.length) {
      this.#hashes = Buffer.concat([this.#hashes, Buffer.alloc(at)])
    }
    this.#hashes.set(hash, at)
    this.#recordEnds.push(this.#storedBytes)
    this.#rawEnds.push(this.#rawBytes)
  }
}

/** A whole xorb at once; see `XorbValidator`. @throws XetFormatError */
export function validateXorb(bytes: Uint8Array, expected?: Uint8Array): XorbIndex {
  if (bytes.length > MAX_XORB_BODY_BYTES) throw new XetFormatError('xorb too long')
  const validator = new XorbValidator()
  validator.push(bytes)
  return validator.finish(expected)
}
