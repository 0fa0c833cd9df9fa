import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import { LRUCache } from 'lru-cache'
import { BlockStream } from '../../lib/blocks.js'
import { isDedupeCandidate } from '../../protocol/xet/content-hash.js'
import { HASH_BYTES, hashFromHex, hashToHex } from '../../protocol/xet/hash-string.js'
import { xorbHash } from '../../protocol/xet/merkle-tree.js'
import { RecordDecoder } from '../../protocol/xet/record-decoder.js'
import { RecordTrimmer } from '../../protocol/xet/record-trimmer.js'
import { XetFormatError } from '../../protocol/xet/xet-format-error.js'
import type { XetWorkers } from '../../protocol/xet/xet-workers.js'
import {
  encodeXorbFooter,
  footerBytes,
  parseXorbFooter,
  rawBytesOf,
  storedBytesOf,
  type XorbIndex,
} from '../../protocol/xet/xorb-index.js'
import { HubError } from '../errors.js'
import type { ByteRange, ObjectStore } from '../ports.js'
import { ByteWindow } from './byte-window.js'
import type { XetStore, Xorb } from './ports.js'
import { RecordBlocks } from './record-blocks.js'

const INDEX_CACHE_BYTES = 64 * 1024 * 1024

/** Where a xorb's object lives: its records, then its index as a V1 footer. */
export function xorbKey({ hash, nonce }: Pick<Xorb, 'hash' | 'nonce'>): string {
  return `xet/xorbs/${hash.slice(0, 2)}/${hash.slice(2, 4)}/${hash}.${nonce}`
}

/** What `xorbKey` made a key of; undefined for others. */
export function parseXorbKey(key: string): Pick<Xorb, 'hash' | 'nonce'> | undefined {
  const [, hash, nonce] =
    /^xet\/xorbs\/[0-9a-f]{2}\/[0-9a-f]{2}\/([0-9a-f]{64})\.([0-9a-f]{16})$/.exec(key) ?? []
  return hash && nonce ? { hash, nonce } : undefined
}

/** Length of the whole object. */
export function objectBytesOf(xorb: Xorb): number {
  return xorb.bytes + footerBytes(xorb.chunks)
}

/**
 * Xorbs in the object store. One hash can be serialised in several ways (compression is the uploader's choice), and
 * offsets fit only the one they were made for: so records and index are one object under a name of its own, the first
 * one counts, and nothing is ever overwritten.
 */
export class Xorbs {
  readonly #xet: XetStore
  readonly #store: ObjectStore
  readonly #workers: XetWorkers
  readonly #indexes: LRUCache<string, XorbIndex, Xorb>

