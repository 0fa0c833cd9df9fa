import type { Readable } from 'node:stream'
import type { BlockSource } from '../lib/blocks.js'
import type { FetchRequest } from '../protocol/git-fetch.js'
import type { GitOid, LfsPointer, ObjectFormat, Ref, RefUpdate, Repo, RepoId } from './types.js'

/*
 * What the domain needs from the outside. Here: the git engine (git/), object bytes (storage/objects) and settings; the
 * stores (storage/db) of a noun stand in its room's ports.ts. What holds for all of them:
 * A method that changes several rows is one transaction of database calls; none waits for git, hashing or the network inside.
 * `find…` answers undefined where nothing is there; `read…` throws the HubError of its noun.
 */

export interface SettingStore {
  find(key: string): Promise<string | undefined>
  /** Stores `value` unless the key exists; answers what is stored. */
  findOrCreate(key: string, value: string): Promise<string>
  put(key: string, value: string): Promise<void>
  remove(key: string): Promise<void>
}

/** The whole truth about a repository's refs at one instant, as read from its directory. */
export interface RefSnapshot {
  /** Branch that HEAD names, born or not, without `refs/heads/`. */
  readonly defaultBranch: string
  readonly headOid: GitOid | null
  /** In byte order of the name. Hub-private refs are not in it. */
  readonly refs: readonly Ref[]
  /** SHA-256 over HEAD and every name and oid. */
  readonly digest: string
}

export interface CommitInfo {
  readonly oid: GitOid
  readonly treeOid: GitOid
  readonly parents: readonly GitOid[]
  readonly author: Signature
  readonly committer: Signature
  readonly message: string
}

export interface Signature {
  readonly name: string
  readonly email: string
  /** ISO-8601 UTC. */
  readonly at: string
}

export interface TreeEntry {
  readonly path: string
  readonly mode: string
  readonly type: 'blob' | 'tree' | 'commit'
  readonly oid: GitOid
  /** Blob bytes; 0 for trees and submodules. */
  readonly size: number
}

export interface BlobChange {
  readonly path: string
  /** null = the path is gone. */
  readonly after: { readonly mode: string; readonly oid: GitOid } | null
}

/** One step of a commit made by the hub. Steps apply in order; paths were validated by the domain. */
export type CommitStep =
  | {
      readonly type: 'put'
      readonly path: string
      readonly mode: string
      /** A function opens the bytes anew each time. */
      readonly content: Buffer | (() => Readable)
      readonly size: number
    }
  | { readonly type: 'link'; readonly path: string; readonly mode: string; readonly oid: GitOid }
  | { readonly type: 'delete'; readonly path: string }

/** Environment under which git sees the objects of a push that is not accepted yet. */
export interface Quarantine {
  readonly objectDirectory: string
  readonly alternates: string
}

/** What a bare repository's hook hands over; answered with lines for the pusher and a verdict. */
export interface HookCall {
  readonly hook: 'pre-receive' | 'post-receive'
  readonly updates: readonly RefUpdate[]
  readonly pushOptions: readonly string[]
  readonly quarantine: Quarantine | undefined
}

export interface HookAnswer {
  readonly accept: boolean
  /** Shown on the pusher's terminal. */
  readonly lines: readonly string[]
}

export interface GitServiceRun {
  readonly service: 'upload-pack' | 'receive-pack'
  /** Value of the client's Git-Protocol header, already checked. */
  readonly protocol: string | undefined
  readonly advertise?: boolean
  /** Sent ahead of git's first byte, so that a failure before it can still be answered in another way. */
  readonly prologue?: Buffer
  readonly input: Readable
  readonly output: NodeJS.WritableStream
  readonly signal: AbortSignal
  /** Whose it is, and for upload-pack whether it may have to read the whole repository; it waits for its turn. Throws `busy`. */
  readonly client?: FetchClient
  readonly isBig?: boolean
  readonly maxInputBytes?: number | undefined
  readonly onHook?: (call: HookCall) => Promise<HookAnswer>
  /** Hears why a hook call could not be answered; the pusher is told "internal error". */
  readonly onHookError?: (err: unknown) => void
}

