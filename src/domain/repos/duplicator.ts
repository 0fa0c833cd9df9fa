import { isoNow } from '../../lib/ids.js'
import { type Committer, signatureOf } from '../commits/committer.js'
import type { Actor } from '../events/events.js'
import type { LfsStore } from '../lfs/ports.js'
import type { CommitStep, GitEngine, TreeEntry } from '../ports.js'
import type { Quotas } from '../quotas/quotas.js'
import type { GitOid, LfsPointer, Repo, Visibility } from '../types.js'
import type { RepoRegistry } from './registry.js'

const LEASE_MS = 60 * 60 * 1000
const LINK_PAGE = 2_000
const SMALL_BYTES = 1024 * 1024

/** Copies the files of a repository's default branch into a new repository, as one commit; LFS objects are linked, not copied. */
export class Duplicator {
  readonly #git: GitEngine
  readonly #lfs: LfsStore
  readonly #quotas: Quotas
  readonly #registry: RepoRegistry
  readonly #committer: Committer

  constructor(parts: {
    git: GitEngine
    lfs: LfsStore
    quotas: Quotas
    registry: RepoRegistry
    committer: Committer
  }) {
    this.#git = parts.git
    this.#lfs = parts.lfs
    this.#quotas = parts.quotas
    this.#registry = parts.registry
    this.#committer = parts.committer
  }

  /** The caller may read the source's content. Throws as `RepoRegistry.create` does; what was begun is deleted again. */
  async duplicate(
    source: Repo,
    to: {
      namespace: string
      name: string
      visibility: Visibility
      prepare?: (copy: Repo) => Promise<void>
    },
    actor: Actor,
    signal: AbortSignal,
  ): Promise<Repo> {
    const { headOid } = await this.#git.snapshot(source.id)
    const copy = await this.#registry.create(
      {
        kind: source.kind,
        ...to,
        description: source.description,
        defaultBranch: source.defaultBranch,
        objectFormat: source.objectFormat,
        sdk: source.sdk ?? undefined,
        start: 'unborn',
      },
      actor,
    )
    if (!headOid) return copy
    try {
      await this.#linkObjects(source, headOid, copy)
      const message = `Duplicate from ${source.namespace}/${source.name}`
      await this.#committer.commit(
        copy,
        `refs/heads/${copy.defaultBranch}`,
        actor,
        async () => ({
          message,
          author: signatureOf(actor.caller.user),
          steps: this.#copyFiles(source, headOid, signal),
        }),
        signal,
      )
    } catch (err) {
      await this.#registry.delete(copy, actor)
      throw err
    }
    return copy
  }

  async #linkObjects(source: Repo, commit: GitOid, copy: Repo): Promise<void> {
    const pointers = new Map<string, LfsPointer>()
    for await (const it of this.#git.newPointers(source.id, [commit], { not: 'nothing' }))
      pointers.set(it.oid, it)
    const all = [...pointers.values()]
    for (let at = 0; at < all.length; at += LINK_PAGE) {
      const page = all.slice(at, at + LINK_PAGE)
      const served = await this.#lfs.findLinked(
        source.id,
        page.map((it) => it.oid),
      )
      const objects = page.filter((it) => served.get(it.oid)?.size === it.size)
      await this.#quotas.reserveObjects(copy, objects, isoNow(LEASE_MS))
      await this.#lfs.link(copy.id, objects)
    }
  }

  async *#copyFiles(source: Repo, commit: GitOid, signal: AbortSignal): AsyncGenerator<CommitStep> {
    for await (const entry of this.#git.listTree(source.id, commit, '', { recursive: true }))
      if (entry.type === 'blob') yield await this.#copyFile(source, entry, signal)
  }

  async #copyFile(source: Repo, entry: TreeEntry, signal: AbortSignal): Promise<CommitStep> {
    const { path, mode, oid, size } = entry
    if (size <= SMALL_BYTES) {
      const content = await this.#git.readBlob(source.id, oid, SMALL_BYTES)
      return { type: 'put', path, mode, content, size }
    }
    const { stream } = await this.#git.openBlob(source.id, oid, signal)
    return { type: 'put', path, mode, content: () => stream, size }
  }
}
