import type { Readable } from 'node:stream'
import { isoNow } from '../../lib/ids.js'
import { mapLimited } from '../../lib/map-limited.js'
import type { Access } from '../access/access.js'
import { HubError } from '../errors.js'
import { type ByteRange, type ObjectStore, SMALL_OBJECT_BYTES } from '../ports.js'
import type { Quotas } from '../quotas/quotas.js'
import type { PushPolicy } from '../refs/push-policy.js'
import type { Caller, LfsOid, LfsPointer, Repo } from '../types.js'
import { emptyDiscards } from './discards.js'
import type { LfsObject, LfsStore, LfsUpload } from './ports.js'
import { type LfsLimits, LfsUploads } from './uploads.js'

export type { LfsLimits } from './uploads.js'

/** What a client has to do for one object of an upload batch. */
export type UploadStep =
  | { readonly type: 'stored' }
  /** PUT it to the hub. */
  | { readonly type: 'proxied' }
  /** PUT it to the object store with exactly these headers. */
  | { readonly type: 'direct'; readonly url: string; readonly headers: Record<string, string> }
  /** PUT the parts, by number: to the object store where there are URLs, else to the hub. */
  | {
      readonly type: 'parts'
      readonly upload: LfsUpload
      readonly parts: number
      readonly urls: readonly string[] | undefined
    }
  | { readonly type: 'error'; readonly error: HubError }

/** Where one object of a download batch is. */
export type DownloadStep =
  /** At the object store by `url`, which lives for `seconds`, else at the hub. */
  | {
      readonly type: 'ready'
      readonly object: LfsObject
      readonly url: string | undefined
      readonly seconds: number
    }
  /** This repository had it until no commit named it any more. */
  | { readonly type: 'removed' }
  | { readonly type: 'error'; readonly error: HubError }

export interface UploadClient {
  /** Can upload in parts, as the Hugging Face clients do. */
  readonly parts: boolean
  /** Sends the headers that an action names. */
  readonly headers: boolean
}

const AT_ONCE = 16
/** The store asks nobody whether a reader may still read: its links live no longer than this, and clients ask anew. */
const DIRECT_READ_SECONDS = 3_600

/** Reads objects that are stored as chunks (domain/xet). */
export interface ChunkedContent {
  openObject(oid: LfsOid, range?: ByteRange): Promise<Readable>
}

export function isLfsOid(oid: unknown): oid is LfsOid {
  return typeof oid === 'string' && /^[0-9a-f]{64}$/.test(oid)
}

/**
 * LFS objects: stored once for the whole hub, served only by repositories that are linked to them. A link is given for
 * bytes that hashed right, or for an object that the caller may already read elsewhere; knowing an oid grants nothing.
 */
export class LfsObjects {
  readonly #lfs: LfsStore
  readonly #store: ObjectStore
  readonly #access: Access
  readonly #quotas: Quotas
  readonly #policy: PushPolicy
  readonly #chunked: ChunkedContent
  readonly limits: LfsLimits
  readonly uploads: LfsUploads

  constructor(parts: {
    lfs: LfsStore
    store: ObjectStore
    access: Access
    quotas: Quotas
    policy: PushPolicy
    chunked: ChunkedContent
    limits: LfsLimits
  }) {
    this.#lfs = parts.lfs
    this.#store = parts.store
    this.#access = parts.access
    this.#quotas = parts.quotas
    this.#policy = parts.policy
    this.#chunked = parts.chunked
    this.limits = parts.limits
    this.uploads = new LfsUploads(parts)
    this.#policy.onMissing((repo, oids) => this.uploads.settle(repo, oids))
  }

  get store(): ObjectStore {
    return this.#store
  }