/** Account or address on whose behalf git works, for sharing fairly. */
export type FetchClient = string

/** A complete answer to a fetch: whole, or still being made. */
export interface FetchAnswer {
  /** Of a whole one. */
  readonly size: number | undefined
  /** Its bytes from `from` on, as they come; has to be called. Fails when the answer is not made to its end. */
  read(from: number, signal: AbortSignal): BlockSource
}

/** The git engine: bare repositories named by repository id. Every method throws `git_failed` when git does. */
export interface GitEngine {
  create(id: RepoId, options: { objectFormat: ObjectFormat; defaultBranch: string }): Promise<void>
  remove(id: RepoId): Promise<void>
  exists(id: RepoId): Promise<boolean>
  /** Repository ids that have a directory. */
  listDirectories(): AsyncIterable<RepoId>
  directory(id: RepoId): string

  snapshot(id: RepoId): Promise<RefSnapshot>
  /** Neither alternates nor shallow commits, which an operator may have brought in: nothing but refs to advertise. */
  isPlain(id: RepoId): Promise<boolean>
  /** Targets of the annotated tags in a snapshot, by ref name. */
  peel(id: RepoId, snapshot: RefSnapshot): Promise<Map<string, GitOid>>
  /** All or nothing, each compared with its old oid; throws `conflict` when one moved. */
  updateRefs(id: RepoId, updates: readonly RefUpdate[]): Promise<void>
  /** Makes one branch the only ref. All or nothing: throws `conflict` when the refs are not those of `from` any more. */
  replaceRefs(
    id: RepoId,
    from: RefSnapshot,
    only: { readonly name: string; readonly oid: GitOid },
  ): Promise<void>
  setHead(id: RepoId, branch: string): Promise<void>

  runService(id: RepoId, run: GitServiceRun): Promise<void>
  /**
   * An answer that is kept for all who ask the same; undefined when this fetch is none of these and git has to be asked.
   * Throws `busy`.
   */
  openFetch(
    repo: Pick<Repo, 'id' | 'objectFormat'>,
    request: FetchRequest,
    client: FetchClient,
    signal: AbortSignal,
  ): Promise<FetchAnswer | undefined>

  /**
   * Makes a bundle of all branches, at its turn among the fetches; answers the tips in it. Throws also when `take` has had
   * all bytes: what it kept is then worth nothing.
   */
  writeBundle(
    id: RepoId,
    signal: AbortSignal,
    take: (stream: Readable) => Promise<void>,
  ): Promise<readonly GitOid[]>
  /** Whether the refs of a snapshot reach all these commits; false when one of them is gone. */
  reachesAll(id: RepoId, oids: readonly GitOid[]): Promise<boolean>

