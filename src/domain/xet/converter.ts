import { Readable } from 'node:stream'
import { isoNow } from '../../lib/ids.js'
import { isDedupeCandidate } from '../../protocol/xet/content-hash.js'
import { HASH_BYTES, hashToHex } from '../../protocol/xet/hash-string.js'
import { MerkleTree } from '../../protocol/xet/merkle-tree.js'
import type { ShardTerm } from '../../protocol/xet/shard-format.js'
import type { HashedChunk, XetWorkers } from '../../protocol/xet/xet-workers.js'
import { XorbBuilder } from '../../protocol/xet/xorb-builder.js'
import { HubError } from '../errors.js'
import type { JobStore } from '../jobs/ports.js'
import type { LfsObjects } from '../lfs/objects.js'
import type { LfsObject, LfsStore } from '../lfs/ports.js'
import type { LfsOid, RepoId } from '../types.js'
import type { XetContent } from './content.js'
import type { XetStore } from './ports.js'
import { pagesOf } from './term-pages.js'
import type { Xorbs } from './xorbs.js'

/** Smaller objects gain nothing, larger ones have too many chunks to remember. */
const MIN_BYTES = 1024 * 1024
const MAX_BYTES = 256 * 1024 ** 3
/** Xorbs whose chunks are looked at for one object. */
const MAX_KNOWN_XORBS = 256
/** Shorter runs of known chunks are stored anew: a file in shreds is slow to read. */
const MIN_RUN = 4
const PAGE = 100

interface Place {
  readonly xorbHash: Buffer
  readonly position: number
}

interface ConverterParts {
  readonly xet: XetStore
  readonly lfs: LfsStore
  readonly jobs: JobStore
  readonly xorbs: Xorbs
  readonly content: XetContent
  readonly objects: LfsObjects
  readonly workers: XetWorkers
}

/** A chunk that is stored already, or one that goes into the xorb being built. */
type Plan = readonly (Place | undefined)[]

/**
 * Turns raw LFS objects (git-lfs, web) into chunks, so that versions of a file cost only what differs. What is there
 * already is found by the chunks that Xet clients would ask for. The raw bytes are given up only after the chunks were
 * read back and have the object's SHA-256.
 */
export class XetConverter {
  readonly #parts: ConverterParts

  constructor(parts: ConverterParts) {
    this.#parts = parts
  }

  /** Converts what is older than `minAgeSeconds`; one object that fails does not keep the others. Answers how many. */
  async convertAll(options: {
    minAgeSeconds: number
    signal: AbortSignal
    onError: (err: unknown, oid: LfsOid) => void
  }): Promise<number> {
    const { xet, lfs } = this.#parts
    const before = isoNow(-options.minAgeSeconds * 1000)
    let count = 0
    for (let after = ''; ; ) {
      const page = await xet.listRaw({
        before,
        after,
        minBytes: MIN_BYTES,
        maxBytes: MAX_BYTES,
        limit: PAGE,
      })
      for (const { oid, repoId } of page) {
        options.signal.throwIfAborted()
        try {
          const object = await lfs.findObject(oid)
          if (object?.storage !== 'raw') continue
          await this.#convert(object, repoId, options.signal)
          count += 1
        } catch (err) {
          options.signal.throwIfAborted()
          options.onError(err, oid)
        }
      }
      const last = page.at(-1)
      if (!last) return count
      after = last.oid
    }
  }

