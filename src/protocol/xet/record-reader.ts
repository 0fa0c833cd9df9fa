/**
 * Splits a byte stream into chunk records. Holds at most one record (256 KiB); a record that lies whole in one
 * block is handed on without a copy.
 */
import {
  MAX_CHUNK_STORED_BYTES,
  RECORD_HEADER_BYTES,
  type RecordHeader,
  readRecordHeader,
} from './chunk-record.js'
import { XetFormatError } from './xet-format-error.js'

const FOOTER_MAGIC = Buffer.from('XETBLOB', 'latin1')

/** Receives each record; `data` is good until it returns. */
export type OnRecord = (header: RecordHeader, data: Uint8Array) => void

export class RecordReader {
  readonly #onRecord: OnRecord
  readonly #headerBytes = Buffer.alloc(RECORD_HEADER_BYTES)
  #headerFill = 0
  #header: RecordHeader | undefined
  #data: Buffer | undefined
  #dataFill = 0
  #footerBytes = 0

  constructor(onRecord: OnRecord) {
    this.#onRecord = onRecord
  }

  /** Bytes seen from the footer's magic on; 0 while no footer was met. */
  get footerBytes(): number {
    return this.#footerBytes
  }

  /** Appends a block of any length. @throws XetFormatError at the first record that cannot be one. */
  push(block: Uint8Array): void {
    let at = 0
    while (at < block.length) {
      if (this.#footerBytes > 0) {
        this.#footerBytes += block.length - at
        return
      }
      if (!this.#header) {
        const take = Math.min(RECORD_HEADER_BYTES - this.#headerFill, block.length - at)
        this.#headerBytes.set(block.subarray(at, at + take), this.#headerFill)
        this.#headerFill += take
        at += take
        if (this.#headerFill < RECORD_HEADER_BYTES) return
        this.#headerFill = 0
        if (this.#headerBytes.subarray(0, FOOTER_MAGIC.length).equals(FOOTER_MAGIC)) {
          this.#footerBytes = RECORD_HEADER_BYTES
          continue
        }
        this.#header = readRecordHeader(this.#headerBytes)
      }
      at += this.#fill(this.#header, block.subarray(at))
    }
  }

  /** Ends the stream. @throws XetFormatError in the middle of a record. */
  finish(): void {
    if (this.#header || this.#headerFill > 0) throw new XetFormatError('chunk record cut short')
  }

  /** Takes what the open record still lacks; the bytes taken. */
  #fill(header: RecordHeader, rest: Uint8Array): number {
    const missing = header.storedBytes - this.#dataFill
    if (this.#dataFill === 0 && rest.length >= missing) {
      this.#emit(header, rest.subarray(0, missing))
      return missing
    }
    this.#data ??= Buffer.allocUnsafe(MAX_CHUNK_STORED_BYTES)
    const take = Math.min(missing, rest.length)
    this.#data.set(rest.subarray(0, take), this.#dataFill)
    this.#dataFill += take
    if (take === missing) this.#emit(header, this.#data.subarray(0, header.storedBytes))
    return take
  }

  #emit(header: RecordHeader, data: Uint8Array): void {
    this.#header = undefined
    this.#dataFill = 0
    this.#onRecord(header, data)
  }
}
