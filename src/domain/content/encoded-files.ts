import { LRUCache } from 'lru-cache'
import type { GitOid, Repo, RepoFile } from '../types.js'

const KEPT_BYTES = 32 * 1024 * 1024
/** Longer lists are encoded for each answer, page by page. */
const MAX_LIST_BYTES = 8 * 1024 * 1024

/** How a dialect writes one file; `name` tells it from every other way. */
export interface FileShape {
  readonly name: string
  toJson(file: RepoFile): unknown
}

/**
 * The files of commits as the inside of a JSON array. A commit never changes, and so what is kept of it is never stale:
 * who may see it, and which commit a branch is at, was decided before anybody asks here.
 */
export class EncodedFiles {
  readonly #kept = new LRUCache<string, Buffer>({
    maxSize: KEPT_BYTES,
    sizeCalculation: (it, key) => it.length + key.length + 100,
  })

  /** In pieces; none of them is to be written to. `pages` is read only when nothing is kept. */
  async *encode(
    repo: Repo,
    commit: GitOid,
    shape: FileShape,
    pages: () => AsyncIterable<readonly RepoFile[]>,
  ): AsyncGenerator<Buffer> {
    const key = `${repo.id} ${commit} ${shape.name}`
    const known = this.#kept.get(key)
    if (known) {
      yield known
      return
    }
    let pieces: Buffer[] | undefined = []
    let size = 0
    for await (const page of pages()) {
      if (page.length === 0) continue
      const text = page.map((it) => JSON.stringify(shape.toJson(it))).join(',')
      const piece = Buffer.from(size === 0 ? text : `,${text}`)
      size += piece.length
      if (size > MAX_LIST_BYTES) pieces = undefined
      pieces?.push(piece)
      yield piece
    }
    if (pieces) this.#kept.set(key, Buffer.concat(pieces))
  }
}
