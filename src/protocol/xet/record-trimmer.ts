/**
 * Passes the chunk records of an upload through and drops the footer behind them (hf_xet up to 1.1.3 sends one).
 * Looks at headers only; whether the records are good is the validator's business.
 */
import { RECORD_HEADER_BYTES } from './chunk-record.js'

const FOOTER_MAGIC = Buffer.from('XETBLOB', 'latin1')

export class RecordTrimmer {
  readonly #header = Buffer.alloc(RECORD_HEADER_BYTES)
  #headerFill = 0
  #dataLeft = 0
  #inFooter = false

  /** The parts of `block` to keep, in order; a header cut by the end of a block comes with the next one. */
  push(block: Uint8Array): Uint8Array[] {
    const kept: Uint8Array[] = []
    let from = 0
    let at = 0
    const keep = (end: number) => {
      if (end > from) kept.push(block.subarray(from, end))
    }
    while (at < block.length && !this.#inFooter) {
      if (this.#dataLeft > 0) {
        const take = Math.min(this.#dataLeft, block.length - at)
        this.#dataLeft -= take
        at += take
        continue
      }
      const carried = this.#headerFill
      const take = Math.min(RECORD_HEADER_BYTES - carried, block.length - at)
      this.#header.set(block.subarray(at, at + take), carried)
      this.#headerFill += take
      at += take
      if (this.#headerFill < RECORD_HEADER_BYTES) {
        keep(at - take)
        return kept
      }
      this.#headerFill = 0
      this.#inFooter = this.#header.subarray(0, FOOTER_MAGIC.length).equals(FOOTER_MAGIC)
      if (this.#inFooter) {
        if (carried === 0) keep(at - RECORD_HEADER_BYTES)
        return kept
      }
      if (carried > 0) {
        kept.push(Buffer.from(this.#header))
        from = at
      }
      this.#dataLeft = this.#header.readUIntLE(1, 3)
    }
    if (!this.#inFooter) keep(block.length)
    return kept
  }
}
