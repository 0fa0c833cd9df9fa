import type { GitEngine } from '../ports.js'
import type { GitOid, RepoId } from '../types.js'

export interface Leaf {
  readonly mode: string
  /** null: made by this commit, its blob is not known. */
  readonly oid: GitOid | null
}

interface Folder {
  /** Tree to read the children from when they are first asked for. */
  readonly oid: GitOid | null
  children: Map<string, Leaf | Folder> | undefined
}

const isFolder = (it: Leaf | Folder | undefined): it is Folder =>
  it !== undefined && 'children' in it

/** The files of a commit, read as far as they are looked at, with changes on top. */
export class TreeView {
  readonly #git: GitEngine
  readonly #id: RepoId
  readonly #root: Folder

  constructor(git: GitEngine, id: RepoId, commit: GitOid | null) {
    this.#git = git
    this.#id = id
    this.#root = { oid: commit, children: commit ? undefined : new Map() }
  }

  async find(path: string): Promise<Leaf | 'folder' | undefined> {
    const { folder, name } = await this.#parentOf(path)
    const it = folder?.get(name)
    return isFolder(it) ? 'folder' : it
  }

  /** Path of a file that stands where `path` needs a folder. */
  async findFileAbove(path: string): Promise<string | undefined> {
    const segments = path.split('/').slice(0, -1)
    let at: Folder = this.#root
    for (const [depth, name] of segments.entries()) {
      const next = (await this.#childrenOf(at)).get(name)
      if (next === undefined) return undefined
      if (!isFolder(next)) return segments.slice(0, depth + 1).join('/')
      at = next
    }
    return undefined
  }

  /** The caller has checked that no file stands above and no folder at the path. */
  async put(path: string, leaf: Leaf): Promise<void> {
    const segments = path.split('/')
    const name = segments.pop() as string
    let at = this.#root
    for (const segment of segments) {
      const children = await this.#childrenOf(at)
      let next = children.get(segment)
      if (!isFolder(next)) {
        next = { oid: null, children: new Map() }
        children.set(segment, next)
      }
      at = next
    }
    ;(await this.#childrenOf(at)).set(name, leaf)
  }

  /** Also the folders that become empty, as git does. */
  async remove(path: string): Promise<void> {
    const segments = path.split('/')
    const trail: Map<string, Leaf | Folder>[] = []
    let at = this.#root
    for (const [depth, segment] of segments.entries()) {
      const children = await this.#childrenOf(at)
      trail.push(children)
      const next = children.get(segment)
      if (depth < segments.length - 1) {
        if (!isFolder(next)) return
        at = next
      }
    }
    for (let depth = segments.length - 1; depth >= 0; depth -= 1) {
      trail[depth]?.delete(segments[depth] as string)
      if (trail[depth]?.size) return
    }
  }

  async #parentOf(
    path: string,
  ): Promise<{ folder: Map<string, Leaf | Folder> | undefined; name: string }> {
    const segments = path.split('/')
    const name = segments.pop() as string
    let at = this.#root
    for (const segment of segments) {
      const next = (await this.#childrenOf(at)).get(segment)
      if (!isFolder(next)) return { folder: undefined, name }
      at = next
    }
    return { folder: await this.#childrenOf(at), name }
  }

  async #childrenOf(folder: Folder): Promise<Map<string, Leaf | Folder>> {
    if (folder.children) return folder.children
    const read = folder.oid ? await this.#git.readTree(this.#id, folder.oid) : undefined
    folder.children = new Map(
      [...(read ?? [])].map(([name, it]) => [
        name,
        it.mode === '040000' ? { oid: it.oid, children: undefined } : it,
      ]),
    )
    return folder.children
  }
}
