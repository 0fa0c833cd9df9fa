/** The worker thread behind `PackSums`: hashes a pack that lies in pieces, some of it with each call. */
import { createHash, type Hash } from 'node:crypto'
import { readSync } from 'node:fs'
import { answerCalls } from '../../lib/worker-pool.js'

export interface SumOrder {
  readonly hash: 'sha1' | 'sha256'
  /** In order: bytes, or what stands in a file between two offsets, the second one exclusive. */
  readonly pieces: readonly (Uint8Array | FilePiece)[]
}

interface FilePiece {
  readonly fd: number
  readonly from: number
  readonly to: number
}

/** Undefined: call again, with anything. */
export type Sum = Uint8Array | undefined

const BYTES_AT_ONCE = 4 * 1024 * 1024

const buffer = Buffer.allocUnsafeSlow(BYTES_AT_ONCE)

class Summing {
  readonly #hash: Hash
  readonly #left: (Uint8Array | FilePiece)[]

  constructor({ hash, pieces }: SumOrder) {
    this.#hash = createHash(hash)
    this.#left = [...pieces]
  }

  more(): Sum {
    const piece = this.#left.shift()
    if (!piece) return new Uint8Array(this.#hash.digest())
    this.#hash.update(piece instanceof Uint8Array ? piece : this.#read(piece))
    return undefined
  }

  #read({ fd, from, to }: FilePiece): Uint8Array {
    const wanted = Math.min(BYTES_AT_ONCE, to - from)
    // what is on disk as a whole is read as a whole; anything else is a file that is no longer what it was
    if (readSync(fd, buffer, 0, wanted, from) !== wanted)
      throw new Error('a pack ends before its size')
    if (from + wanted < to) this.#left.unshift({ fd, from: from + wanted, to })
    return buffer.subarray(0, wanted)
  }
}

answerCalls(() => {
  let summing: Summing | undefined
  return (body) => {
    summing ??= new Summing(body as SumOrder)
    return { body: summing.more() }
  }
})
