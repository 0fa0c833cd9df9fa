import type { Readable } from 'node:stream'
import { BLOCK_BYTES, type BlockSource, BlockStream, blocksOf } from '../../lib/blocks.js'
import { hashToHex } from '../../protocol/xet/hash-string.js'
import { RecordDecoder } from '../../protocol/xet/record-decoder.js'
import type { ShardTerm } from '../../protocol/xet/shard-format.js'
import { decodeTerms } from '../../protocol/xet/term-page.js'
import { XetFormatError } from '../../protocol/xet/xet-format-error.js'
import { newBatch, type RecordDigest, type XetWorkers } from '../../protocol/xet/xet-workers.js'
import type { XorbIndex } from '../../protocol/xet/xorb-index.js'
import { HubError } from '../errors.js'
import type { ByteRange } from '../ports.js'
import type { LfsOid } from '../types.js'
import { ByteWindow } from './byte-window.js'
import type { XetFile, XetStore, Xorb } from './ports.js'
import { asStorageFailed, ChainedBlocks, RecordBlocks } from './record-blocks.js'
import type { Xorbs } from './xorbs.js'

/** A worker gets records in batches of about so many bytes, raw or stored whichever is more. */
const BATCH_BYTES = 1024 * 1024

/** Adjoining chunks of one xorb that belong to a range of a file. */
interface Run {
  readonly xorb: Xorb
  readonly index: XorbIndex
  readonly chunkStart: number
  readonly chunkEnd: number
  /** Raw bytes before and after the wanted ones. */
  readonly skip: number
  readonly drop: number
}

interface Batch {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly rawBytes: number
}

/** The bytes of files that are stored as chunks. Every chunk that leaves here has the hash that the file was made of. */
export class XetContent {
  readonly #xet: XetStore
  readonly #xorbs: Xorbs
  readonly #workers: XetWorkers

  constructor(parts: { xet: XetStore; xorbs: Xorbs; workers: XetWorkers }) {
    this.#xet = parts.xet
    this.#xorbs = parts.xorbs
    this.#workers = parts.workers
  }

  /** Bytes of the LFS object with this oid. Throws `object_not_found`, `storage_failed`. */
  async openObject(oid: LfsOid, range?: ByteRange): Promise<Readable> {
    const file = await this.#xet.findFileOf(oid)
    if (!file) throw new HubError('object_not_found', 'Object not found', { oid })
    return this.open(file, range)
  }

  /** A damaged or missing chunk ends the stream with an error before any of its bytes. */
  async open(file: XetFile, range?: ByteRange): Promise<Readable> {
    const { first, last } = range ?? { first: 0, last: file.size - 1 }
    const runs = this.#runs(this.#termsOf(file, first, last), first, last)
    // what can be known to fail fails before the answer begins
    const head = await runs.next()
    return new BlockStream(new ChainedBlocks(this.#blocks(prepend(head, runs))))
  }

  /** SHA-256 over the chunks of these terms: what the file really is. 32 bytes. */
  async digest(
    terms: Iterable<ShardTerm>,
    size: number,
    signal: AbortSignal,
    onProgress: (bytes: number) => void,
  ): Promise<Uint8Array> {
    const digest = await this.#workers.digest(signal)
    try {
      const runs = this.#runs(fromStart(terms), 0, size - 1)
      await this.#update(digest, runs, signal, onProgress)
      return await digest.finish()
    } catch (err) {
      throw asStorageFailed(err)
    } finally {
      digest.close()
    }
  }

  async #update(
    digest: RecordDigest,
    runs: AsyncGenerator<Run, void>,
    signal: AbortSignal,
    onProgress: (bytes: number) => void,
  ): Promise<void> {
    let before: Promise<void> = Promise.resolve()
    for await (const run of runs)
      for await (const batch of this.#batches(run)) {
        signal.throwIfAborted()
        const next = digest.update(batch.bytes)
        next.catch(() => undefined)
        await before
        before = next.then(() => onProgress(batch.rawBytes))
      }
    await before
  }

  async *#termsOf(
    file: XetFile,
    first: number,
    last: number,
  ): AsyncGenerator<{ at: number; term: ShardTerm }, void> {
    for (const page of await this.#xet.readTerms(file.hash, first, last)) {
      let at = page.firstByte
      for (const term of decodeTerms(page.terms)) {
        yield { at, term }
        at += term.rawBytes
      }
    }
  }

