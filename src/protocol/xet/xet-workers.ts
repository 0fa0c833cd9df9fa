/**
 * The long computations of Xet off the event loop. Bytes are handed over in batches, and the next batch is read when
 * the worker is done with the last: memory stays bounded and the sender feels the pace.
 */
import { WorkerPool, type WorkerSession } from '../../lib/worker-pool.js'
import { type Compression, MAX_CHUNK_STORED_BYTES, RECORD_HEADER_BYTES } from './chunk-record.js'
import { XetFormatError } from './xet-format-error.js'
import type { HashedChunk, WorkerRequest } from './xet-worker.js'
import type { XorbIndex } from './xorb-index.js'

export type { HashedChunk } from './xet-worker.js'

/** Large enough to make the message's own cost vanish, small enough to hold many. */
const BATCH_BYTES = 1024 * 1024

type ByteSource = AsyncIterable<Uint8Array> | Iterable<Uint8Array>
/** Bytes that may be given away to another thread. */
type Own = Uint8Array<ArrayBuffer>

/** The SHA-256 over the raw bytes of stored records. `close` it. */
export interface RecordDigest {
  /** Appends whole records; `bytes` is gone afterwards. @throws XetFormatError */
  update(bytes: Own): Promise<void>
  /** 32 bytes. */
  finish(): Promise<Uint8Array>
  close(): void
}

export class XetWorkers {
  readonly #pool: WorkerPool

  /** @param size threads at most. They start when first needed. */
  constructor(size: number) {
    // The extension of this very file tells whether we run from source.
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    this.#pool = new WorkerPool({
      entry: new URL(`./xet-worker.${extension}`, import.meta.url),
      size,
      reviveError: ({ name, message }) =>
        name === 'XetFormatError' ? new XetFormatError(message) : new Error(message),
    })
  }

  /**
   * Validates a serialized xorb as it arrives; see `XorbValidator`. The source is read to its end or left at the
   * first error, and its blocks may be reused once it is asked for the next.
   * @param options.expected the 32-byte hash that the chunks must have.
   * @throws XetFormatError, and whatever the source throws.
   */
  async validateXorb(
    source: ByteSource,
    options: { expected?: Uint8Array; signal?: AbortSignal } = {},
  ): Promise<XorbIndex> {
    return this.#work(options.signal, async (session) => {
      for await (const bytes of batches(source)) {
        options.signal?.throwIfAborted()
        keepBatch(
          await session.call({ op: 'validate', bytes } satisfies WorkerRequest, [bytes.buffer]),
        )
      }
      const request: WorkerRequest = { op: 'validated', expected: options.expected }
      return (await session.call(request)) as XorbIndex
    })
  }

  /**
   * Cuts a file into chunks and hashes them, in order; see `Chunker`.
   * @param options.compression also encode each chunk's record.
   */
  async *chunkAndHash(
    source: ByteSource,
    options: { compression?: Compression; signal?: AbortSignal } = {},
  ): AsyncGenerator<HashedChunk, void> {
    const { compression, signal } = options
    const session = await this.#pool.session(signal)
    try {
      for await (const bytes of batches(source)) {
        signal?.throwIfAborted()
        const request: WorkerRequest = { op: 'chunk', bytes, compression }
        yield* (await session.call(request, [bytes.buffer])) as HashedChunk[]
      }
      const request: WorkerRequest = { op: 'chunked', compression }
      yield* (await session.call(request)) as HashedChunk[]
    } finally {
      session.release()
    }
  }

  async digest(signal?: AbortSignal): Promise<RecordDigest> {
    const session = await this.#pool.session(signal)
    return {
      update: async (bytes) => {
        const request: WorkerRequest = { op: 'digest', bytes }
        keepBatch(await session.call(request, [bytes.buffer]))
      },
      finish: async () =>
        (await session.call({ op: 'digested' } satisfies WorkerRequest)) as Uint8Array,
      close: () => session.release(),
    }
  }

  /** Stops the threads; computations under way are rejected. */
  close(): Promise<void> {
    return this.#pool.close()
  }

  async #work<T>(
    signal: AbortSignal | undefined,
    work: (session: WorkerSession) => Promise<T>,
  ): Promise<T> {
    const session = await this.#pool.session(signal)
    try {
      return await work(session)
    } finally {
      session.release()
    }
  }
}

/** What came back from workers, for the next batches. */
const spare: ArrayBuffer[] = []
const MAX_SPARE = 8
/** Room for a batch and the record that crosses its end. */
const SPARE_BYTES = BATCH_BYTES + MAX_CHUNK_STORED_BYTES + RECORD_HEADER_BYTES

/** Memory for a batch of so many bytes, to be given away; its content is anything. */
export function newBatch(bytes: number): Own {
  if (bytes > SPARE_BYTES) return new Uint8Array(bytes)
  return new Uint8Array(spare.pop() ?? new ArrayBuffer(SPARE_BYTES), 0, bytes)
}

function keepBatch(memory: unknown): void {
  if (
    memory instanceof ArrayBuffer &&
    memory.byteLength === SPARE_BYTES &&
    spare.length < MAX_SPARE
  )
    spare.push(memory)
}

/** Copies blocks of any size into buffers of their own that may be given away. */
async function* batches(source: ByteSource): AsyncGenerator<Own, void> {
  let batch = newBatch(BATCH_BYTES)
  let fill = 0
  for await (const block of source) {
    for (let at = 0; at < block.length; ) {
      const take = Math.min(BATCH_BYTES - fill, block.length - at)
      batch.set(block.subarray(at, at + take), fill)
      fill += take
      at += take
      if (fill === BATCH_BYTES) {
        yield batch
        batch = newBatch(BATCH_BYTES)
        fill = 0
      }
    }
  }
  if (fill > 0) yield batch.subarray(0, fill)
}