  /** Full oid of a commit for a revision expression that `isSafeRevision` let through; undefined when there is none. */
  resolveCommit(id: RepoId, revision: string): Promise<GitOid | undefined>
  readCommit(id: RepoId, oid: GitOid): Promise<CommitInfo>
  /** Newest first, following parents. */
  log(
    id: RepoId,
    from: GitOid,
    options: { skip: number; limit: number; path?: string; not?: readonly GitOid[] },
  ): Promise<CommitInfo[]>
  countCommits(id: RepoId, from: GitOid, not?: GitOid): Promise<number>
  /** The object at a path of a commit or tree; undefined when there is none. */
  findEntry(id: RepoId, commit: GitOid, path: string): Promise<TreeEntry | undefined>
  /** Children of a tree path, in git's order; undefined when the path is no tree. */
  listTree(
    id: RepoId,
    commit: GitOid,
    path: string,
    options: { recursive: boolean },
  ): AsyncIterable<TreeEntry>
  /** Type, oid and size of the object at a path, by one question to a process that is already there. */
  statPath(
    id: RepoId,
    commit: GitOid,
    path: string,
  ): Promise<(Pick<TreeEntry, 'oid' | 'size'> & { type: string }) | undefined>
  /**
   * As `listTree` without sizes and without a process of its own, for reading in pages: starts behind `after`, the path of
   * the entry before (`path/` when that was a folder). Nothing when the path is no tree.
   */
  walk(
    id: RepoId,
    commit: GitOid,
    path: string,
    options: { recursive: boolean; after?: string | undefined },
  ): AsyncIterable<Omit<TreeEntry, 'size'>>
  /** Newest commit that touched each path; leaves out what git did not meet within `budgetMs`. */
  lastCommits(
    id: RepoId,
    from: GitOid,
    paths: readonly string[],
    budgetMs: number,
  ): Promise<Map<string, GitOid>>
  blobSize(id: RepoId, oid: GitOid): Promise<number | undefined>
  /** Throws `too_large` above `maxBytes`. */
  readBlob(id: RepoId, oid: GitOid, maxBytes: number): Promise<Buffer>
  openBlob(
    id: RepoId,
    oid: GitOid,
    signal: AbortSignal,
  ): Promise<{ size: number; stream: Readable }>

  /** Files that differ between two commits; from null = every file. */
  diffFiles(id: RepoId, from: GitOid | null, to: GitOid): AsyncIterable<BlobChange>
  /** Sizes of the given blobs, and which of them are LFS pointers. */
  inspectBlobs(
    id: RepoId,
    oids: readonly GitOid[],
  ): Promise<{
    sizes: Map<GitOid, number>
    pointers: Map<GitOid, LfsPointer & { pointerSize: number }>
  }>
  /** LFS pointers in what `tips` bring that `not` (default: every ref) does not reach. */
  newPointers(
    id: RepoId,
    tips: readonly GitOid[],
    options: { quarantine?: Quarantine | undefined; not?: 'refs' | 'nothing' },
  ): AsyncIterable<LfsPointer>
  /** Files that `tips` bring and no ref reached before, each blob once, those up to `maxBytes`. */
  newBlobs(
    id: RepoId,
    tips: readonly GitOid[],
    options: { quarantine: Quarantine | undefined; maxBytes: number },
  ): AsyncIterable<{ path: string; content: Buffer }>
  isAncestor(
    id: RepoId,
    ancestor: GitOid,
    descendant: GitOid,
    quarantine?: Quarantine,
  ): Promise<boolean>

  /** Children of a tree or of a commit's root; undefined when there is no such tree. */
  readTree(
    id: RepoId,
    treeish: GitOid,
  ): Promise<ReadonlyMap<string, { mode: string; oid: GitOid }> | undefined>
  /**
   * Tells other processes that objects come in which no ref names yet, so that nobody prunes them. The holder asks whether
   * the repository may be written only after this; answers what ends it.
   */
  markWriter(id: RepoId): Promise<() => Promise<void>>
  /** Makes a commit durable; no ref moves. */
  writeCommit(
    id: RepoId,
    commit: {
      parent: GitOid | null
      message: string
      author: Signature
      steps: AsyncIterable<CommitStep> | Iterable<CommitStep>
    },
    signal: AbortSignal,
  ): Promise<GitOid>
  /** Tree of a three-way merge from the best common ancestor, and the paths in conflict. Throws `conflict` when there is none. */
  mergeTree(
    id: RepoId,
    ours: GitOid,
    theirs: GitOid,
  ): Promise<{ treeOid: GitOid; conflicts: string[] }>
  /** Unified diffs by path; undefined when they are longer than `maxBytes` together. */
  diffTexts(
    id: RepoId,
    from: GitOid,
    to: GitOid,
    maxBytes: number,
  ): Promise<Map<string, string> | undefined>
  /** Paths that `mergeTree` would find in conflict; nothing is written. Undefined when there is no common ancestor. */
  findConflicts(id: RepoId, ours: GitOid, theirs: GitOid): Promise<string[] | undefined>
  /** Best common ancestor. */
  mergeBase(id: RepoId, a: GitOid, b: GitOid): Promise<GitOid | undefined>
  /** Unified diff in one text, up to the last line within `maxBytes`. */
  diffText(
    id: RepoId,
    from: GitOid,
    to: GitOid,
    maxBytes: number,
  ): Promise<{ text: string; isCut: boolean }>
  /** A commit object with this tree and these parents; no ref moves. The author commits it unless there is a `committer`. */
  commitTree(
    id: RepoId,
    commit: {
      treeOid: GitOid
      parents: readonly GitOid[]
      message: string
      author: Signature
      committer?: Signature
    },
  ): Promise<GitOid>
  createTag(
    id: RepoId,
    tag: { name: string; target: GitOid; message: string; tagger: Signature },
  ): Promise<GitOid>

