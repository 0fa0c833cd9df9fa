/**
 * Reads stored chunk records block by block, each chunk checked against the hash that it must have before any of it is
 * passed on: as raw bytes, or as the records that they are. Holds at most one record. Uncompressed chunks, the bulk of
 * model files, are not copied.
 */
import { RECORD_HEADER_BYTES, readRecordHeader, Scheme, viewChunk } from './chunk-record.js'
import { chunkHash } from './content-hash.js'
import { XetFormatError } from './xet-format-error.js'
import { hashesOf, type XorbIndex } from './xorb-index.js'

export class RecordDecoder {
  readonly #index: XorbIndex
  readonly #end: number
  readonly #output: 'raw' | 'records'
  #chunk: number
  /** The record that began in an earlier block. */
  #carry: Buffer | undefined
  #carryFill = 0

  /** For the records of chunks `start` (inclusive) to `end` (exclusive) of the xorb. */
  constructor(index: XorbIndex, start: number, end: number, output: 'raw' | 'records' = 'raw') {
    this.#index = index
    this.#output = output
    this.#chunk = start
    this.#end = end
  }

  /**
   * Appends a block, of which the result is made where it can be.
   * @returns the raw bytes (or records) that ended in it, in order.
   * @throws XetFormatError for a chunk that is not the one its hash names.
   */
  push(block: Buffer): Buffer[] {
    const out: Buffer[] = []
    for (let at = 0; at < block.length; ) {
      const length = this.#recordBytes()
      if (this.#carry || block.length - at < length) {
        at += this.#fill(block, at, length, out)
        continue
      }
      const record = block.subarray(at, at + length)
      const view = this.#verified(record)
      at += length
      if (this.#output === 'records') out.push(record)
      else out.push(view.stored ? record.subarray(RECORD_HEADER_BYTES) : Buffer.from(view.bytes))
    }
    return out
  }

  /**
   * How many bytes to read next, so that whole records come: about `bytes`, at least one record. `ahead` bytes have been
   * read and not been pushed yet.
   */
  wholeRecords(bytes: number, ahead = 0): number {
    const { recordEnds } = this.#index
    const before = this.#chunk === 0 ? 0 : (recordEnds[this.#chunk - 1] as number)
    const start = before + this.#carryFill + ahead
    let end = this.#chunk
    while (end < this.#end && (recordEnds[end] as number) <= start) end += 1
    if (end === this.#end) return 1
    while (end + 1 < this.#end && (recordEnds[end + 1] as number) - start <= bytes) end += 1
    return (recordEnds[end] as number) - start
  }

  /** Ends the stream. @throws XetFormatError when records are missing. */
  finish(): void {
    if (this.#chunk < this.#end) throw new XetFormatError('stored chunks are cut short')
  }

  #recordBytes(): number {
    const i = this.#chunk
    if (i >= this.#end) throw new XetFormatError('stored chunks are longer than their index')
    const { recordEnds } = this.#index
    return (recordEnds[i] as number) - (i === 0 ? 0 : (recordEnds[i - 1] as number))
  }

  /** Takes what the record lacks from the block; the bytes taken. */
  #fill(block: Buffer, at: number, length: number, raw: Buffer[]): number {
    const carry = this.#carry ?? Buffer.allocUnsafe(length)
    const take = Math.min(length - this.#carryFill, block.length - at)
    carry.set(block.subarray(at, at + take), this.#carryFill)
    this.#carry = carry
    this.#carryFill += take
    if (this.#carryFill < length) return take
    const view = this.#verified(carry)
    if (this.#output === 'records') raw.push(carry)
    else raw.push(view.stored ? carry.subarray(RECORD_HEADER_BYTES) : Buffer.from(view.bytes))
    this.#carry = undefined
    this.#carryFill = 0
    return take
  }

  /** `stored`: the bytes are those in the record; otherwise a borrowed view. */
  #verified(record: Uint8Array): { bytes: Uint8Array; stored: boolean } {
    const header = readRecordHeader(record)
    const bytes = viewChunk(header, record.subarray(RECORD_HEADER_BYTES))
    const expected = hashesOf(this.#index, this.#chunk, this.#chunk + 1)
    if (Buffer.compare(chunkHash(bytes), expected) !== 0)
      throw new XetFormatError('stored chunk does not match its hash')
    this.#chunk += 1
    return { bytes, stored: header.scheme === Scheme.none }
  }
}
