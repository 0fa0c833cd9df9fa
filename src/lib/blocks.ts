import { type FileHandle, open } from 'node:fs/promises'
import { Readable } from 'node:stream'

/** Large enough that system calls and turns of the event loop vanish beside the bytes (docs/performance.md). */
export const BLOCK_BYTES = 512 * 1024
/** For what may turn out short or slow: a client that takes its time keeps little memory waiting. */
export const SMALL_BLOCK_BYTES = 64 * 1024
/** Blocks that wait for their next use, in the whole process: 12 MiB. */
const MAX_FREE = 24

const free: Buffer[] = []

/** Some bytes of a longer sequence. */
export interface Block {
  readonly parts: readonly Buffer[]
  /**
   * The memory may be used again: call it at most once, when nobody looks at the bytes any more. Who keeps them does not
   * call it; nor does who is not certain (a write that was cut off may still be under way).
   */
  release(): void
}

/** A sequence of bytes, block by block; one call at a time. */
export interface BlockSource {
  /** About `bytes` more of them, at least one; undefined at the end. */
  next(bytes: number): Promise<Block | undefined>
  close(): Promise<void>
}

/**
 * A stream that can also be taken as blocks of borrowed memory, which spares the byte paths a fresh buffer (and its page
 * faults) for every read: half the processor time of sending a file.
 */
export class BlockStream extends Readable {
  readonly #source: BlockSource
  #taken = false

  constructor(source: BlockSource) {
    super({ highWaterMark: BLOCK_BYTES })
    this.#source = source
  }

  /** The bytes are the caller's to read and to close; the stream is not used any more. */
  takeBlocks(): BlockSource {
    this.#taken = true
    return this.#source
  }

  override _read(): void {
    this.#source.next(BLOCK_BYTES).then(
      (block) => {
        for (const part of block?.parts ?? []) this.push(part)
        if (!block) this.push(null)
      },
      (err) => this.destroy(err),
    )
  }

  override _destroy(err: Error | null, done: (err?: Error | null) => void): void {
    const closed = this.#taken ? Promise.resolve() : this.#source.close()
    closed.then(
      () => done(err),
      (failure) => done(err ?? failure),
    )
  }
}

/** The blocks of any stream, in the sizes in which they come where it is not made of blocks. */
export function blocksOf(stream: Readable): BlockSource {
  if (stream instanceof BlockStream) return stream.takeBlocks()
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>
  return {
    async next() {
      const { done, value } = await chunks.next()
      return done ? undefined : { parts: [value], release: () => undefined }
    },
    async close() {
      stream.destroy()
    },
  }
}

/** The bytes of a file from `first` to `last` inclusive, or to its end. Rejects when the file cannot be opened. */
export async function openFileBlocks(
  path: string,
  range?: { readonly first: number; readonly last: number },
): Promise<BlockStream> {
  return new BlockStream(new FileBlocks(await open(path, 'r'), range))
}

class FileBlocks implements BlockSource {
  readonly #file: FileHandle
  readonly #last: number
  #at: number
  #reading: Promise<unknown> = Promise.resolve()

  constructor(file: FileHandle, range: { first: number; last: number } | undefined) {
    this.#file = file
    this.#at = range?.first ?? 0
    this.#last = range?.last ?? Number.MAX_SAFE_INTEGER
  }

  next(bytes: number): Promise<Block | undefined> {
    const reading = this.#next(bytes)
    this.#reading = reading.catch(() => undefined)
    return reading
  }

  async #next(bytes: number): Promise<Block | undefined> {
    const wanted = Math.min(bytes, this.#last - this.#at + 1)
    if (wanted <= 0) return undefined
    const block = await readBlock(this.#file, this.#at, wanted)
    for (const part of block?.parts ?? []) this.#at += part.length
    return block
  }

  /** Waits for the read under way: the file may not go from under it. */
  async close(): Promise<void> {
    await this.#reading
    await this.#file.close()
  }
}

/** `bytes` of a file from `position` on, fewer only where it ends; undefined at its end. */
export async function readBlock(
  file: FileHandle,
  position: number,
  bytes: number,
): Promise<Block | undefined> {
  const buffer = lend(bytes)
  let fill = 0
  while (fill < bytes) {
    const { bytesRead } = await file.read(buffer, fill, bytes - fill, position + fill)
    if (bytesRead === 0) break
    fill += bytesRead
  }
  if (fill === 0) return undefined
  return { parts: [buffer.subarray(0, fill)], release: () => giveBack(buffer) }
}

/** Memory of at least so many bytes, from what was given back where there is some. */
export function lend(bytes: number): Buffer {
  if (bytes <= SMALL_BLOCK_BYTES || bytes > BLOCK_BYTES) return Buffer.allocUnsafeSlow(bytes)
  return free.pop() ?? pages(BLOCK_BYTES)
}

/** Whole pages of memory, as writing past the page cache wants them: only what may be resized begins at a page's start. */
function pages(bytes: number): Buffer {
  // an option of ES2024, which Node has had for longer
  const memory: ArrayBuffer = Reflect.construct(ArrayBuffer, [bytes, { maxByteLength: bytes }])
  return Buffer.from(memory, 0, bytes)
}

/** Nobody reads or writes it any more, the kernel included. */
export function giveBack(buffer: Buffer): void {
  if (buffer.length === BLOCK_BYTES && free.length < MAX_FREE) free.push(buffer)
}
