import type { Readable } from 'node:stream'
import { isoNow } from '../../lib/ids.js'
import { mapLimited } from '../../lib/map-limited.js'
import { SingleFlight } from '../../lib/single-flight.js'
import { HubError } from '../errors.js'
import type { ObjectStore } from '../ports.js'
import type { LfsOid, LfsPointer, Repo, RepoId } from '../types.js'
import { readThrough, requireBytes } from './checked-bytes.js'
import type { LfsStore, LfsUpload } from './ports.js'

export interface LfsLimits {
  readonly maxBytes: number
  /** Clients that can upload in parts do so from this size on. */
  readonly multipartBytes: number
  readonly partBytes: number
  /** How long the URLs of a batch are good for. */
  readonly actionSeconds: number
  /** How long objects that no commit names are kept after they were uploaded or offered. */
  readonly graceSeconds: number
}

/** S3 allows 10,000; fewer keep the answer to a batch, which names every part, within a megabyte. */
const MAX_PARTS = 2_000
const AT_ONCE = 16
const NEVER = new AbortController().signal

/**
 * Bytes on their way in. Each upload has a key of its own, written down before the first byte; the object, and the link
 * that makes it visible, come once all bytes were seen to hash right. Whoever removes the upload's row decides what
 * becomes of its key: an object's, or discarded.
 */
export class LfsUploads {
  readonly #lfs: LfsStore
  readonly #store: ObjectStore
  readonly #limits: LfsLimits
  readonly #completing = new SingleFlight<void>()

  constructor(parts: { lfs: LfsStore; store: ObjectStore; limits: LfsLimits }) {
    this.#lfs = parts.lfs
    this.#store = parts.store
    this.#limits = parts.limits
  }

  /** They outlive every URL that is given out for them. */
  open(repoId: RepoId, objects: readonly LfsPointer[]): Promise<Map<LfsOid, LfsUpload>> {
    return this.#lfs.openUploads(repoId, objects, isoNow(this.#openMs))
  }

