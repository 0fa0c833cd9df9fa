import type { LfsOid, RepoId } from '../types.js'

/** A stored xorb: a run of chunk records. Hashes are Xet hash strings (protocol/xet/hash-string.ts), sizes bytes. */
export interface Xorb {
  readonly hash: string
  /** Tells apart the objects that one xorb hash may have had: records can be compressed in several ways. */
  readonly nonce: string
  /** The chunk records; the index lies behind them in the same object. */
  readonly bytes: number
  readonly rawBytes: number
  readonly chunks: number
}

/** A file whose bytes are chunks of xorbs, in order. */
export interface XetFile {
  readonly hash: string
  /** Worked out by the hub from the chunks, never a claim. */
  readonly sha256: LfsOid
  readonly size: number
}

export interface TermPage {
  /** Offset in the file of the first term. */
  readonly firstByte: number
  /** See protocol/xet/term-page.ts. */
  readonly terms: Buffer
}

export interface XetStore {
  /** Those of these xorbs that are stored. */
  findXorbs(hashes: readonly string[]): Promise<Map<string, Xorb>>
  /**
   * The bytes are in place: the row, and the chunks that clients may ask for. Answers the xorb that counts, which is
   * another one when the hash was stored before: its bytes stay, the caller's are not needed.
   */
  addXorb(xorb: Xorb, dedupeChunks: readonly string[]): Promise<Xorb>
  /** This repository brought the xorb; true when it had not before. */
  addUpload(repoId: RepoId, xorbHash: string): Promise<boolean>
  findUpload(repoId: RepoId, xorbHash: string): Promise<boolean>
  /** Keeps the xorbs from being collected for another grace period; answers those that are not stored. */
  touch(hashes: readonly string[]): Promise<string[]>

  findFile(hash: string): Promise<XetFile | undefined>
  /** The file with this SHA-256 that is served: the one that came first. */
  findFileOf(sha256: LfsOid): Promise<XetFile | undefined>
  /** The file, when this repository is linked to its LFS object. */
  findLinkedFile(repoId: RepoId, hash: string): Promise<XetFile | undefined>
  /**
   * The file, its terms and the xorbs it stands on (raw bytes of the file in each), in one transaction; what is there
   * already stays. Throws `conflict` when one of the xorbs is not stored (any more), `quota_exceeded` when it does not fit.
   */
  addFile(file: {
    repoId: RepoId
    file: XetFile
    termCount: number
    pages: readonly TermPage[]
    xorbs: ReadonlyMap<string, number>
    /** The file's first chunk, which clients ask for, and the xorb that has it. */
    firstChunk: { hash: string; xorbHash: string }
  }): Promise<void>
  /** The pages that bytes `first` to `last` of the file meet, in order. */
  readTerms(hash: string, first: number, last: number): Promise<TermPage[]>

  /** Xorbs that hold the chunk, the latest first. */
  findXorbsWithChunk(chunkHash: string, limit: number): Promise<Xorb[]>
  /** Repositories that may serve a file standing on the xorb, or that brought it. */
  listReposUsing(xorbHash: string, limit: number): Promise<RepoId[]>
  /** Xorbs of the files that stand on this xorb, itself first. */
  listNeighbours(xorbHash: string, limit: number): Promise<Xorb[]>

  /** Stored xorbs that no file stands on, not touched since `before`, by hash. */
  listUnused(before: string, after: string, limit: number): Promise<Xorb[]>
  /** State `deleting`, unless it was touched since `before` or a file stands on it now (false). */
  claimUnused(hash: string, before: string): Promise<boolean>
  dropXorb(xorb: Xorb): Promise<void>
  listDeleting(): Promise<Xorb[]>
  /** Forgets files without an LFS object, older than `before`: an ingestion that a crash cut off. */
  dropUnlinkedFiles(before: string): Promise<number>

  /** Raw objects of these sizes from before `before` that a repository is linked to, and one such repository; by oid. */
  listRaw(query: {
    before: string
    after: string
    minBytes: number
    maxBytes: number
    limit: number
  }): Promise<{ oid: LfsOid; repoId: RepoId }[]>

  scanXorbs(after: string, limit: number): Promise<Xorb[]>
  /** Whether this object is one that a row names, in whatever state. */
  isKnown(hash: string, nonce: string): Promise<boolean>
  /** LFS objects said to be stored as Xet files that have none. */
  listBrokenObjects(limit: number): Promise<LfsOid[]>
  totals(): Promise<{ xorbs: number; bytes: number; rawBytes: number; files: number }>
}
