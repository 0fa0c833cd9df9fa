import type { Readable } from 'node:stream'
import { isoNow } from '../../lib/ids.js'
import type { Access } from '../access/access.js'
import { HubError } from '../errors.js'
import type { ByteRange, LfsObject, LfsStore, LfsUpload, ObjectStore, RepoStore } from '../ports.js'
import type { Quotas } from '../quotas/quotas.js'
import type { PushPolicy } from '../refs/push-policy.js'
import type { Caller, LfsOid, LfsPointer, Repo, RepoId } from '../types.js'

export interface LfsLimits {
  readonly maxBytes: number
  readonly multipartBytes: number
  readonly partBytes: number
  readonly actionSeconds: number
  readonly graceSeconds: number
}

/** What a client has to do for one object of an upload batch. */
export type UploadStep =
  | { readonly type: 'stored' }
  | { readonly type: 'basic' }
  | { readonly type: 'multipart'; readonly upload: LfsUpload; readonly parts: number }
  | { readonly type: 'error'; readonly error: HubError }

const MAX_PARTS = 10_000

/** Reads objects that are stored as chunks (domain/xet). */
export interface ChunkedContent {
  openObject(oid: LfsOid, range?: ByteRange): Promise<Readable>
}

/** Key under which a raw LFS object's bytes live. Throws `unprocessable` for anything that is no SHA-256. */
export function lfsKey(oid: LfsOid): string {
  if (!isLfsOid(oid))
    throw new HubError('unprocessable', 'The oid is not a SHA-256 in lower-case hex.')
  return `lfs/${oid.slice(0, 2)}/${oid.slice(2, 4)}/${oid}`
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
  readonly #repos: RepoStore
  readonly #access: Access
  readonly #quotas: Quotas
  readonly #policy: PushPolicy
  readonly #chunked: ChunkedContent
  readonly limits: LfsLimits

  constructor(parts: {
    lfs: LfsStore
    store: ObjectStore
    repos: RepoStore
    access: Access
    quotas: Quotas
    policy: PushPolicy
    chunked: ChunkedContent
    limits: LfsLimits
  }) {
    this.#lfs = parts.lfs
    this.#store = parts.store
    this.#repos = parts.repos
    this.#access = parts.access
    this.#quotas = parts.quotas
    this.#policy = parts.policy
    this.#chunked = parts.chunked
    this.limits = parts.limits
  }

  get store(): ObjectStore {
    return this.#store
  }

  /** One step per object, in order; a bad object does not spoil the others. Two queries whatever the number. */
  async planUpload(
    repo: Repo,
    caller: Caller,
    objects: readonly { oid: unknown; size: unknown }[],
    options: { multipart: boolean },
  ): Promise<UploadStep[]> {
    await this.#policy.requireWritable(repo)
    const checked = objects.map((it) => this.#check(it))
    const good = checked.filter((it): it is LfsPointer => !(it instanceof HubError))
    const oids = [...new Set(good.map((it) => it.oid))]
    const linked = await this.#lfs.findLinked(repo.id, oids)
    const absent = oids.filter((it) => !linked.has(it))
    await this.#adoptReadable(repo, caller, absent, linked)
    const needed = good.filter((it) => !linked.has(it.oid))
    const full = await this.#reserve(repo, needed)
    // objects that are already there are named again for a reason: keep them, too, until the push
    await this.#lease(
      repo.id,
      good.filter((it) => linked.has(it.oid)),
    )
    return Promise.all(
      checked.map(async (it): Promise<UploadStep> => {
        if (it instanceof HubError) return { type: 'error', error: it }
        const known = linked.get(it.oid)
        if (known)
          return known.size === it.size
            ? { type: 'stored' }
            : {
                type: 'error',
                error: new HubError('unprocessable', `The object has ${known.size} bytes.`),
              }
        if (full) return { type: 'error', error: full }
        if (options.multipart && it.size >= this.limits.multipartBytes)
          return this.#planParts(repo, it)
        return { type: 'basic' }
      }),
    )
  }

  /** The objects this repository serves; errors `object_not_found` or `unprocessable` for the others, in order. */
  async planDownload(
    repo: Repo,
    objects: readonly { oid: unknown; size: unknown }[],
  ): Promise<(LfsObject | HubError)[]> {
    const checked = objects.map((it) => this.#check(it))
    const oids = checked.flatMap((it) => (it instanceof HubError ? [] : [it.oid]))
    const linked = await this.#lfs.findLinked(repo.id, [...new Set(oids)])
    return checked.map((it) => {
      if (it instanceof HubError) return it
      return (
        linked.get(it.oid) ??
        new HubError('object_not_found', 'Object does not exist in this repository')
      )
    })
  }

  #check({ oid, size }: { oid: unknown; size: unknown }): LfsPointer | HubError {
    if (!isLfsOid(oid))
      return new HubError('unprocessable', 'The oid is not a SHA-256 in lower-case hex.')
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
      return new HubError('unprocessable', 'The size is not a number of bytes.')
    if (size > this.limits.maxBytes)
      return new HubError('too_large', `The object is larger than ${this.limits.maxBytes} bytes.`)
    return { oid, size }
  }

  /** Links what the caller could download from another repository anyway. */
  async #adoptReadable(
    repo: Repo,
    caller: Caller,
    absent: readonly LfsOid[],
    linked: Map<LfsOid, LfsObject>,
  ): Promise<void> {
    if (absent.length === 0) return
    const adopted: LfsObject[] = []
    for (const object of (await this.#lfs.findObjects(absent)).values())
      if (await this.#mayRead(caller, object.oid)) adopted.push(object)
    if (adopted.length === 0) return
    // without room they count as absent, and the reservation that follows says so
    if (await this.#reserve(repo, adopted)) return
    await this.#lfs.link(repo.id, adopted)
    for (const object of adopted) linked.set(object.oid, object)
  }

  async #mayRead(caller: Caller, oid: LfsOid): Promise<boolean> {
    for (const id of await this.#lfs.listReposWith(oid)) {
      const repo = await this.#repos.findById(id)
      // a gated repository's files need a grant that this check does not know of
      if (
        repo?.state === 'ready' &&
        repo.gate === 'none' &&
        (await this.#access.rightOn(caller, repo))
      )
        return true
    }
    return false
  }

  /** Leases what is to come and with it the room for it, all or nothing; answers why not. */
  async #reserve(repo: Repo, needed: readonly LfsPointer[]): Promise<HubError | undefined> {
    try {
      await this.#untilFree(needed, (left, expiresAt) =>
        this.#quotas.reserveObjects(repo, left, expiresAt),
      )
      return undefined
    } catch (err) {
      if (err instanceof HubError && err.code === 'quota_exceeded') return err
      throw err
    }
  }

  #lease(repoId: RepoId, objects: readonly LfsPointer[]): Promise<void> {
    return this.#untilFree(objects, (left, expiresAt) => this.#lfs.lease(repoId, left, expiresAt))
  }

  /** Waits while the collector is deleting one of them: it takes milliseconds, and afterwards the object is simply absent. */
  async #untilFree(
    objects: readonly LfsPointer[],
    take: (left: readonly LfsPointer[], expiresAt: string) => Promise<LfsOid[]>,
  ): Promise<void> {
    let left = objects
    for (let attempt = 0; left.length > 0; attempt += 1) {
      const blocked = new Set(await take(left, isoNow(this.limits.graceSeconds * 1000)))
      left = left.filter((it) => blocked.has(it.oid))
      if (left.length === 0) return
      if (attempt > 200) throw new HubError('busy', 'an object is being removed, try again')
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  async #planParts(repo: Repo, object: LfsPointer): Promise<UploadStep> {
    const known = await this.#lfs.findUploadFor(repo.id, object.oid)
    const partSize = Math.max(
      this.limits.partBytes,
      this.#store.parts.minPartBytes,
      Math.ceil(object.size / MAX_PARTS),
    )
    const upload =
      known ??
      (await this.#lfs.createUpload({
        repoId: repo.id,
        ...object,
        storeUploadId: await this.#store.parts.begin(lfsKey(object.oid)),
        partSize,
        expiresAt: isoNow(this.limits.graceSeconds * 1000),
      }))
    return { type: 'multipart', upload, parts: Math.ceil(object.size / upload.partSize) }
  }

  /** Takes an object's bytes in. Nothing is visible unless size and SHA-256 are right: `checksum_mismatch`, `too_large`. */
  async receive(
    repo: Repo,
    object: LfsPointer,
    body: Readable,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#policy.requireWritable(repo)
    await this.#lease(repo.id, [object])
    await this.#store.put(
      lfsKey(object.oid),
      body,
      { size: object.size, sha256: object.oid },
      signal,
    )
    await this.#keepRaw(repo, object)
  }

  async #keepRaw(repo: Repo, object: LfsPointer): Promise<void> {
    await this.#lfs.store(repo.id, object, 'raw')
    const kept = await this.#lfs.findObject(object.oid)
    // stored as chunks before: who could not know that has proved possession now, the raw bytes are not needed
    if (kept && kept.storage !== 'raw') await this.#store.delete(lfsKey(object.oid))
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
    await this.#lease(repo.id, [object])
    const before = await this.#lfs.findObject(object.oid)
    await rebuild()
    await this.#lfs.store(repo.id, object, 'xet')
    return { rawLeft: before?.storage === 'raw' }
  }

  /** Raw bytes of an object that is read in chunks by now; nobody who looked before is still at them. */
  async dropRaw(oid: LfsOid): Promise<void> {
    if ((await this.#lfs.findObject(oid))?.storage === 'xet') await this.#store.delete(lfsKey(oid))
  }

  async receivePart(
    uploadId: string,
    number: number,
    body: Readable,
    signal: AbortSignal,
  ): Promise<{ etag: string }> {
    const upload = await this.#readUpload(uploadId)
    const parts = Math.ceil(upload.size / upload.partSize)
    if (!Number.isInteger(number) || number < 1 || number > parts)
      throw new HubError('invalid_input', 'There is no such part.')
    const size = number < parts ? upload.partSize : upload.size - (parts - 1) * upload.partSize
    const key = lfsKey(upload.oid)
    const etag = await this.#store.parts.putPart(
      key,
      upload.storeUploadId ?? '',
      number,
      body,
      size,
      signal,
    )
    return { etag }
  }

  /** Idempotent: a repeated completion of a stored object is fine. */
  async complete(
    uploadId: string,
    repo: Repo,
    object: LfsPointer,
    signal: AbortSignal,
  ): Promise<void> {
    if ((await this.#lfs.findLinked(repo.id, [object.oid])).has(object.oid)) return
    const upload = await this.#readUpload(uploadId)
    if (upload.repoId !== repo.id || upload.oid !== object.oid)
      throw new HubError('invalid_input', 'The upload belongs to another object.')
    await this.#lease(repo.id, [object])
    await this.#store.parts.complete(
      lfsKey(object.oid),
      upload.storeUploadId ?? '',
      { size: object.size, partSize: upload.partSize, sha256: object.oid },
      signal,
    )
    await this.#keepRaw(repo, object)
    await this.#lfs.deleteUpload(upload.id)
  }

  async #readUpload(id: string): Promise<LfsUpload> {
    const upload = await this.#lfs.findUpload(id)
    if (!upload)
      throw new HubError('object_not_found', 'The upload has ended or expired. Ask for a new one.')
    return upload
  }

  /**
   * After an upload: throws unless the repository serves the object. For bytes that a client put into S3 by itself this
   * is where they are looked at (size, and the checksum S3 holds) before the object becomes visible.
   */
  async verify(repo: Repo, object: LfsPointer): Promise<void> {
    const linked = (await this.#lfs.findLinked(repo.id, [object.oid])).get(object.oid)
    if (linked) {
      if (linked.size !== object.size)
        throw new HubError('unprocessable', `The object has ${linked.size} bytes.`)
      return
    }
    throw new HubError('object_not_found', 'The object has not been uploaded.')
  }

  /**
   * For a commit that names objects: the sizes of those that this repository may serve, kept from the collector until the
   * lease is released. Objects whose bytes are in place but unverified are verified on the way; the others are left out.
   */
  async claim(
    repo: Repo,
    named: readonly { oid: LfsOid; size: number | undefined }[],
  ): Promise<Map<LfsOid, number>> {
    const oids = [...new Set(named.map((it) => it.oid))]
    const before = await this.#lfs.findLinked(repo.id, oids)
    for (const { oid, size } of named)
      if (!before.has(oid) && size !== undefined && isLfsOid(oid))
        await this.verify(repo, { oid, size }).catch(ignoreAbsent)
    const linked = before.size === oids.length ? before : await this.#lfs.findLinked(repo.id, oids)
    await this.#lease(repo.id, [...linked.values()])
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

  open(object: LfsObject, range?: ByteRange): Promise<Readable> {
    return object.storage === 'xet'
      ? this.#chunked.openObject(object.oid, range)
      : this.#store.open(lfsKey(object.oid), range)
  }
}

function ignoreAbsent(err: unknown): void {
  if (!(err instanceof HubError && ['object_not_found', 'unprocessable'].includes(err.code)))
    throw err
}