  /** For the dumb protocol: pack file names, and object files by their path below the repository. */
  listPacks(id: RepoId): Promise<string[]>
  openObjectFile(
    id: RepoId,
    path: string,
  ): Promise<{ size: number; etag: string; open(range?: ByteRange): Promise<Readable> } | undefined>

  /** Bytes that a push brings, while it is still in quarantine. */
  quarantineBytes(quarantine: Quarantine): Promise<number>
  /** Bytes on disk of the object store. */
  sizeBytes(id: RepoId): Promise<number>
  /**
   * Pushes and other writers that have not ended, in any process; `moving`: without pushes that are still being received,
   * whose hooks have not been asked.
   */
  pushesInFlight(id: RepoId, which?: 'all' | 'moving'): Promise<number>
  /** Waits until git has made the packs for fetches that are under way in this process; false when the patience ends first. */
  fetchesEnded(id: RepoId, patienceMs: number): Promise<boolean>
  /** Packs what is reachable, drops the rest. The caller keeps writers out. */
  prune(id: RepoId): Promise<void>
  /** Cheap upkeep after pushes; writers may go on. */
  maintain(id: RepoId): Promise<void>
  /** Whether `maintain` would do anything; costs a look into a few directories. */
  needsMaintenance(id: RepoId): Promise<boolean>
  /** Output of `git fsck --full`; empty = clean. */
  fsck(id: RepoId): Promise<string[]>
  /** For backups: brings the object files to a directory, beside running writers, and answers their names. */
  exportObjects(id: RepoId, target: string): Promise<ReadonlySet<string>>
  /** Fills a repository just created with another one's objects and with `refs`. Throws `busy` when the other one was pruned meanwhile. */
  copyInto(from: RepoId, to: RepoId, refs: readonly Ref[]): Promise<void>
  /**
   * Brings the files of a commit, without its history, into another repository of the same format at its turn among the
   * fetches; answers their tree. No ref names it yet: the caller marks itself a writer there. Throws `busy`.
   */
  copyTree(from: RepoId, commit: GitOid, to: RepoId, signal: AbortSignal): Promise<GitOid>
  /** Whether the object files in a directory hold all that `tips` reach. */
  objectsReach(id: RepoId, objects: string, tips: readonly GitOid[]): Promise<boolean>
  dropOtherObjects(target: string, keep: ReadonlySet<string>): Promise<void>
  /** Fills a repository just created with object files of a directory and with refs. */
  importObjects(id: RepoId, source: string, refs: readonly Ref[]): Promise<void>
  /** git processes at work for this process. */
  runningProcesses(): number
  /** Removes lock and temporary files of git processes that died; answers how many stay because their owner may live. */
  sweepLeftovers(id: RepoId): Promise<number>
  /** Removes directories that were on their way in or out when their process died. */
  sweepTrash(): Promise<void>
}

export interface ByteRange {
  readonly first: number
  /** Inclusive. */
  readonly last: number
}

export interface PresignedPart {
  readonly number: number
  readonly url: string
}

/** Where bytes live, by key. Keys are hub-made (`lfs/ab/cd/<oid>`), never a caller's text. */
/** Up to this size an object is taken into memory as a whole on its way in. */
export const SMALL_OBJECT_BYTES = 128 * 1024

