import type { RepoListQuery } from '../repos/ports.js'
import type { LfsOid, LfsPointer, RepoId } from '../types.js'

export interface LfsObject {
  readonly oid: LfsOid
  readonly size: number
  /** `raw` bytes, or chunks of `xet` xorbs: `LfsObjects.open` reads both. */
  readonly storage: string
  /** Where the raw bytes are in the object store; null when there are only chunks. */
  readonly key: string | null
  /** Hash of the Xet file by which Xet clients may fetch it; null for raw objects. Absent where nobody asked for it. */
  readonly xetHash?: string | null
}

export interface LfsFile extends LfsPointer {
  readonly path: string | null
  readonly linkedAt: string
}

export interface LfsLock {
  readonly id: string
  readonly path: string
  readonly ref: string | null
  readonly ownerId: number
  readonly ownerName: string
  readonly lockedAt: string
}

/** Bytes that are to come: the key is theirs alone, and named here before the first of them is written. */
export interface LfsUpload {
  readonly id: string
  readonly repoId: RepoId
  readonly oid: LfsOid
  readonly size: number
  readonly key: string
  /** In parts: the store's own id of the upload, and the size of all parts but the last. */
  readonly storeUploadId: string | null
  readonly partSize: number
  readonly expiresAt: string
}

export interface LfsStore extends LfsUploadStore, LfsCollectorStore, LfsLockStore {
  /** Of these oids, the objects that this repository may serve. One query whatever the number (up to 2,000). */
  findLinked(repoId: RepoId, oids: readonly LfsOid[]): Promise<Map<LfsOid, LfsObject>>
  findObject(oid: LfsOid): Promise<LfsObject | undefined>
  /** Of these, the objects in repositories that the filter lets see and that are not gated. One query, as `findLinked`. */
  findVisible(
    oids: readonly LfsOid[],
    visibleTo: RepoListQuery['visibleTo'],
  ): Promise<Map<LfsOid, LfsObject>>
  /** Of these, the ones that this repository used to serve until no commit named them any more. */
  findRemoved(repoId: RepoId, oids: readonly LfsOid[]): Promise<Set<LfsOid>>
  /**
   * Protects these oids from garbage collection until `expiresAt` and reserves their sizes; renews older leases of the
   * same repository and lifts the marks of links that were about to go.
   */
  lease(repoId: RepoId, objects: readonly LfsPointer[], expiresAt: string): Promise<void>
  release(repoId: RepoId, oids: readonly LfsOid[]): Promise<void>
  /** The objects of a repository by oid, each with the first path that the default branch has it under. */
  listFiles(repoId: RepoId, after: string, limit: number): Promise<LfsFile[]>
  /** Links the objects that (still) exist and answers which those are. */
  link(repoId: RepoId, objects: readonly LfsPointer[]): Promise<Set<LfsOid>>
  /** An object that is there in chunks: its row, and the link. Answers whether raw bytes of it are left over. */
  storeChunked(repoId: RepoId, object: LfsPointer): Promise<{ rawLeft: boolean }>
  /** Discards the raw bytes of an object that is there in chunks, too. */
  discardRaw(oid: LfsOid): Promise<void>
  scanObjects(after: string, limit: number): Promise<LfsObject[]>
}

export interface LfsUploadStore {
  /** The open uploads of these objects, made or renewed. At most one per repository and object. */
  openUploads(
    repoId: RepoId,
    objects: readonly LfsPointer[],
    expiresAt: string,
  ): Promise<Map<LfsOid, LfsUpload>>
  findUpload(id: string): Promise<LfsUpload | undefined>
  findUploads(repoId: RepoId, oids: readonly LfsOid[]): Promise<LfsUpload[]>
  /** Makes it one in parts; answers how it then is: as somebody else said who was first. Undefined when it has ended. */
  beginParts(id: string, storeUploadId: string, partSize: number): Promise<LfsUpload | undefined>
  /**
   * The bytes under the upload's key were verified: the object, its link and a lease until `leaseUntil` for the push to
   * come. `surplus`: the object was there already, the key is discarded. `ended`: there is no such upload (any more) and
   * nothing was done. `writableUntil`: until when a client can write the key by itself.
   */
  finishUpload(
    id: string,
    options: { leaseUntil: string; writableUntil: string | null },
  ): Promise<'stored' | 'surplus' | 'ended'>
  /** Discards the key. */
  endUpload(id: string): Promise<void>
  /** Ends the uploads whose time is over and discards their keys; answers how many. */
  expireUploads(): Promise<number>
}

/** Bytes that nobody needs any more; their key is never used again. */
export interface Discard {
  readonly key: string
  readonly storeUploadId: string | null
  /** Clients may write the key by themselves until then: look at it again. */
  readonly until: string
}

export interface LfsLinkState {
  readonly oid: LfsOid
  readonly size: number
  readonly condemned: boolean
}

/** What the collector does, in steps that may be interrupted anywhere. */
export interface LfsCollectorStore {
  /** Links of this repository, by oid. */
  listLinks(repoId: RepoId, after: string, limit: number): Promise<LfsLinkState[]>
  /** Of these, the ones without a live lease of this repository. */
  listUnleased(repoId: RepoId, oids: readonly LfsOid[]): Promise<LfsOid[]>
  /** Marks links that no live lease protects, answers which are marked now. A lease lifts the mark, `pardon` too. */
  condemn(repoId: RepoId, oids: readonly LfsOid[]): Promise<LfsOid[]>
  pardon(repoId: RepoId, oids: readonly LfsOid[]): Promise<void>
  /**
   * Drops the links that still are marked and unleased, answers how many. Nothing is done when the repository's refs are
   * not the ones (`refsDigest`) by which the oids were found unreachable.
   */
  unlinkCondemned(repoId: RepoId, oids: readonly LfsOid[], refsDigest: string): Promise<number>
  /** Objects without any link or live lease, older than `before`, by oid. */
  listOrphans(before: string, after: string, limit: number): Promise<LfsObject[]>
  /** Of these objects, those older than `before` without a live lease: bytes, and how many repositories are linked. */
  countLinks(
    oids: readonly LfsOid[],
    before: string,
  ): Promise<{ oid: LfsOid; size: number; links: number }[]>
  /** Forgets the object and discards its key, unless a link or lease appeared meanwhile (false). */
  takeOrphan(oid: LfsOid): Promise<boolean>
  /** A key that was written though its upload had ended. */
  discard(key: string): Promise<void>
  listDiscards(after: string, limit: number): Promise<Discard[]>
  dropDiscard(key: string): Promise<void>
  purgeExpiredLeases(): Promise<void>
}

export interface LfsLockStore {
  /** Throws `conflict` with the existing lock in its facts. */
  createLock(
    repoId: RepoId,
    lock: { path: string; ref: string | null; ownerId: number; ownerName: string },
  ): Promise<LfsLock>
  findLock(repoId: RepoId, id: string): Promise<LfsLock | undefined>
  listLocks(
    repoId: RepoId,
    filter: { path?: string; id?: string; ref?: string; after?: string; limit: number },
  ): Promise<LfsLock[]>
  /** False when it was gone already. */
  deleteLock(repoId: RepoId, id: string): Promise<boolean>
}
