import { type FileHandle, utimes } from 'node:fs/promises'
import type { FetchAnswer } from '../../domain/ports.js'
import { type Block, type BlockSource, readBlock } from '../../lib/blocks.js'
import type { Growth } from './growth.js'

const TOUCH_AFTER_MS = 60_000

/** A whole one; its time of use is noted. */
export async function keptAnswer(file: FileHandle, path: string): Promise<FetchAnswer> {
  const { size, mtimeMs } = await file.stat()
  await noteUse(path, mtimeMs)
  return answerOf(file, { reach: async () => size }, size)
}

/** Its modification time says when it was asked for last; `usedAt` is what it says now, in milliseconds. */
export async function noteUse(path: string, usedAt: number): Promise<void> {
  const now = new Date()
  if (now.getTime() - usedAt > TOUCH_AFTER_MS) await utimes(path, now, now).catch(() => undefined)
}

/** Of `size` bytes where that is known already. */
export function answerOf(file: FileHandle, growth: Growth, size: number | undefined): FetchAnswer {
  return { size, read: (from, signal) => new GrowingBlocks(file, growth, from, signal) }
}

/** A file up to where its growth ends. */
class GrowingBlocks implements BlockSource {
  readonly #file: FileHandle
  readonly #growth: Growth
  readonly #signal: AbortSignal
  #position: number
  #size = 0
  #reading: Promise<unknown> = Promise.resolve()

  constructor(file: FileHandle, growth: Growth, from: number, signal: AbortSignal) {
    this.#file = file
    this.#growth = growth
    this.#position = from
    this.#signal = signal
  }

  next(bytes: number): Promise<Block | undefined> {
    const reading = this.#next(bytes)
    this.#reading = reading.catch(() => undefined)
    return reading
  }

  async #next(bytes: number): Promise<Block | undefined> {
    if (this.#position >= this.#size)
      this.#size = await this.#growth.reach(this.#position, this.#signal)
    const wanted = Math.min(bytes, this.#size - this.#position)
    if (wanted <= 0) return undefined
    const block = await readBlock(this.#file, this.#position, wanted)
    if (!block) throw new Error('a kept answer is shorter than it was')
    for (const part of block.parts) this.#position += part.length
    return block
  }

  async close(): Promise<void> {
    await this.#reading
    await this.#file.close()
  }
}