  async *#runs(
    terms:
      | AsyncIterable<{ at: number; term: ShardTerm }>
      | Iterable<{ at: number; term: ShardTerm }>,
    first: number,
    last: number,
  ): AsyncGenerator<Run, void> {
    for await (const { at, term } of terms) {
      if (at > last) return
      if (at + term.rawBytes <= first) continue
      const hash = hashToHex(term.xorbHash)
      const xorb = (await this.#xet.findXorbs([hash])).get(hash)
      if (!xorb) throw new HubError('storage_failed', 'A stored chunk is missing.', { xorb: hash })
      const index = await this.#xorbs.index(xorb)
      yield trim({ xorb, index, term }, first - at, at + term.rawBytes - 1 - last)
    }
  }

  async *#blocks(runs: AsyncGenerator<Run, void>): AsyncGenerator<BlockSource, void> {
    for await (const run of runs) {
      const { index, chunkStart, chunkEnd } = run
      const decoder = new RecordDecoder(index, chunkStart, chunkEnd)
      const length = lengthOf(index.rawEnds, chunkStart, chunkEnd)
      const window = new ByteWindow(run.skip, length - run.skip - run.drop)
      yield new RecordBlocks(await this.#open(run), decoder, window)
    }
  }

  #open({ xorb, index, chunkStart, chunkEnd }: Run): Promise<Readable> {
    return this.#xorbs.open(xorb, {
      first: startOf(index.recordEnds, chunkStart),
      last: (index.recordEnds[chunkEnd - 1] as number) - 1,
    })
  }

  /** The stored records of a run, cut between chunks, in buffers of their own. */
  async *#batches(run: Run): AsyncGenerator<Batch, void> {
    const { index, chunkEnd } = run
    let from = run.chunkStart
    let to = batchEnd(index, from, chunkEnd)
    let bytes = newBatch(lengthOf(index.recordEnds, from, to))
    let fill = 0
    for await (const block of eachPart(await this.#open(run)))
      for (let at = 0; at < block.length; ) {
        const take = Math.min(bytes.length - fill, block.length - at)
        if (take === 0) throw new XetFormatError('stored chunks are longer than their index')
        bytes.set(block.subarray(at, at + take), fill)
        fill += take
        at += take
        if (fill < bytes.length) continue
        yield { bytes, rawBytes: lengthOf(index.rawEnds, from, to) }
        from = to
        to = batchEnd(index, from, chunkEnd)
        bytes = newBatch(lengthOf(index.recordEnds, from, to))
        fill = 0
      }
    if (from < chunkEnd) throw new XetFormatError('stored chunks are cut short')
  }
}

/** Parts of a stream's blocks; each is good until the next is asked for. */
async function* eachPart(stream: Readable): AsyncGenerator<Buffer, void> {
  const source = blocksOf(stream)
  try {
    for (
      let block = await source.next(BLOCK_BYTES);
      block;
      block = await source.next(BLOCK_BYTES)
    ) {
      yield* block.parts
      block.release()
    }
  } finally {
    await source.close()
  }
}

const startOf = (ends: Uint32Array, i: number) => (i === 0 ? 0 : (ends[i - 1] as number))
const lengthOf = (ends: Uint32Array, from: number, to: number) =>
  startOf(ends, to) - startOf(ends, from)

function batchEnd(index: XorbIndex, from: number, chunkEnd: number): number {
  let to = from
  while (to < chunkEnd) {
    to += 1
    if (lengthOf(index.rawEnds, from, to) >= BATCH_BYTES) break
    if (lengthOf(index.recordEnds, from, to) >= BATCH_BYTES) break
  }
  return to
}

/** `before` and `after`: how far the wanted range begins behind the term's start and ends before its end. */
function trim(
  { xorb, index, term }: { xorb: Xorb; index: XorbIndex; term: ShardTerm },
  before: number,
  after: number,
): Run {
  let { chunkStart, chunkEnd } = term
  if (chunkEnd > xorb.chunks || lengthOf(index.rawEnds, chunkStart, chunkEnd) !== term.rawBytes)
    throw new HubError('storage_failed', 'A stored file does not fit its chunks.', {
      xorb: xorb.hash,
    })
  const { rawEnds } = index
  const start = startOf(rawEnds, chunkStart)
  const end = startOf(rawEnds, chunkEnd)
  while ((rawEnds[chunkStart] as number) - start <= before) chunkStart += 1
  while (end - startOf(rawEnds, chunkEnd - 1) <= after) chunkEnd -= 1
  const skip = Math.max(0, before - (startOf(rawEnds, chunkStart) - start))
  const drop = Math.max(0, after - (end - startOf(rawEnds, chunkEnd)))
  return { xorb, index, chunkStart, chunkEnd, skip, drop }
}

function* fromStart(terms: Iterable<ShardTerm>): Generator<{ at: number; term: ShardTerm }, void> {
  let at = 0
  for (const term of terms) {
    yield { at, term }
    at += term.rawBytes
  }
}

async function* prepend<T>(
  head: IteratorResult<T, void>,
  rest: AsyncIterable<T>,
): AsyncGenerator<T, void> {
  if (head.done) return
  yield head.value
  yield* rest
}
