import { HubError } from '../errors.js'
import type { GitEngine, RefSnapshot } from '../ports.js'
import type { GitOid, Ref, Repo } from '../types.js'
import { isSafeRevision } from './ref-names.js'

/** A snapshot is kept as long as its refs stand still, so the way into it is worth keeping, too. */
const BY_NAME = new WeakMap<RefSnapshot, ReadonlyMap<string, Ref>>()

function byName(snapshot: RefSnapshot): ReadonlyMap<string, Ref> {
  const known = BY_NAME.get(snapshot)
  if (known) return known
  const made = new Map(snapshot.refs.map((it) => [it.name, it]))
  BY_NAME.set(snapshot, made)
  return made
}

/** Name of the ref that a revision means, undefined when it is no ref: full name, then branch, tag, PR, any other. */
export function refOfRevision(snapshot: RefSnapshot, revision: string): string | undefined {
  const names = byName(snapshot)
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
    return this.#findIn(await this.#git.snapshot(repo.id), repo, revision)
  }

  async #findIn(snapshot: RefSnapshot, repo: Repo, revision: string): Promise<GitOid | undefined> {
    if (revision === 'HEAD' || revision === snapshot.defaultBranch || revision === snapshot.headOid)
      return snapshot.headOid ?? undefined
    const ref = byName(snapshot).get(refOfRevision(snapshot, revision) ?? '')
    // git lets nothing but commits into branches
    if (ref?.name.startsWith('refs/heads/')) return ref.oid
    if (ref) return this.#git.resolveCommit(repo.id, ref.oid)
    if (!/^[0-9a-f]{7,64}$/.test(revision)) return undefined
    return this.#git.resolveCommit(repo.id, revision)
  }

  async read(repo: Repo, revision: string): Promise<GitOid> {
    return required(await this.find(repo, revision), revision)
  }

  /** As `split` and `read` in one, over the same refs. */
  async readSplit(
    repo: Repo,
    text: string,
  ): Promise<{ revision: string; path: string; commit: GitOid }> {
    const snapshot = await this.#git.snapshot(repo.id)
    const it = splitIn(snapshot, text)
    const found = isSafeRevision(it.revision)
      ? await this.#findIn(snapshot, repo, it.revision)
      : undefined
    return { ...it, commit: required(found, it.revision) }
  }

  /**
   * Splits `rev/path` whose revision may itself contain slashes: the longest ref name that fits wins,
   * otherwise the first segment is the revision.
   */
  async split(repo: Repo, text: string): Promise<{ revision: string; path: string }> {
    return splitIn(await this.#git.snapshot(repo.id), text)
  }
}

function splitIn(snapshot: RefSnapshot, text: string): { revision: string; path: string } {
  const parts = text.split('/')
  for (let n = Math.min(parts.length, 12); n > 1; n -= 1) {
    const revision = parts.slice(0, n).join('/')
    if (refOfRevision(snapshot, revision)) return { revision, path: parts.slice(n).join('/') }
  }
  if (parts[0] === 'refs' && parts.length >= 3)
    return { revision: parts.slice(0, 3).join('/'), path: parts.slice(3).join('/') }
  return { revision: parts[0] ?? '', path: parts.slice(1).join('/') }
}

function required(oid: GitOid | undefined, revision: string): GitOid {
  if (!oid) throw new HubError('revision_not_found', `Invalid rev id: ${revision.slice(0, 200)}`)
  return oid
}