  async #convert(object: LfsObject, repoId: RepoId, signal: AbortSignal): Promise<void> {
    const { xet, lfs, jobs, content, objects } = this.#parts
    const { oid, size } = object
    const hashes = await this.#hashes(object, signal)
    const plan = await this.#plan(hashes)
    const { terms, fileHash } = await this.#store(object, plan, signal)
    const digest = await content.digest(terms, size, signal, () => undefined)
    if (Buffer.from(digest).toString('hex') !== oid)
      throw new HubError('storage_failed', 'The chunks of an object do not give its SHA-256.', {
        oid,
      })
    const xorbs = new Map<string, number>()
    for (const { xorbHash, rawBytes } of terms) {
      const hash = hashToHex(xorbHash)
      xorbs.set(hash, (xorbs.get(hash) ?? 0) + rawBytes)
    }
    const [first] = terms
    if (!first) return
    await xet.addFile({
      repoId,
      file: { hash: hashToHex(fileHash), sha256: oid, size },
      termCount: terms.length,
      pages: pagesOf(terms),
      xorbs,
      firstChunk: { hash: hashToHex(hashes), xorbHash: hashToHex(first.xorbHash) },
    })
    await lfs.storeChunked(repoId, { oid, size })
    const delayMs = objects.limits.actionSeconds * 1000
    await jobs.enqueue({ kind: 'lfs.drop-raw', key: oid, delayMs })
  }

  /** The hashes of the object's chunks, 32 bytes each. */
  async #hashes(object: LfsObject, signal: AbortSignal): Promise<Buffer> {
    const parts: Uint8Array[] = []
    for await (const { hash } of await this.#chunks(object, signal, {})) parts.push(hash)
    return Buffer.concat(parts)
  }

  async #chunks(
    object: LfsObject,
    signal: AbortSignal,
    options: { compression?: 'auto' },
  ): Promise<AsyncGenerator<HashedChunk, void>> {
    const body = await this.#parts.objects.open(object)
    return this.#parts.workers.chunkAndHash(body, { ...options, signal })
  }

  /** Where each chunk is stored already, in runs that are worth it. */
  async #plan(hashes: Buffer): Promise<Plan> {
    const known = await this.#knownChunks(hashes)
    const plan: (Place | undefined)[] = []
    for (let at = 0; at < hashes.length; at += HASH_BYTES)
      plan.push(known.get(hashes.toString('latin1', at, at + HASH_BYTES)))
    for (let from = 0; from < plan.length; ) {
      let to = from + 1
      while (to < plan.length && follows(plan[to - 1], plan[to])) to += 1
      if (plan[from] && to - from < MIN_RUN && to - from < plan.length)
        plan.fill(undefined, from, to)
      from = to
    }
    return plan
  }

  async #knownChunks(hashes: Buffer): Promise<Map<string, Place>> {
    const { xet, xorbs } = this.#parts
    const looked = new Set<string>()
    const known = new Map<string, Place>()
    for (let at = 0; at < hashes.length && looked.size < MAX_KNOWN_XORBS; at += HASH_BYTES) {
      const isAsked = at === 0 || isDedupeCandidate(hashes, at)
      if (!isAsked || known.has(hashes.toString('latin1', at, at + HASH_BYTES))) continue
      for (const found of await xet.findXorbsWithChunk(hashToHex(hashes, at), 1))
        for (const xorb of await xet.listNeighbours(found.hash, MAX_KNOWN_XORBS - looked.size)) {
          if (looked.has(xorb.hash)) continue
          looked.add(xorb.hash)
          const { hash, chunkHashes } = await xorbs.index(xorb)
          const all = Buffer.from(chunkHashes)
          for (let n = 0; n * HASH_BYTES < all.length; n += 1)
            known.set(all.toString('latin1', n * HASH_BYTES, (n + 1) * HASH_BYTES), {
              xorbHash: Buffer.from(hash),
              position: n,
            })
        }
    }
    await xet.touch([...looked])
    return known
  }

  /** Stores the chunks that are not stored yet; the terms of the whole object. */
  async #store(
    object: LfsObject,
    plan: Plan,
    signal: AbortSignal,
  ): Promise<{ terms: ShardTerm[]; fileHash: Buffer }> {
    const builder = new XorbBuilder('auto')
    const tree = new MerkleTree()
    const terms: ShardTerm[] = []
    // terms on the xorb being built share this, and with it get the hash when the xorb is done
    let building = Buffer.alloc(HASH_BYTES)
    const close = async () => {
      const built = builder.finish()
      if (!built) return
      await this.#parts.xorbs.add(built.index, Readable.from(built.records), signal)
      building.set(built.index.hash)
      building = Buffer.alloc(HASH_BYTES)
    }
    let n = 0
    for await (const { hash, rawBytes, record } of await this.#chunks(object, signal, {
      compression: 'auto',
    })) {
      tree.add(hash, rawBytes)
      const place = plan[n]
      n += 1
      if (!place && !builder.fits(rawBytes)) await close()
      const position = place?.position ?? builder.addRecord(record as Uint8Array, rawBytes, hash)
      append(terms, place?.xorbHash ?? building, position, rawBytes)
    }
    await close()
    return { terms, fileHash: tree.fileHash() }
  }
}

const follows = (a: Place | undefined, b: Place | undefined) =>
  a !== undefined &&
  b !== undefined &&
  b.position === a.position + 1 &&
  b.xorbHash.equals(a.xorbHash)

/** Adds a chunk to the last term where it continues it. */
function append(terms: ShardTerm[], xorbHash: Buffer, position: number, rawBytes: number): void {
  const last = terms.at(-1)
  if (last && xorbHash.equals(last.xorbHash) && last.chunkEnd === position)
    terms[terms.length - 1] = {
      ...last,
      rawBytes: last.rawBytes + rawBytes,
      chunkEnd: position + 1,
    }
  else terms.push({ xorbHash, rawBytes, chunkStart: position, chunkEnd: position + 1 })
}
