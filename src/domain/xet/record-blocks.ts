import type { Readable } from 'node:stream'
import { type Block, type BlockSource, blocksOf } from '../../lib/blocks.js'
import type { RecordDecoder } from '../../protocol/xet/record-decoder.js'
import { XetFormatError } from '../../protocol/xet/xet-format-error.js'
import { HubError } from '../errors.js'
import type { ByteWindow } from './byte-window.js'

/** Adjoining stored records, each chunk checked before any of it is passed on, and of what comes out the wanted part. */
export class RecordBlocks implements BlockSource {
  readonly #records: BlockSource
  readonly #decoder: RecordDecoder
  readonly #window: ByteWindow
  #ahead: Promise<Block | undefined> | undefined

  constructor(records: Readable, decoder: RecordDecoder, window: ByteWindow) {
    this.#records = blocksOf(records)
    this.#decoder = decoder
    this.#window = window
  }

  async next(bytes: number): Promise<Block | undefined> {
    try {
      for (;;) {
        const block = await (this.#ahead ?? this.#read(bytes, 0))
        if (!block) {
          this.#decoder.finish()
          return undefined
        }
        // the disk reads on while these are hashed
        this.#ahead = this.#read(bytes, lengthOf(block))
        const parts = block.parts
          .flatMap((it) => this.#decoder.push(it))
          .map((it) => this.#window.take(it))
          .filter((it) => it.length > 0)
        if (parts.length > 0) return { parts, release: block.release }
        block.release()
      }
    } catch (err) {
      throw asStorageFailed(err)
    }
  }

  /** Whole records, so that none has to be pieced together. */
  #read(bytes: number, ahead: number): Promise<Block | undefined> {
    const reading = this.#records.next(this.#decoder.wholeRecords(bytes, ahead))
    reading.catch(() => undefined) // heard when it is waited for
    return reading
  }

  close(): Promise<void> {
    return this.#records.close()
  }
}

const lengthOf = (block: Block) => block.parts.reduce((sum, it) => sum + it.length, 0)

/** Several sources, one after the other, each opened when its turn comes. */
export class ChainedBlocks implements BlockSource {
  readonly #sources: AsyncIterator<BlockSource, void>
  #current: BlockSource | undefined
  #closed = false

  constructor(sources: AsyncIterator<BlockSource, void>) {
    this.#sources = sources
  }

  async next(bytes: number): Promise<Block | undefined> {
    while (!this.#closed) {
      this.#current ??= (await this.#sources.next()).value ?? undefined
      if (!this.#current) return undefined
      const block = await this.#current.next(bytes)
      if (block) return block
      await this.#current.close()
      this.#current = undefined
    }
    return undefined
  }

  async close(): Promise<void> {
    this.#closed = true
    // a source that is being opened right now is handed over first
    await this.#sources.return?.()
    await this.#current?.close()
  }
}

/** Damage on our side is not the client's fault. */
export function asStorageFailed(err: unknown): unknown {
  return err instanceof XetFormatError
    ? new HubError('storage_failed', 'A stored chunk is damaged.', {}, err)
    : err
}
