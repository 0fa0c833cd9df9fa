import { HubError } from '../errors.js'
import type { GitEngine, RefSnapshot } from '../ports.js'
import type { GitOid, Repo } from '../types.js'
import { isSafeRevision } from './ref-names.js'

/** Name of the ref that a revision means, undefined when it is no ref: full name, then branch, tag, PR, any other. */
export function refOfRevision(snapshot: RefSnapshot, revision: string): string | undefined {
  const names = new Set(snapshot.refs.map((it) => it.name))
  if (revision === 'HEAD') return `refs/heads/${snapshot.defaultBranch}`
  return [revision, `refs/heads/${revision}`, `refs/tags/${revision}`, `refs/${revision}`].find(
    (it) => names.has(it),
  )
}

/** Turns what callers name into commits. Throws `revision_not_found` for anything that is no commit of the repository. */
export class Revisions {
  readonly #git: GitEngine

  constructor(git: GitEngine) {
    this.#git = git
  }

  async find(repo: Repo, revision: string): Promise<GitOid | undefined> {
    if (!isSafeRevision(revision)) return undefined
    const snapshot = await this.#git.snapshot(repo.id)
    if (revision === 'HEAD' || revision === snapshot.defaultBranch)
      return snapshot.headOid ?? undefined
    const name = refOfRevision(snapshot, revision)
    const ref = name && snapshot.refs.find((it) => it.name === name)
    if (ref) return this.#git.resolveCommit(repo.id, ref.oid)
    if (!/^[0-9a-f]{7,64}$/.test(revision)) return undefined
    return this.#git.resolveCommit(repo.id, revision)
  }

  async read(repo: Repo, revision: string): Promise<GitOid> {
    const oid = await this.find(repo, revision)
    if (!oid) throw new HubError('revision_not_found', `Invalid rev id: ${revision.slice(0, 200)}`)
    return oid
  }

  /**
   * Splits `rev/path` whose revision may itself contain slashes: the longest ref name that fits wins,
   * otherwise the first segment is the revision.
   */
  async split(repo: Repo, text: string): Promise<{ revision: string; path: string }> {
    const parts = text.split('/')
    const snapshot = await this.#git.snapshot(repo.id)
    for (let n = Math.min(parts.length, 12); n > 1; n -= 1) {
      const revision = parts.slice(0, n).join('/')
      if (refOfRevision(snapshot, revision)) return { revision, path: parts.slice(n).join('/') }
    }
    if (parts[0] === 'refs' && parts.length >= 3)
      return { revision: parts.slice(0, 3).join('/'), path: parts.slice(3).join('/') }
    return { revision: parts[0] ?? '', path: parts.slice(1).join('/') }
  }
}