export interface ObjectStore {
  readonly kind: 'disk' | 's3'
  size(key: string): Promise<number | undefined>
  /** Throws `object_not_found`. */
  open(key: string, range?: ByteRange): Promise<Readable>
  /** A few bytes at once, where that costs less than a stream. Throws `object_not_found`. */
  readSmall?(key: string, range: ByteRange): Promise<Buffer>
  /** Nothing becomes visible unless size and SHA-256 (where given) are right; throws `checksum_mismatch` or `too_large`. */
  put(
    key: string,
    body: Readable,
    expect: {
      size?: number | undefined
      sha256?: string | undefined
      maxBytes?: number
      /** false: somebody else checks these bytes; no SHA-256 is worked out, the answer's is empty. */
      digest?: boolean
    },
    signal: AbortSignal,
  ): Promise<{ size: number; sha256: string }>
  /**
   * As `put`, for an object of at most `SMALL_OBJECT_BYTES` that is in memory as a whole and was checked there. Many at a
   * time cost the disk little more than one. Throws when the bytes are not durable.
   */
  putSmall(key: string, bytes: Buffer, sha256: string): Promise<void>
  /**
   * Throws `object_not_found`, or `checksum_mismatch` unless what is held under `key` has this size and SHA-256: told by
   * the store's own checksum where it keeps one, else read. Nothing that a client said about it counts.
   */
  verify(key: string, expect: { size: number; sha256: string }, signal: AbortSignal): Promise<void>
  delete(key: string): Promise<void>
  list(prefix: string): AsyncIterable<{ key: string; size: number; modifiedAt: Date }>
  /** Throws when the store cannot be used. */
  check(): Promise<void>
  /** Removes half-written uploads of processes that died; answers how many. */
  sweep(): Promise<number>
  close(): Promise<void>
  /** File to send without a copy through a stream, where there is one. */
  localPath?(key: string): string
  /** Direct transfer between client and store; absent where the store cannot. */
  readonly direct?: DirectTransfer
  readonly parts: PartUpload
}

export interface DirectTransfer {
  /** Single PUTs go no further: larger objects need parts or the proxied route. */
  readonly maxPutBytes: number
  /**
   * Whether this store refuses other bytes, and other headers, than a presigned PUT was signed for. Found out once by
   * trying; where it does not, clients must not write into it by themselves.
   */
  bindsPut(): Promise<boolean>
  /** With a range the URL is good for exactly that `Range` header and nothing else of the object. */
  presignGet(
    key: string,
    options: { seconds: number; filename?: string; contentType?: string; range?: ByteRange },
  ): Promise<string>
  /** The signature binds length and SHA-256: the client must send `headers` exactly. */
  presignPut(
    key: string,
    options: { seconds: number; size: number; sha256: string },
  ): Promise<{ url: string; headers: Record<string, string> }>
  presignPart(key: string, uploadId: string, number: number, seconds: number): Promise<string>
}

/** Uploads in parts of one size, the last one smaller: 1-based numbers, parts may come in any order and again. */
export interface PartUpload {
  readonly minPartBytes: number
  begin(key: string): Promise<string>
  /** Answers the part's ETag. Throws `object_not_found` when the upload has ended. */
  putPart(
    key: string,
    uploadId: string,
    number: number,
    body: Readable,
    size: number,
    signal: AbortSignal,
  ): Promise<string>
  /**
   * Puts the parts together under `key`. Throws `unprocessable` while parts are missing or have another size (the upload
   * goes on), `checksum_mismatch` when the whole is not what was promised (the upload is over, nothing is left).
   * Idempotent: done again for a `key` that is complete, it only checks.
   */
  complete(
    key: string,
    uploadId: string,
    expect: { size: number; partSize: number; sha256: string },
    signal: AbortSignal,
  ): Promise<void>
  abort(key: string, uploadId: string): Promise<void>
}
