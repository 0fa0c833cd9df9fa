import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { KeyedLock } from '../../lib/keyed-lock.js'
import { hashToHex } from '../../protocol/xet/hash-string.js'
import { parseShard, type Shard, type ShardFile } from '../../protocol/xet/shard-parser.js'
import { describesXorb, FileVerifier } from '../../protocol/xet/shard-verify.js'
import { chunkAt, type XorbIndex } from '../../protocol/xet/xorb-index.js'
import { HubError, type HubErrorCode } from '../errors.js'
import type { JobStore } from '../jobs/ports.js'
import type { LfsObjects } from '../lfs/objects.js'
import type { PushPolicy } from '../refs/push-policy.js'
import type { LfsOid, Repo } from '../types.js'
import type { XetContent } from './content.js'
import type { XetFile, XetStore, Xorb } from './ports.js'
import { pagesOf } from './term-pages.js'
import type { XetSession } from './tokens.js'
import { asInvalid, type Xorbs } from './xorbs.js'

/** No client cuts a chunk shorter than this but a file's last one. */
const MIN_CHUNK_BYTES = 8_128
/** Chunks looked at before others get their turn. */
const TURN_CHUNKS = 4_000
const EMPTY_OID = createHash('sha256').digest('hex')

/** Bytes of files that were verified, of all that the shard names. */
export type OnProgress = (verified: number, total: number) => void

/** A file that a shard rightly claims, but for its SHA-256. */
interface Claim {
  readonly file: ShardFile
  readonly hash: string
  readonly oid: LfsOid
  readonly size: number
  /** Raw bytes of the file in each xorb. */
  readonly xorbs: ReadonlyMap<string, number>
  readonly firstChunk: { readonly hash: string; readonly xorbHash: string }
}

/**
 * Takes shards in: files as runs of chunks of stored xorbs. What a client says is checked against the stored chunks, up
 * to the SHA-256 of every new file, which the hub works out by reading it. The range hashes prove that the uploader knows
 * each chunk (xorb hashes alone are told in answers), so a file may stand on any stored xorb, whoever brought it.
 */
export class Shards {
  readonly #xet: XetStore
  readonly #xorbs: Xorbs
  readonly #content: XetContent
  readonly #objects: LfsObjects
  readonly #policy: PushPolicy
  readonly #jobs: JobStore
  // reading terabytes that nobody uploaded costs the uploader nothing: one shard of a user at a time
  readonly #turns = new KeyedLock()

  constructor(parts: {
    xet: XetStore
    xorbs: Xorbs
    content: XetContent
    objects: LfsObjects
    policy: PushPolicy
    jobs: JobStore
  }) {
    this.#xet = parts.xet
    this.#xorbs = parts.xorbs
    this.#content = parts.content
    this.#objects = parts.objects
    this.#policy = parts.policy
    this.#jobs = parts.jobs
  }

