import type { FetchAnswer } from '../../domain/ports.js'
import { abortable } from '../../lib/abortable.js'
import { type Block, type BlockSource, giveBack, lend } from '../../lib/blocks.js'
import { PACKFILE_HEADER } from '../../protocol/git-fetch.js'
import { FLUSH, MAX_PKT_BYTES } from '../../protocol/pkt-line.js'
import type { FileRange, Recipe } from './recipe.js'

/** Of a packet of side-band 1 (gitprotocol-v2(5) "packfile section"). */
const HEAD_BYTES = 5
const PAYLOAD_BYTES = MAX_PKT_BYTES - HEAD_BYTES

/** The answer that a recipe stands for; it closes the recipe at its end. */
export function joinedAnswer(recipe: Recipe, sum: Promise<Uint8Array>): FetchAnswer {
  const packets = Math.ceil(recipe.bytes / PAYLOAD_BYTES)
  const size = PACKFILE_HEADER.length + packets * HEAD_BYTES + recipe.bytes + FLUSH.length
  return { size, read: (from, signal) => new JoinedBlocks(recipe, sum, from, signal) }
}

/** Reads the pieces of a pack straight into packets. */
class JoinedBlocks implements BlockSource {
  readonly #recipe: Recipe
  readonly #sum: Promise<Uint8Array>
  readonly #signal: AbortSignal
  /** Of the pack. */
  #position = 0
  #begun = false
  #closed = false
  #drop: number
  #reading: Promise<unknown> = Promise.resolve()

  constructor(recipe: Recipe, sum: Promise<Uint8Array>, from: number, signal: AbortSignal) {
    this.#recipe = recipe
    this.#sum = sum
    this.#drop = from
    this.#signal = signal
  }

  next(bytes: number): Promise<Block | undefined> {
    const reading = this.#next(bytes)
    this.#reading = reading.catch(() => undefined)
    return reading
  }

  async #next(bytes: number): Promise<Block | undefined> {
    for (;;) {
      const block = await this.#more(bytes)
      const parts = block && this.#dropped(block.parts)
      if (!block || parts?.length) return block && { ...block, parts: parts ?? [] }
      block.release()
    }
  }

  async #more(bytes: number): Promise<Block | undefined> {
    const { bytes: total } = this.#recipe
    if (this.#position === total) return undefined
    const buffer = lend(Math.max(bytes, MAX_PKT_BYTES))
    const packets: Buffer[] = []
    let end = 0
    let left = total - this.#position
    for (; left > 0 && end + MAX_PKT_BYTES <= buffer.length; left -= PAYLOAD_BYTES) {
      const payload = Math.min(left, PAYLOAD_BYTES)
      buffer.write(`${(payload + HEAD_BYTES).toString(16).padStart(4, '0')}\u0001`, end, 'latin1')
      packets.push(buffer.subarray(end + HEAD_BYTES, end + HEAD_BYTES + payload))
      end += HEAD_BYTES + payload
    }
    await this.#fill(packets)
    const before = this.#begun ? [] : [PACKFILE_HEADER]
    this.#begun = true
    const after = this.#position === total ? [FLUSH] : []
    return {
      parts: [...before, buffer.subarray(0, end), ...after],
      release: () => giveBack(buffer),
    }
  }

  async #fill(packets: readonly Buffer[]): Promise<void> {
    let empty = packets
    let from = this.#position
    for (const piece of [...this.#recipe.pieces, undefined]) {
      const length = piece ? lengthOf(piece) : Number.POSITIVE_INFINITY
      if (from < length && empty.length > 0) {
        const [here, rest] = split(empty, length - from)
        if (!piece) copyInto(here, await abortable(this.#sum, this.#signal), from)
        else if ('file' in piece) await readInto(here, piece, from)
        else copyInto(here, piece, from)
        this.#position += sizeOf(here)
        empty = rest
        from = 0
      } else from -= Math.min(from, length)
    }
  }

  #dropped(parts: readonly Buffer[]): Buffer[] {
    return parts.flatMap((part) => {
      const dropped = Math.min(this.#drop, part.length)
      this.#drop -= dropped
      return dropped < part.length ? [part.subarray(dropped)] : []
    })
  }

  async close(): Promise<void> {
    // once: the files are others', too
    if (this.#closed) return
    this.#closed = true
    await this.#reading
    await this.#recipe.close()
  }
}

async function readInto(buffers: readonly Buffer[], range: FileRange, from: number): Promise<void> {
  const wanted = sizeOf(buffers)
  const { bytesRead } = await range.file.readv(buffers, range.from + from)
  // what is on disk as a whole is read as a whole; anything else is a file that is no longer what it was
  if (bytesRead !== wanted) throw new Error('a pack ends before its size')
}

function copyInto(buffers: readonly Buffer[], bytes: Uint8Array, from: number): void {
  let at = from
  for (const buffer of buffers) {
    buffer.set(bytes.subarray(at, at + buffer.length))
    at += buffer.length
  }
}

/** The first `bytes` of them, and what is behind these. */
function split(buffers: readonly Buffer[], bytes: number): [Buffer[], Buffer[]] {
  const before: Buffer[] = []
  const after: Buffer[] = []
  let left = bytes
  for (const buffer of buffers) {
    const taken = Math.min(left, buffer.length)
    if (taken > 0) before.push(buffer.subarray(0, taken))
    if (taken < buffer.length) after.push(buffer.subarray(taken))
    left -= taken
  }
  return [before, after]
}

function sizeOf(buffers: readonly Buffer[]): number {
  return buffers.reduce((sum, it) => sum + it.length, 0)
}

function lengthOf(piece: Buffer | FileRange): number {
  return 'file' in piece ? piece.bytes : piece.length
}