  get #openMs(): number {
    const { actionSeconds, graceSeconds } = this.#limits
    return (Math.max(actionSeconds, graceSeconds) + 60) * 1000
  }

  /** The open upload of this object, when the lease that was taken just before it has most of its time to go. */
  async findFresh(repoId: RepoId, object: LfsPointer): Promise<LfsUpload | undefined> {
    const [upload] = await this.#lfs.findUploads(repoId, [object.oid])
    if (upload?.size !== object.size) return undefined
    const age = Date.now() - (Date.parse(upload.expiresAt) - this.#openMs)
    return age < (this.#limits.graceSeconds * 1000) / 2 ? upload : undefined
  }

  /** Makes it an upload in parts; the part size of an upload that was begun before stays. */
  async beginParts(upload: LfsUpload): Promise<{ upload: LfsUpload; parts: number }> {
    const begun = upload.storeUploadId === null ? await this.#begin(upload) : upload
    return { upload: begun, parts: Math.ceil(begun.size / begun.partSize) }
  }

  async #begin(upload: LfsUpload): Promise<LfsUpload> {
    const partSize = Math.max(
      this.#limits.partBytes,
      this.#store.parts.minPartBytes,
      Math.ceil(upload.size / MAX_PARTS),
    )
    const mine = await this.#store.parts.begin(upload.key)
    const begun = await this.#lfs.beginParts(upload.id, mine, partSize)
    if (begun?.storeUploadId !== mine) await this.#store.parts.abort(upload.key, mine)
    if (!begun) throw ended()
    return begun
  }

  /**
   * Takes an object's bytes in: as a stream, or those of a small object at once. The caller holds a lease on it, and may
   * know its upload. Throws `checksum_mismatch` or `too_large`.
   */
  async receive(
    repo: Repo,
    object: LfsPointer,
    body: Readable | Buffer,
    signal: AbortSignal,
    known: LfsUpload | undefined,
  ): Promise<void> {
    const expect = { size: object.size, sha256: object.oid }
    if (Buffer.isBuffer(body)) requireBytes(body, expect)
    // the rare small object that is there already is found when its upload ends
    else if (await this.#lfs.findObject(object.oid)) {
      // somebody brought it before: who can hash it has it, and needs no second copy
      await readThrough(body, expect, signal)
      if ((await this.#lfs.link(repo.id, [object])).has(object.oid)) return
      throw new HubError('busy', 'The object was removed just now. Upload it again.')
    }
    const upload = known ?? (await this.open(repo.id, [object])).get(object.oid)
    if (!upload) throw ended()
    if (Buffer.isBuffer(body)) await this.#store.putSmall(upload.key, body, object.oid)
    else await this.#store.put(upload.key, body, expect, signal)
    // before the row goes that knows of them
    if (upload.storeUploadId) await this.#store.parts.abort(upload.key, upload.storeUploadId)
    await this.#finish(upload)
  }

  async receivePart(
    uploadId: string,
    number: number,
    body: Readable,
    signal: AbortSignal,
  ): Promise<{ etag: string }> {
    const { key, storeUploadId } = await this.#readParts(uploadId)
    const bytes = await this.partBytes(uploadId, number)
    const etag = await this.#store.parts.putPart(key, storeUploadId, number, body, bytes, signal)
    return { etag }
  }

  /** Bytes of a part; throws `object_not_found` when the upload has ended, `invalid_input` for a part it does not have. */
  async partBytes(uploadId: string, number: number): Promise<number> {
    const { size, partSize } = await this.#readParts(uploadId)
    const parts = Math.ceil(size / partSize)
    if (!Number.isInteger(number) || number < 1 || number > parts)
      throw new HubError('invalid_input', 'There is no such part.')
    return number < parts ? partSize : size - (parts - 1) * partSize
  }

  /**
   * Puts the parts together. Idempotent; goes on when the client leaves, because it comes back and asks again.
   * Throws `unprocessable` while parts are missing, `checksum_mismatch` when they make something else.
   */
  async complete(uploadId: string, repo: Repo, object: LfsPointer): Promise<void> {
    if (await this.#isLinked(repo.id, object.oid)) return
    const upload = await this.#readParts(uploadId)
    if (upload.repoId !== repo.id || upload.oid !== object.oid)
      throw new HubError('invalid_input', 'The upload belongs to another object.')
    await this.#completing.run(uploadId, async () => {
      const { key, storeUploadId, size, partSize, oid } = upload
      try {
        const whole = { size, partSize, sha256: oid }
        await this.#store.parts.complete(key, storeUploadId, whole, NEVER)
      } catch (err) {
        if (await this.#isLinked(repo.id, oid)) return // another process completed it meanwhile
        if (err instanceof HubError && err.code === 'checksum_mismatch')
          await this.#lfs.endUpload(upload.id)
        throw err
      }
      await this.#finish(upload)
    })
  }

  async #readParts(id: string): Promise<LfsUpload & { storeUploadId: string }> {
    const upload = await this.#lfs.findUpload(id)
    if (!upload || upload.storeUploadId === null) throw ended()
    return { ...upload, storeUploadId: upload.storeUploadId }
  }

  /**
   * Looks for bytes that clients put into the store by themselves and makes them objects when they are right. Clients
   * need not tell when they are done, so everybody who is about to call an object missing asks here first.
   */
  async settle(repo: Repo, oids: readonly LfsOid[]): Promise<void> {
    if (!this.#store.direct || oids.length === 0) return
    const open = await this.#lfs.findUploads(repo.id, oids)
    const whole = open.filter((it) => it.storeUploadId === null)
    await mapLimited(whole, AT_ONCE, (upload) => this.#settle(upload))
  }

  async #settle(upload: LfsUpload): Promise<void> {
    try {
      await this.#store.verify(upload.key, { size: upload.size, sha256: upload.oid }, NEVER)
    } catch (err) {
      if (!(err instanceof HubError)) throw err
      if (err.code === 'object_not_found') return
      if (err.code === 'checksum_mismatch') return this.#store.delete(upload.key)
      throw err
    }
    await this.#finish(upload)
  }

  async #finish(upload: LfsUpload): Promise<void> {
    const result = await this.#lfs.finishUpload(upload.id, {
      leaseUntil: isoNow(this.#limits.graceSeconds * 1000),
      writableUntil: this.#store.direct ? upload.expiresAt : null,
    })
    if (result === 'stored') return
    // somebody else finished this upload with the same bytes, or it expired and they have nowhere to belong
    const isObjects = (await this.#lfs.findObject(upload.oid))?.key === upload.key
    if (!isObjects) {
      if (result === 'ended') await this.#lfs.discard(upload.key)
      await this.#store.delete(upload.key)
      if (!this.#store.direct) await this.#lfs.dropDiscard(upload.key)
    }
    if (result === 'ended' && !(await this.#isLinked(upload.repoId, upload.oid))) throw ended()
  }

  async #isLinked(repoId: RepoId, oid: LfsOid): Promise<boolean> {
    return (await this.#lfs.findLinked(repoId, [oid])).has(oid)
  }
}

function ended(): HubError {
  return new HubError('object_not_found', 'The upload has ended or expired. Ask for a new one.')
}
