import type { Response } from 'express'
import { BLOCK_BYTES, type Block, type BlockSource, SMALL_BLOCK_BYTES } from '../lib/blocks.js'

/** Written but not yet taken by the kernel, per answer; one more is being read meanwhile. */
const BLOCKS_IN_FLIGHT = 2
/** A client that takes longer for a block gets small ones: many slow clients must not hold much memory. */
const SLOW_MS = 250

/**
 * Ends the answer with these bytes; the source is closed in any case. Returns early when the client goes. A source that
 * fails, or has less than `bytes` (where that is known), cuts the connection, for what was promised cannot be kept any more.
 */
export async function sendBlocks(
  res: Response,
  source: BlockSource,
  bytes: number | undefined,
): Promise<void> {
  const sending = new Sending(res)
  try {
    let ahead = source.next(SMALL_BLOCK_BYTES)
    let left = bytes ?? 0
    for (;;) {
      const block = await ahead
      if (sending.gone || !block) break
      if (bytes !== undefined) for (const part of block.parts) left -= part.length
      await sending.room()
      if (sending.gone) break
      ahead = source.next(sending.blockBytes)
      ahead.catch(() => undefined) // heard when it is waited for
      sending.write(block)
    }
    if (sending.gone) return
    if (left !== 0) throw new Error(`the stored bytes end ${left} before their size`)
    res.end()
    await sending.ended()
  } catch (err) {
    res.destroy()
    throw err
  } finally {
    await source.close()
  }
}

class Sending {
  readonly #res: Response
  #inFlight = 0
  #wake: (() => void) | undefined
  #finished = false
  /** Small first: most files are, and nothing is known of the client yet. */
  blockBytes = SMALL_BLOCK_BYTES
  /** The connection is no more. */
  gone = false

  constructor(res: Response) {
    this.#res = res
    this.gone = res.destroyed
    res.once('close', () => {
      this.gone = !this.#finished
      this.#wake?.()
    })
    res.once('finish', () => {
      this.#finished = true
      this.#wake?.()
    })
  }

  write(block: Block): void {
    const begin = performance.now()
    this.#inFlight += 1
    const last = block.parts.length - 1
    this.#res.cork()
    for (const [n, part] of block.parts.entries())
      this.#res.write(part, n < last ? undefined : (err) => this.#written(block, begin, err))
    this.#res.uncork()
  }

  #written(block: Block, begin: number, err: Error | null | undefined): void {
    this.#inFlight -= 1
    this.blockBytes = performance.now() - begin > SLOW_MS ? SMALL_BLOCK_BYTES : BLOCK_BYTES
    // after an error nobody knows whether the kernel still reads it
    if (!err) block.release()
    this.#wake?.()
  }

  async room(): Promise<void> {
    while (this.#inFlight >= BLOCKS_IN_FLIGHT && !this.gone) await this.#change()
  }

  async ended(): Promise<void> {
    while (!this.#finished && !this.gone) await this.#change()
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}