  /** One step per object, in order; a bad object does not spoil the others. As many queries for one as for a thousand. */
  async planUpload(
    repo: Repo,
    caller: Caller,
    objects: readonly { oid?: unknown; size?: unknown }[],
    client: UploadClient,
  ): Promise<UploadStep[]> {
    await this.#policy.requireWritable(repo)
    const checked = objects.map((it) => this.#check(it))
    const good = checked.filter((it): it is LfsPointer => !(it instanceof HubError))
    const linked = await this.#linkedOrSettled(
      repo,
      good.map((it) => it.oid),
    )
    await this.#adoptVisible(repo, caller, good, linked)
    const needed = good.filter((it) => !linked.has(it.oid))
    const full = await this.#reserve(repo, needed)
    // objects that are already there are named again for a reason: keep them, too, until the push
    await this.#lease(
      repo,
      good.filter((it) => linked.has(it.oid)),
    )
    const uploads = full ? new Map<LfsOid, LfsUpload>() : await this.uploads.open(repo.id, needed)
    const inParts = client.parts && needed.some((it) => it.size >= this.limits.multipartBytes)
    return mapLimited(checked, AT_ONCE, async (it): Promise<UploadStep> => {
      if (it instanceof HubError) return { type: 'error', error: it }
      const known = linked.get(it.oid)
      if (known) return known.size === it.size ? { type: 'stored' } : wrongSize(known)
      if (full) return { type: 'error', error: full }
      const upload = uploads.get(it.oid)
      if (upload?.size !== it.size)
        return {
          type: 'error',
          error: new HubError('unprocessable', 'The batch names this object with two sizes.'),
        }
      // a client that takes parts expects them for all objects of the batch (git lfs-multipart-upload)
      if (inParts && it.size > 0) return this.#planParts(upload)
      return this.#planWhole(upload, client)
    })
  }

  async #planWhole(upload: LfsUpload, client: UploadClient): Promise<UploadStep> {
    const { direct } = this.#store
    const fits = upload.size > 0 && upload.size <= (direct?.maxPutBytes ?? 0)
    if (!direct || !fits || !client.headers || !(await direct.bindsPut()))
      return { type: 'proxied' }
    const order = { seconds: this.limits.actionSeconds, size: upload.size, sha256: upload.oid }
    return { type: 'direct', ...(await direct.presignPut(upload.key, order)) }
  }

  async #planParts(opened: LfsUpload): Promise<UploadStep> {
    const { upload, parts } = await this.uploads.beginParts(opened)
    const { direct } = this.#store
    const numbers = Array.from({ length: parts }, (_, at) => at + 1)
    const urls =
      direct &&
      (await mapLimited(numbers, AT_ONCE, (number) =>
        direct.presignPart(
          upload.key,
          upload.storeUploadId ?? '',
          number,
          this.limits.actionSeconds,
        ),
      ))
    return { type: 'parts', upload, parts, urls }
  }

  /** One step per object, in order. */
  async planDownload(
    repo: Repo,
    objects: readonly { oid?: unknown; size?: unknown }[],
  ): Promise<DownloadStep[]> {
    const checked = objects.map((it) => this.#check(it))
    const oids = checked.flatMap((it) => (it instanceof HubError ? [] : [it.oid]))
    const linked = await this.#linkedOrSettled(repo, oids)
    const removed = await this.#lfs.findRemoved(
      repo.id,
      oids.filter((it) => !linked.has(it)),
    )
    return mapLimited(checked, AT_ONCE, async (it): Promise<DownloadStep> => {
      if (it instanceof HubError) return { type: 'error', error: it }
      const object = linked.get(it.oid)
      if (object) {
        const seconds = Math.min(this.limits.actionSeconds, DIRECT_READ_SECONDS)
        return { type: 'ready', object, url: await this.#directUrl(object, seconds), seconds }
      }
      if (removed.has(it.oid)) return { type: 'removed' }
      return {
        type: 'error',
        error: new HubError('object_not_found', 'Object does not exist in this repository'),
      }
    })
  }

  async #directUrl(object: LfsObject, seconds: number): Promise<string | undefined> {
    if (!object.key || object.storage !== 'raw' || object.size === 0) return undefined
    return this.#store.direct?.presignGet(object.key, { seconds })
  }

  async #linkedOrSettled(repo: Repo, oids: readonly LfsOid[]): Promise<Map<LfsOid, LfsObject>> {
    const once = [...new Set(oids)]
    const linked = await this.#lfs.findLinked(repo.id, once)
    const absent = once.filter((it) => !linked.has(it))
    if (absent.length === 0 || !this.#store.direct) return linked
    await this.uploads.settle(repo, absent)
    for (const object of (await this.#lfs.findLinked(repo.id, absent)).values())
      linked.set(object.oid, object)
    return linked
  }

  #check({ oid, size }: { oid?: unknown; size?: unknown }): LfsPointer | HubError {
    if (!isLfsOid(oid))
      return new HubError('unprocessable', 'The oid is not a SHA-256 in lower-case hex.')
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
      return new HubError('unprocessable', 'The size is not a number of bytes.')
    if (size > this.limits.maxBytes)
      return new HubError('too_large', `The object is larger than ${this.limits.maxBytes} bytes.`)
    return { oid, size }
  }

  /** Links what the caller could download from another repository anyway, and adds it to `linked`. */
  async #adoptVisible(
    repo: Repo,
    caller: Caller,
    wanted: readonly LfsPointer[],
    linked: Map<LfsOid, LfsObject>,
  ): Promise<void> {
    const absent = [...new Set(wanted.map((it) => it.oid))].filter((it) => !linked.has(it))
    if (absent.length === 0) return
    const visible = await this.#lfs.findVisible(absent, this.#access.visibleTo(caller))
    if (visible.size === 0) return
    // without room they count as absent, and the reservation that follows says so
    if (await this.#reserve(repo, [...visible.values()])) return
    for (const oid of await this.#lfs.link(repo.id, [...visible.values()])) {
      const object = visible.get(oid)
      if (object) linked.set(oid, object)
    }
  }

  /** Leases what is to come and with it the room for it, all or nothing; answers why not. */
  async #reserve(repo: Repo, needed: readonly LfsPointer[]): Promise<HubError | undefined> {
    if (needed.length === 0) return undefined
    try {
      await this.#quotas.reserveObjects(repo, needed, this.#leaseUntil())
      return undefined
    } catch (err) {
      if (err instanceof HubError && err.code === 'quota_exceeded') return err
      throw err
    }
  }

  async #lease(repo: Repo, objects: readonly LfsPointer[]): Promise<void> {
    if (objects.length) await this.#lfs.lease(repo.id, objects, this.#leaseUntil())
  }

  #leaseUntil(): string {
    return isoNow(this.limits.graceSeconds * 1000)
  }

  /**
   * Takes an object's bytes in. Nothing is visible unless size and SHA-256 are right: throws `checksum_mismatch`,
   * `too_large`, `quota_exceeded`, `repo_locked`.
   */
  async receive(
    repo: Repo,
    object: LfsPointer,
    body: Readable | Buffer,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#policy.requireWritable(repo)
    // what a batch reserved a moment ago is not reserved again: each write to the database waits for the disk
    const fresh = await this.uploads.findFresh(repo.id, object)
    const full = fresh ? undefined : await this.#reserve(repo, [object])
    if (full) throw full
    await this.uploads.receive(repo, object, body, signal, fresh)
  }

  /**
   * Makes an object that is ready to be read in chunks one of this repository's. `rebuild` runs under the lease and
   * must see to it that the chunks are there; answers whether raw bytes of it are left over.
   */
  async adoptChunked(
    repo: Repo,
    object: LfsPointer,
    rebuild: () => Promise<void>,
  ): Promise<{ rawLeft: boolean }> {
    // without a size: its chunks are charged as they come, and the file is by what it adds to them
    await this.#lease(repo, [{ ...object, size: 0 }])
    await rebuild()
    return this.#lfs.storeChunked(repo.id, object)
  }

  /** Raw bytes of an object that is read in chunks by now; nobody who looked before is still at them. */
  async dropRaw(oid: LfsOid): Promise<void> {
    await this.#lfs.discardRaw(oid)
    await emptyDiscards(this.#lfs, this.#store)
  }

  /** After an upload: throws `object_not_found` or `unprocessable` unless the repository serves the object. */
  async verify(repo: Repo, object: LfsPointer): Promise<void> {
    const linked = (await this.#linkedOrSettled(repo, [object.oid])).get(object.oid)
    if (!linked) throw new HubError('object_not_found', 'The object has not been uploaded.')
    if (linked.size !== object.size)
      throw new HubError('unprocessable', `The object has ${linked.size} bytes.`)
  }

  /**
   * For a commit that names objects: the sizes of those that this repository may serve, kept from the collector until the
   * lease is released. Objects whose bytes are in place but unverified are verified on the way; the others are left out.
   */
  async claim(
    repo: Repo,
    named: readonly { oid: LfsOid; size: number | undefined }[],
  ): Promise<Map<LfsOid, number>> {
    const linked = await this.#linkedOrSettled(
      repo,
      named.map((it) => it.oid),
    )
    await this.#lease(repo, [...linked.values()])
    // asked again under the lease: the collector may have been between the two
    const kept = await this.#lfs.findLinked(repo.id, [...linked.keys()])
    return new Map([...kept.values()].map((it) => [it.oid, it.size]))
  }

  async release(repo: Repo, oids: readonly LfsOid[]): Promise<void> {
    if (oids.length) await this.#lfs.release(repo.id, oids)
  }

  /** Throws `object_not_found` unless this repository is linked to the object. */
  async read(repo: Repo, oid: LfsOid): Promise<LfsObject> {
    const object = isLfsOid(oid) ? (await this.#lfs.findLinked(repo.id, [oid])).get(oid) : undefined
    if (!object) throw new HubError('object_not_found', 'Object does not exist in this repository')
    return object
  }

  /** Of these objects, those that Xet clients may fetch from this repository: their Xet file hashes by oid. */
  async xetHashes(repo: Repo, oids: readonly LfsOid[]): Promise<Map<LfsOid, string>> {
    const linked = oids.length ? await this.#lfs.findLinked(repo.id, oids) : new Map()
    const hashes = new Map<LfsOid, string>()
    for (const { oid, xetHash } of linked.values()) if (xetHash) hashes.set(oid, xetHash)
    return hashes
  }

  /**
   * Links objects that the caller may read in `from` to `to`, which he may write to; answers which of them there are.
   * Throws `quota_exceeded`, `repo_locked`.
   */
  async copy(from: Repo, to: Repo, oids: readonly LfsOid[]): Promise<ReadonlySet<LfsOid>> {
    await this.#policy.requireWritable(to)
    const objects = [...(await this.#lfs.findLinked(from.id, oids)).values()]
    const full = await this.#reserve(to, objects)
    if (full) throw full
    return this.#lfs.link(to.id, objects)
  }

  /** Key of the file on this machine's disk that is the object, where there is one. */
  localKey(object: LfsObject): string | undefined {
    return this.#store.localPath && object.storage === 'raw' && object.key ? object.key : undefined
  }

  /** The bytes of an object that is small and at hand; undefined for any other. */
  readSmall(object: LfsObject): Promise<Buffer> | undefined {
    const { readSmall } = this.#store
    const isSmall = object.size > 0 && object.size <= SMALL_OBJECT_BYTES
    if (!readSmall || !isSmall || object.storage !== 'raw') return undefined
    return readSmall(rawKey(object), { first: 0, last: object.size - 1 })
  }

  /** For an answer: the bytes as a stream, few ones at once. */
  openBody(object: LfsObject, range?: ByteRange): Promise<Readable | Buffer> {
    const { first, last } = range ?? { first: 0, last: object.size - 1 }
    const { readSmall } = this.#store
    return readSmall && object.storage === 'raw' && last - first < SMALL_OBJECT_BYTES
      ? readSmall(rawKey(object), { first, last })
      : this.open(object, range)
  }

  open(object: LfsObject, range?: ByteRange): Promise<Readable> {
    return object.storage === 'xet'
      ? this.#chunked.openObject(object.oid, range)
      : this.#store.open(rawKey(object), range)
  }
}

function wrongSize(known: LfsObject): UploadStep {
  const error = new HubError('unprocessable', `The object has ${known.size} bytes.`)
  return { type: 'error', error }
}

function rawKey(object: LfsObject): string {
  if (object.key) return object.key
  throw new HubError('internal', 'the object has no raw bytes', { oid: object.oid })
}
