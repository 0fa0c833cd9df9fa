/**
 * Cuts a byte stream where its content says so, as hf_xet 1.1.10 and later do: gear hash
 * `h = 2h + T[byte] mod 2^64`, a cut after the byte where the top 16 bits are zero; no chunk under 8 KiB but the
 * last, none over 128 KiB, 64 KiB on average. A match before 8192 bytes is ignored and hashing continues (older
 * clients and the JS client cut there, at 8128 to 8191 bytes: same file, other hash).
 * (draft-denis-xet, "Content-defined chunking".)
 */
import { type GearState, gearCuts } from './kernels.js'

/** One chunker per stream; feed blocks of any size, the cuts do not depend on them. */
export class Chunker {
  readonly #state: GearState = { hash: 0n, size: 0 }
  /** The open chunk, as it came. */
  #open: Uint8Array[] = []

  /**
   * Appends a block; the chunks that end in it. A chunk inside the block is a view on it, one that began earlier
   * is a copy. The block must stay unchanged until its last chunk was returned.
   */
  push(block: Uint8Array): Uint8Array[] {
    const chunks: Uint8Array[] = []
    let start = 0
    for (const end of gearCuts(block, this.#state)) {
      chunks.push(this.#complete(block.subarray(start, end)))
      start = end
    }
    if (start < block.length) this.#open.push(block.subarray(start))
    return chunks
  }

  /** Ends the stream; its last chunk, if any bytes are left. The chunker is then ready for another stream. */
  finish(): Uint8Array | undefined {
    this.#state.hash = 0n
    this.#state.size = 0
    return this.#open.length === 0 ? undefined : this.#complete()
  }

  #complete(...rest: readonly Uint8Array[]): Uint8Array {
    const parts = [...this.#open, ...rest]
    this.#open = []
    return parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts)
  }
}
