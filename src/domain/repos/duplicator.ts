import { isoNow } from '../../lib/ids.js'
import { type Committer, signatureOf } from '../commits/committer.js'
import type { Actor } from '../events/events.js'
import type { LfsStore } from '../lfs/ports.js'
import type { GitEngine } from '../ports.js'
import type { Quotas } from '../quotas/quotas.js'
import type { GitOid, LfsPointer, Repo, Visibility } from '../types.js'
import type { RepoRegistry } from './registry.js'

const LEASE_MS = 60 * 60 * 1000
const LINK_PAGE = 2_000

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
      await this.#commitFiles(source, headOid, copy, actor, signal)
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

  /** The tree as it is: what a name has in bytes that are no text stays, and no file is written anew. */
  async #commitFiles(
    source: Repo,
    head: GitOid,
    copy: Repo,
    actor: Actor,
    signal: AbortSignal,
  ): Promise<void> {
    const name = `refs/heads/${copy.defaultBranch}`
    await this.#committer.changeRefs(copy, [name], actor, async () => {
      const treeOid = await this.#git.copyTree(source.id, head, copy.id, signal)
      const newOid = await this.#git.commitTree(copy.id, {
        treeOid,
        parents: [],
        message: `Duplicate from ${source.namespace}/${source.name}`,
        author: signatureOf(actor.caller.user),
      })
      return [{ name, oldOid: null, newOid }]
    })
  }
}
