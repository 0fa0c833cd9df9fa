import { Readable } from 'node:stream'
import { LRUCache } from 'lru-cache'
import { HubError } from '../errors.js'
import type { LfsObjects } from '../lfs/objects.js'
import type { ByteRange, GitEngine, TreeEntry } from '../ports.js'
import type { RepoStore } from '../repos/ports.js'
import type { GitOid, LfsPointer, Repo, RepoFile } from '../types.js'
import { EncodedFiles, type FileShape } from './encoded-files.js'
import type { FileStore } from './ports.js'

/** A file or folder of a commit. A folder's size is 0. */
export type Entry =
  | ({ readonly type: 'file' } & RepoFile)
  | { readonly type: 'directory'; readonly path: string; readonly oid: GitOid }

export interface EntryPage {
  readonly entries: Entry[]
  /** Where the next page starts; undefined = this was the last one. */
  readonly next: string | undefined
}

type BlobFacts = { readonly size: number; readonly pointer?: LfsPointer & { pointerSize: number } }

const SMALL_BLOB_BYTES = 1024 * 1024
const KEPT_BLOB_BYTES = 32 * 1024 * 1024
const KEPT_FACTS_BYTES = 20 * 1024 * 1024
const KEPT_PATH_BYTES = 32 * 1024 * 1024
const PAGE = 2_000

/**
 * What commits hold, for reading. A commit never changes, so everything kept here is keyed by oid and can never be stale;
 * the database's file table is only asked for the commit that it was derived from.
 */