  constructor(parts: { xet: XetStore; store: ObjectStore; workers: XetWorkers }) {
    this.#xet = parts.xet
    this.#store = parts.store
    this.#workers = parts.workers
    this.#indexes = new LRUCache({
      maxSize: INDEX_CACHE_BYTES,
      sizeCalculation: (it) => 256 + it.chunkHashes.length + 8 * it.rawEnds.length,
      fetchMethod: (_key, _stale, { context }) => this.#readIndex(context),
    })
  }

  /**
   * Takes the bytes of an uploaded xorb in while a worker validates them; nothing is stored unless every chunk
   * decompresses and all hashes are right (`invalid_input`).
   */
  async receive(hash: string, body: Readable, signal: AbortSignal): Promise<Xorb> {
    const known = (await this.#xet.findXorbs([hash])).get(hash)
    const nonce = randomBytes(8).toString('hex')
    // whoever sends what is stored already proves the same, and writes nothing
    const index = known
      ? await this.#validate(hash, body, undefined, signal)
      : await this.#storeValid({ hash, nonce }, body, signal)
    const xorb = known ?? (await this.#add(nonce, index))
    if (xorb.nonce === nonce) this.#indexes.set(`${hash}.${nonce}`, index)
    return xorb
  }

  /** Stores a xorb that the hub itself made. */
  async add(index: XorbIndex, records: Readable, signal: AbortSignal): Promise<Xorb> {
    const hash = hashToHex(index.hash)
    const nonce = randomBytes(8).toString('hex')
    const size = storedBytesOf(index) + footerBytes(index.rawEnds.length)
    async function* object() {
      yield* records
      yield encodeXorbFooter(index)
    }
    const body = Readable.from(object(), { objectMode: false })
    await this.#store.put(xorbKey({ hash, nonce }), body, { size, digest: false }, signal)
    return this.#add(nonce, index)
  }

  /** Answers the xorb that counts; this one's object goes when the hash was there already. */
  async #add(nonce: string, index: XorbIndex): Promise<Xorb> {
    const hash = hashToHex(index.hash)
    const xorb = {
      hash,
      nonce,
      bytes: storedBytesOf(index),
      rawBytes: rawBytesOf(index),
      chunks: index.rawEnds.length,
    }
    const counts = await this.#xet.addXorb(xorb, dedupeCandidates(index))
    if (counts.nonce !== nonce) await this.#store.delete(xorbKey(xorb))
    return counts
  }

  async #storeValid(
    xorb: Pick<Xorb, 'hash' | 'nonce'>,
    body: Readable,
    signal: AbortSignal,
  ): Promise<XorbIndex> {
    const abort = new AbortController()
    const either = AbortSignal.any([signal, abort.signal])
    const object = new PassThrough({ highWaterMark: 1024 * 1024 })
    object.on('error', () => undefined) // told by `stored`
    let storeError: unknown
    const stored = this.#store.put(xorbKey(xorb), object, { digest: false }, either)
    stored.catch((err: unknown) => {
      storeError = err
      abort.abort(err)
    })
    try {
      const index = await this.#validate(xorb.hash, body, object, either)
      object.end(encodeXorbFooter(index))
      await stored
      return index
    } catch (err) {
      const cause = storeError ?? err
      object.destroy(err as Error)
      // the store has let go of its temporary file before anybody hears of the failure
      await stored.catch(() => undefined)
      throw cause
    }
  }

  async #validate(
    hash: string,
    body: Readable,
    copy: PassThrough | undefined,
    signal: AbortSignal,
  ): Promise<XorbIndex> {
    const trimmer = new RecordTrimmer()
    async function* tee() {
      // the body stays open after an error: whoever sends it must be able to hear of it
      for await (const block of body.iterator({
        destroyOnReturn: false,
      }) as AsyncIterable<Buffer>) {
        for (const part of copy ? trimmer.push(block) : [])
          if (copy && !copy.write(part)) await once(copy, 'drain', { signal })
        yield block
      }
    }
    try {
      return await this.#workers.validateXorb(tee(), { expected: hashFromHex(hash), signal })
    } catch (err) {
      throw asInvalid(err)
    }
  }

  /** Where the chunks of a stored xorb lie; verified against its hash. Throws `storage_failed` for a damaged one. */
  async index(xorb: Xorb): Promise<XorbIndex> {
    const index = await this.#indexes.fetch(`${xorb.hash}.${xorb.nonce}`, { context: xorb })
    if (!index) throw new HubError('storage_failed', 'A stored chunk index cannot be read.')
    return index
  }

  async #readIndex(xorb: Xorb): Promise<XorbIndex> {
    const range = { first: xorb.bytes, last: objectBytesOf(xorb) - 1 }
    const parts: Buffer[] = []
    for await (const part of await this.#store.open(xorbKey(xorb), range))
      parts.push(part as Buffer)
    const damaged = () =>
      new HubError('storage_failed', 'A stored chunk index is damaged.', { xorb: xorb.hash })
    let index: XorbIndex
    try {
      index = parseXorbFooter(Buffer.concat(parts))
    } catch (err) {
      if (err instanceof XetFormatError) throw damaged()
      throw err
    }
    const lengths = index.rawEnds.map((end, i) => end - (index.rawEnds[i - 1] ?? 0))
    const whole = storedBytesOf(index) === xorb.bytes && rawBytesOf(index) === xorb.rawBytes
    if (!whole || hashToHex(xorbHash(index.chunkHashes, lengths)) !== xorb.hash) throw damaged()
    return index
  }

  /**
   * Bytes of the stored records, every chunk that they touch verified on the way: Xet clients do not look at chunk
   * hashes, so a damaged chunk must end the stream here, before any of its bytes.
   */
  async openVerified(xorb: Xorb, range: ByteRange): Promise<Readable> {
    const index = await this.index(xorb)
    const start = chunkAtByte(index.recordEnds, range.first)
    const end = chunkAtByte(index.recordEnds, range.last) + 1
    const first = start === 0 ? 0 : (index.recordEnds[start - 1] as number)
    const last = (index.recordEnds[end - 1] as number) - 1
    const records = await this.open(xorb, { first, last })
    const decoder = new RecordDecoder(index, start, end, 'records')
    const window = new ByteWindow(range.first - first, range.last - range.first + 1)
    return new BlockStream(new RecordBlocks(records, decoder, window))
  }

  /** Bytes of the stored records; throws `object_not_found`. */
  open(xorb: Xorb, range: ByteRange): Promise<Readable> {
    return this.#store.open(xorbKey(xorb), range)
  }

  /** Reads all of it; a sentence when it is not what it should be. */
  async findDamage(xorb: Xorb, options: { readAll: boolean }): Promise<string | undefined> {
    const size = await this.#store.size(xorbKey(xorb))
    if (size === undefined) return 'missing'
    if (size !== objectBytesOf(xorb)) return `${size} bytes instead of ${objectBytesOf(xorb)}`
    if (!options.readAll) return undefined
    try {
      const index = await this.#readIndex(xorb)
      const body = await this.open(xorb, { first: 0, last: xorb.bytes - 1 })
      const found = await this.#workers.validateXorb(body, { expected: hashFromHex(xorb.hash) })
      const same = Buffer.compare(
        Buffer.from(found.recordEnds.buffer),
        Buffer.from(index.recordEnds.buffer),
      )
      return same === 0 ? undefined : 'its index does not fit its records'
    } catch (err) {
      if (err instanceof XetFormatError || err instanceof HubError) return `altered: ${err.message}`
      throw err
    }
  }

  async delete(xorb: Pick<Xorb, 'hash' | 'nonce'>): Promise<void> {
    this.#indexes.delete(`${xorb.hash}.${xorb.nonce}`)
    await this.#store.delete(xorbKey(xorb))
  }

  /** Objects of this hub's xorbs, whether a row names them or not. */
  async *list(): AsyncGenerator<{
    xorb: Pick<Xorb, 'hash' | 'nonce'>
    modifiedAt: Date
    size: number
  }> {
    for await (const { key, modifiedAt, size } of this.#store.list('xet/xorbs/')) {
      const xorb = parseXorbKey(key)
      if (xorb) yield { xorb, modifiedAt, size }
    }
  }
}

/** What a client sent is at fault: `invalid_input`, in the words of the format. */
export function asInvalid(err: unknown): unknown {
  return err instanceof XetFormatError ? new HubError('invalid_input', err.message, {}, err) : err
}

/** Position of the chunk whose record holds this byte. */
function chunkAtByte(recordEnds: Uint32Array, byte: number): number {
  let [low, high] = [0, recordEnds.length - 1]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((recordEnds[middle] as number) > byte) high = middle
    else low = middle + 1
  }
  return low
}

function dedupeCandidates(index: XorbIndex): string[] {
  const found = new Set<string>()
  for (let at = 0; at < index.chunkHashes.length; at += HASH_BYTES)
    if (isDedupeCandidate(index.chunkHashes, at)) found.add(hashToHex(index.chunkHashes, at))
  return [...found]
}