  /**
   * Afterwards the repository serves every file of the shard as an LFS object. Answers whether any was new to the hub.
   * Throws `invalid_input` for a shard that is not true or names xorbs that are not stored; files before the wrong one
   * may have been taken in, each of them whole.
   */
  async receive(
    { repo, caller }: XetSession,
    bytes: Buffer,
    options: { signal: AbortSignal; onProgress?: OnProgress },
  ): Promise<{ isNew: boolean }> {
    return this.#turns.run(`user:${caller.user?.id}`, async () => {
      options.signal.throwIfAborted()
      await this.#policy.requireWritable(repo)
      try {
        const shard = parseShard(bytes)
        this.#requireSane(shard)
        await this.#checkXorbs(shard)
        try {
          return await this.#takeFiles(repo, shard, options)
        } catch (err) {
          // a collector without grace may have been faster than the reading of the file
          const collected = isHubError(err, 'storage_failed') || isHubError(err, 'conflict')
          if (collected) await this.#requireStored(shard)
          throw err
        }
      } catch (err) {
        throw asInvalid(err)
      }
    })
  }

  /** Bounds the work before any is done: counts in a shard are cheap to write and dear to follow. */
  #requireSane(shard: Shard): void {
    let bytes = 0
    let chunks = 0
    for (const file of shard.files())
      for (const term of file.terms()) {
        bytes += term.rawBytes
        chunks += term.chunkEnd - term.chunkStart
      }
    if (chunks > shard.fileCount + bytes / MIN_CHUNK_BYTES)
      throw new HubError('invalid_input', 'The files consist of too many too short chunks.')
    if (bytes > this.#objects.limits.maxBytes)
      throw new HubError(
        'invalid_input',
        `The files of a shard may have ${this.#objects.limits.maxBytes} bytes at most.`,
      )
  }

  /** Every named xorb is kept from the collector; throws `invalid_input` for one that is not there. */
  async #requireStored(shard: Shard): Promise<void> {
    const named = new Set<string>()
    for (const xorb of shard.xorbs()) named.add(hashToHex(xorb.hash))
    for (const file of shard.files())
      for (const term of file.terms()) named.add(hashToHex(term.xorbHash))
    const [missing] = await this.#xet.touch([...named])
    if (missing) throw new HubError('invalid_input', `The xorb ${missing} is not stored here.`)
  }

  /** Listed xorbs must be what is stored. */
  async #checkXorbs(shard: Shard): Promise<void> {
    await this.#requireStored(shard)
    for (const claim of shard.xorbs()) {
      const { index } = await this.#load(hashToHex(claim.hash))
      if (!describesXorb(claim, index))
        throw new HubError('invalid_input', 'A xorb in the shard is not the stored one.')
      await nextTurn()
    }
  }

  async #load(hash: string): Promise<{ xorb: Xorb; index: XorbIndex }> {
    const xorb = (await this.#xet.findXorbs([hash])).get(hash)
    if (!xorb) throw new HubError('invalid_input', `The xorb ${hash} is not stored here.`)
    return { xorb, index: await this.#xorbs.index(xorb) }
  }

  async #takeFiles(
    repo: Repo,
    shard: Shard,
    { signal, onProgress }: { signal: AbortSignal; onProgress?: OnProgress },
  ): Promise<{ isNew: boolean }> {
    const claims: Claim[] = []
    for (const file of shard.files())
      if (file.termCount === 0) await this.#takeEmpty(repo, signal)
      else claims.push(await this.#verify(file, signal))
    const total = claims.reduce((sum, it) => sum + it.size, 0)
    let verified = 0
    let isNew = false
    onProgress?.(0, total)
    for (const claim of claims) {
      const before = verified
      isNew =
        (await this.#take(repo, claim, signal, (bytes) => {
          verified += bytes
          onProgress?.(verified, total)
        })) || isNew
      verified = before + claim.size
      onProgress?.(verified, total)
    }
    return { isNew }
  }

  /** Clients name an empty file by zeros only; they commit it as the one object that it can be. */
  #takeEmpty(repo: Repo, signal: AbortSignal): Promise<void> {
    return this.#objects.receive(repo, { oid: EMPTY_OID, size: 0 }, Readable.from([]), signal)
  }

  /** Terms, range hashes and file hash against the stored chunks; see `FileVerifier`. */
  async #verify(file: ShardFile, signal: AbortSignal): Promise<Claim> {
    const sha256 = file.sha256
    if (!sha256) throw new HubError('invalid_input', 'A file of the shard comes without SHA-256.')
    const verifier = new FileVerifier(file)
    const xorbs = new Map<string, number>()
    let firstChunk: Claim['firstChunk'] | undefined
    let seen = 0
    for (const term of file.terms()) {
      const xorbHash = hashToHex(term.xorbHash)
      const { index } = await this.#load(xorbHash)
      verifier.add(index)
      firstChunk ??= { hash: hashToHex(chunkAt(index, term.chunkStart).hash), xorbHash }
      xorbs.set(xorbHash, (xorbs.get(xorbHash) ?? 0) + term.rawBytes)
      seen += term.chunkEnd - term.chunkStart
      if (seen < TURN_CHUNKS) continue
      seen = 0
      await nextTurn()
      signal.throwIfAborted()
    }
    const size = verifier.finish()
    if (!firstChunk) throw new HubError('invalid_input', 'A file of the shard has no terms.')
    const oid = sha256.toString('hex')
    return { file, hash: hashToHex(file.hash), oid, size, xorbs, firstChunk }
  }

  /** Answers whether the file was new to the hub. */
  async #take(
    repo: Repo,
    claim: Claim,
    signal: AbortSignal,
    onBytes: (bytes: number) => void,
  ): Promise<boolean> {
    const { hash, oid, size } = claim
    let isNew = false
    const { rawLeft } = await this.#objects.adoptChunked(repo, { oid, size }, async () => {
      const known = await this.#xet.findFile(hash)
      isNew = known === undefined
      const actual = known?.sha256 ?? (await this.#sha256Of(claim, signal, onBytes))
      if (actual !== oid)
        throw new HubError(
          'invalid_input',
          `The file ${hash} has the SHA-256 ${actual}, not ${oid}.`,
        )
      await this.#register(repo, claim)
    })
    if (rawLeft)
      await this.#jobs.enqueue({
        kind: 'lfs.drop-raw',
        key: oid,
        delayMs: this.#objects.limits.actionSeconds * 1000,
      })
    return isNew
  }

  async #sha256Of(
    { file, size }: Claim,
    signal: AbortSignal,
    onBytes: (bytes: number) => void,
  ): Promise<LfsOid> {
    const digest = await this.#content.digest(file.terms(), size, signal, onBytes)
    return Buffer.from(digest).toString('hex')
  }

  #register(repo: Repo, { file, hash, oid, size, xorbs, firstChunk }: Claim): Promise<void> {
    const row: XetFile = { hash, sha256: oid, size }
    const pages = pagesOf(file.terms())
    return this.#xet.addFile({
      repoId: repo.id,
      file: row,
      termCount: file.termCount,
      pages,
      xorbs,
      firstChunk,
    })
  }
}

function isHubError(err: unknown, code: HubErrorCode): boolean {
  return err instanceof HubError && err.code === code
}