export class Contents {
  readonly #git: GitEngine
  readonly #files: FileStore
  readonly #repos: RepoStore
  readonly #objects: LfsObjects
  readonly #facts = new LRUCache<string, BlobFacts>({
    maxSize: KEPT_FACTS_BYTES,
    sizeCalculation: (it) => (it.pointer ? 450 : 200),
  })
  readonly #encoded = new EncodedFiles()
  readonly #found = new LRUCache<string, Entry | 'absent'>({
    maxSize: KEPT_PATH_BYTES,
    sizeCalculation: (_, key) => 500 + 2 * key.length,
  })
  readonly #blobs = new LRUCache<string, Buffer>({
    maxSize: KEPT_BLOB_BYTES,
    maxEntrySize: SMALL_BLOB_BYTES,
    sizeCalculation: (it) => it.length + 100,
  })

  constructor(parts: {
    git: GitEngine
    files: FileStore
    repos: RepoStore
    objects: LfsObjects
  }) {
    this.#git = parts.git
    this.#files = parts.files
    this.#repos = parts.repos
    this.#objects = parts.objects
  }

  /** What is at a path of a commit; undefined when nothing is. */
  async find(repo: Repo, commit: GitOid, path: string): Promise<Entry | undefined> {
    if (!isTreePath(path)) return undefined
    const key = `${repo.id} ${commit} ${path}`
    const known = this.#found.get(key)
    if (known) return known === 'absent' ? undefined : known
    const entry = await this.#look(repo, commit, path)
    this.#found.set(key, entry ?? 'absent')
    return entry
  }

  async #look(repo: Repo, commit: GitOid, path: string): Promise<Entry | undefined> {
    const found = await this.#git.statPath(repo.id, commit, path)
    if (found?.type === 'tree') return { type: 'directory', path, oid: found.oid }
    if (found?.type !== 'blob') return undefined
    const facts = await this.#factsOf(repo, [found.oid])
    return toFile(path, '100644', found.oid, facts.get(found.oid))
  }

  /** Of these paths the ones that exist, in their order. */
  async findMany(repo: Repo, commit: GitOid, paths: readonly string[]): Promise<Entry[]> {
    const found = await Promise.all(paths.map((path) => this.find(repo, commit, path)))
    return found.filter((it) => it !== undefined)
  }

  /** Children of a folder (`''` = root) in git's order. Throws `entry_not_found` when the path is no folder. */
  async page(
    repo: Repo,
    commit: GitOid,
    path: string,
    options: { recursive: boolean; after?: string | undefined; limit: number },
  ): Promise<EntryPage> {
    if (path !== '' && (await this.find(repo, commit, path))?.type !== 'directory')
      throw new HubError('entry_not_found', `${path.slice(0, 200)} does not exist on "${commit}"`, {
        commit,
      })
    const raw: Omit<TreeEntry, 'size'>[] = []
    let next: string | undefined
    for await (const it of this.#git.walk(repo.id, commit, path, options)) {
      const last = raw.at(-1)
      if (last && raw.length >= options.limit) {
        next = last.type === 'tree' ? `${last.path}/` : last.path
        break
      }
      if (it.type !== 'commit') raw.push(it) // a submodule's content is not here
    }
    return { entries: await this.#describe(repo, raw), next }
  }

  /** Every file of a commit in byte order of the path, in pages: from the file table while that is at this commit, else from git. */
  async *files(repo: Repo, commit: GitOid): AsyncGenerator<RepoFile[]> {
    let after = ''
    if (commit === repo.headOid)
      for (;;) {
        const page = await this.#files.list(repo.id, after, PAGE, commit)
        const last = page.at(-1)
        if (last) yield page
        if (last) after = last.path
        else if ((await this.#repos.findById(repo.id))?.headOid === commit) return
        else break
      }
    for (;;) {
      const { entries, next } = await this.page(repo, commit, '', {
        recursive: true,
        after,
        limit: PAGE,
      })
      yield entries.flatMap((it) => (it.type === 'file' ? [it] : []))
      if (next === undefined) return
      after = next
    }
  }

  /** The same as JSON, as it stands between the brackets of an array. */
  encodedFiles(repo: Repo, commit: GitOid, shape: FileShape): AsyncGenerator<Buffer> {
    return this.#encoded.encode(repo, commit, shape, () => this.files(repo, commit))
  }

  async #describe(repo: Repo, raw: readonly Omit<TreeEntry, 'size'>[]): Promise<Entry[]> {
    const blobs = raw.flatMap((it) => (it.type === 'blob' ? [it.oid] : []))
    const facts = await this.#factsOf(repo, [...new Set(blobs)])
    return raw.map((it) =>
      it.type === 'tree'
        ? { type: 'directory', path: it.path, oid: it.oid }
        : toFile(it.path, it.mode, it.oid, facts.get(it.oid)),
    )
  }

  async #factsOf(repo: Repo, oids: readonly GitOid[]): Promise<Map<GitOid, BlobFacts>> {
    const result = new Map<GitOid, BlobFacts>()
    const unknown: GitOid[] = []
    for (const oid of oids) {
      const known = this.#facts.get(oid)
      if (known) result.set(oid, known)
      else unknown.push(oid)
    }
    if (unknown.length === 0) return result
    const { sizes, pointers } = await this.#git.inspectBlobs(repo.id, unknown)
    for (const oid of unknown) {
      const pointer = pointers.get(oid)
      const size = sizes.get(oid)
      if (size === undefined) continue // not there: nothing to remember
      const facts: BlobFacts = { size, ...(pointer ? { pointer } : {}) }
      this.#facts.set(oid, facts)
      result.set(oid, facts)
    }
    return result
  }

  /** Bytes of a blob as git has it (the pointer of an LFS file): small ones at once, others as a stream. */
  async openBlob(
    repo: Repo,
    blob: { readonly oid: GitOid; readonly size: number },
    range: ByteRange | undefined,
    signal: AbortSignal,
  ): Promise<Readable | Buffer> {
    const first = range?.first ?? 0
    const end = range ? range.last + 1 : blob.size
    if (blob.size <= SMALL_BLOB_BYTES)
      return (await this.readSmall(repo, blob.oid)).subarray(first, end)
    const { stream } = await this.#git.openBlob(repo.id, blob.oid, signal)
    return range ? Readable.from(cut(stream, first, end), { objectMode: false }) : stream
  }

  /** A blob of at most 1 MiB, kept for a while. Throws `too_large`. */
  async readSmall(repo: Repo, oid: GitOid): Promise<Buffer> {
    const key = `${repo.id} ${oid}`
    const known = this.#blobs.get(key)
    if (known) return known
    const blob = await this.#git.readBlob(repo.id, oid, SMALL_BLOB_BYTES)
    this.#blobs.set(key, blob)
    return blob
  }

  /** The file's content: of an LFS file its object. Throws `object_not_found` when this repository does not hold that. */
  async open(
    repo: Repo,
    file: RepoFile,
    range: ByteRange | undefined,
    signal: AbortSignal,
  ): Promise<Readable | Buffer> {
    if (file.lfsOid === null)
      return this.openBlob(repo, { oid: file.blobOid, size: file.size }, range, signal)
    return this.#objects.open(await this.#objects.read(repo, file.lfsOid), range)
  }
}

/** Paths as git stores them: no empty, `.` or `..` segment, which git would read as something else. */
function isTreePath(path: string): boolean {
  return (
    path.length <= 4_096 &&
    !path.includes('\0') &&
    path.split('/').every((it) => it !== '' && it !== '.' && it !== '..')
  )
}

function toFile(path: string, mode: string, blobOid: GitOid, facts: BlobFacts | undefined): Entry {
  const pointer = facts?.pointer
  return {
    type: 'file',
    path,
    mode,
    blobOid,
    size: pointer?.size ?? facts?.size ?? 0,
    lfsOid: pointer?.oid ?? null,
    pointerSize: pointer?.pointerSize ?? null,
  }
}

/** Bytes [first, end) of a stream; the source is destroyed as soon as they are out. */
async function* cut(source: Readable, first: number, end: number): AsyncGenerator<Buffer> {
  let at = 0
  for await (const chunk of source as AsyncIterable<Buffer>) {
    const from = Math.max(first - at, 0)
    const to = Math.min(end - at, chunk.length)
    at += chunk.length
    if (to > from) yield chunk.subarray(from, to)
    if (at >= end) return
  }
}
