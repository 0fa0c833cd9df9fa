import { createHash } from 'node:crypto'
import { formatLfsPointer } from '../../protocol/lfs-pointer.js'
import { HubError } from '../errors.js'
import type { CommitStep, GitEngine } from '../ports.js'
import type { GitOid, LfsOid, Repo } from '../types.js'
import type { FileChange, FileContent } from './changes.js'
import { type Leaf, TreeView } from './tree-view.js'

const FILE_MODE = '100644'
const SYMLINK_MODE = '120000'

/** Turns changes into the steps of a commit on top of a given parent; what changes nothing leaves no step. */
export class ChangePlanner {
  readonly #git: GitEngine
  readonly #repo: Repo
  readonly #parent: GitOid | null
  readonly #sizes: ReadonlyMap<LfsOid, number>
  readonly #resolve: (revision: string) => Promise<GitOid>
  readonly #tree: TreeView
  readonly #steps: CommitStep[] = []

  /** `sizes`: of every LFS object that the changes name. `resolve` throws `revision_not_found`. */
  constructor(parts: {
    git: GitEngine
    repo: Repo
    parent: GitOid | null
    sizes: ReadonlyMap<LfsOid, number>
    resolve: (revision: string) => Promise<GitOid>
  }) {
    this.#git = parts.git
    this.#repo = parts.repo
    this.#parent = parts.parent
    this.#sizes = parts.sizes
    this.#resolve = parts.resolve
    this.#tree = new TreeView(parts.git, parts.repo.id, parts.parent)
  }

  /** Throws `entry_not_found` for a path to delete, rename or copy that is not there, `unprocessable` for file against folder. */
  async plan(changes: readonly FileChange[]): Promise<CommitStep[]> {
    for (const change of changes) {
      if (change.type === 'delete') await this.#delete(change.path)
      else if (change.type === 'copy') await this.#copy(change)
      else await this.#put(change)
    }
    return this.#steps
  }

  async #delete(path: string): Promise<void> {
    if (!(await this.#tree.find(path))) throw missing(path)
    await this.#tree.remove(path)
    this.#steps.push({ type: 'delete', path })
  }

  async #put(change: Extract<FileChange, { type: 'put' | 'put_lfs' }>): Promise<void> {
    const { path, oldPath } = change
    const old = oldPath === undefined ? undefined : await this.#file(oldPath)
    const content =
      change.type === 'put'
        ? change.content
        : inMemory(formatLfsPointer({ oid: change.oid, size: this.#sizes.get(change.oid) ?? 0 }))
    if (oldPath !== undefined && oldPath !== path) await this.#delete(oldPath)
    const known = await this.#place(path)
    const replaced = old ?? known
    // whoever replaces a link wants a file; an executable stays one
    const mode = replaced && replaced.mode !== SYMLINK_MODE ? replaced.mode : FILE_MODE
    if (known?.mode === mode && known.oid && (await this.#isContent(known.oid, content))) return
    await this.#tree.put(path, { mode, oid: null })
    this.#steps.push({
      type: 'put',
      path,
      mode,
      content: content.bytes ?? (() => content.open()),
      size: content.size,
    })
  }

  async #copy(change: Extract<FileChange, { type: 'copy' }>): Promise<void> {
    const { path, from, revision } = change
    const commit = revision === undefined ? this.#parent : await this.#resolve(revision)
    const source = commit ? await this.#git.findEntry(this.#repo.id, commit, from) : undefined
    if (source?.type !== 'blob') throw missing(from)
    const known = await this.#place(path)
    if (known?.oid === source.oid && known.mode === source.mode) return
    await this.#tree.put(path, { mode: source.mode, oid: source.oid })
    this.#steps.push({ type: 'link', path, mode: source.mode, oid: source.oid })
  }

  async #file(path: string): Promise<Leaf> {
    const it = await this.#tree.find(path)
    if (!it || it === 'folder') throw missing(path)
    return it
  }

  /** What is at a path where a file shall be. Nothing is overwritten in silence: a folder must be deleted first. */
  async #place(path: string): Promise<Leaf | undefined> {
    const above = await this.#tree.findFileAbove(path)
    if (above !== undefined)
      throw new HubError('unprocessable', `"${path}" cannot be added: "${above}" is a file.`)
    const it = await this.#tree.find(path)
    if (it === 'folder')
      throw new HubError('unprocessable', `"${path}" cannot be added: it is a folder.`)
    return it
  }

  async #isContent(oid: GitOid, content: FileContent): Promise<boolean> {
    if (!content.bytes && (await this.#git.blobSize(this.#repo.id, oid)) !== content.size)
      return false
    return (await blobOid(content, this.#repo.objectFormat)) === oid
  }
}

/** Object id that git gives to these bytes as a blob (git-hash-object(1)). */
async function blobOid(content: FileContent, format: 'sha1' | 'sha256'): Promise<GitOid> {
  const hash = createHash(format).update(`blob ${content.size}\0`)
  if (content.bytes) hash.update(content.bytes)
  else for await (const chunk of content.open()) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

function inMemory(bytes: Buffer): FileContent {
  return {
    size: bytes.length,
    bytes,
    open: () => {
      throw new Error('bytes are in memory')
    },
  }
}

function missing(path: string): HubError {
  return new HubError('entry_not_found', `A file with this name doesn't exist: ${path}`)
}
