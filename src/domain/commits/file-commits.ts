import { HubError } from '../errors.js'
import type { Actor } from '../events/events.js'
import type { LfsObjects } from '../lfs/objects.js'
import type { GitEngine } from '../ports.js'
import type { Quotas } from '../quotas/quotas.js'
import type { Revisions } from '../refs/revisions.js'
import type { GitOid, LfsOid, Repo } from '../types.js'
import { ChangePlanner } from './change-planner.js'
import type { FileChange } from './changes.js'
import { type Committer, signatureOf } from './committer.js'
import { checkFilePath } from './paths.js'

export interface CommitOrder {
  readonly summary: string
  readonly description: string
  /** Refuse (`stale_parent`) unless the ref is at this commit; at least 7 digits of its id. */
  readonly parentCommit: string | undefined
  readonly changes: readonly FileChange[]
}

/** Where a commit goes: a ref, and for a ref that does not exist yet the commit that it starts from. */
export interface CommitTarget {
  readonly ref: string
  readonly base?: GitOid | null
}

export interface CommitResult {
  readonly oid: GitOid
  /** False: nothing would have changed, `oid` is where the ref is. */
  readonly changed: boolean
}

const UNRESERVED_BYTES = 256 * 1024

/** Commits of files that arrive through an API. */
export class FileCommits {
  readonly #git: GitEngine
  readonly #committer: Committer
  readonly #objects: LfsObjects
  readonly #quotas: Quotas
  readonly #revisions: Revisions

  constructor(parts: {
    git: GitEngine
    committer: Committer
    objects: LfsObjects
    quotas: Quotas
    revisions: Revisions
  }) {
    this.#git = parts.git
    this.#committer = parts.committer
    this.#objects = parts.objects
    this.#quotas = parts.quotas
    this.#revisions = parts.revisions
  }

  /**
   * Throws `unprocessable` (path), `object_not_found` (LFS object that this repository cannot serve), `quota_exceeded`,
   * `stale_parent`, `entry_not_found`, `revision_not_found`, `repo_locked`.
   */
  async commit(
    repo: Repo,
    target: CommitTarget,
    order: CommitOrder,
    actor: Actor,
    signal: AbortSignal,
  ): Promise<CommitResult> {
    const changes = order.changes.map(checked)
    const release = await this.#reserve(repo, bytesOf(changes))
    try {
      const sizes = await this.#claimObjects(repo, changes)
      const result = await this.#committer.commit(
        repo,
        target.ref,
        actor,
        async (tip) => {
          const parent = tip ?? target.base ?? null
          requireParent(parent, order.parentCommit)
          const planner = new ChangePlanner({
            git: this.#git,
            repo,
            parent,
            sizes,
            resolve: (revision) => this.#revisions.read(repo, revision),
          })
          const steps = await planner.plan(changes)
          if (steps.length === 0 && tip) return undefined
          const message = messageOf(order)
          return { message, author: signatureOf(actor.caller.user), steps, parent }
        },
        signal,
      )
      if (!result.oid) throw new HubError('internal', 'a commit left no tip')
      // from here on the commit keeps these objects, not the lease that waited for it
      await this.#objects.release(repo, [...sizes.keys()])
      return { oid: result.oid, changed: result.changed }
    } finally {
      await release()
    }
  }

  /** A few bytes more or less at the limit are not worth two writes to the database. */
  async #reserve(repo: Repo, bytes: number): Promise<() => Promise<void>> {
    if (bytes > UNRESERVED_BYTES) return this.#quotas.reserveBytes(repo, bytes)
    await this.#quotas.requireRoom(repo, bytes)
    return async () => undefined
  }

  async #claimObjects(repo: Repo, changes: readonly FileChange[]): Promise<Map<LfsOid, number>> {
    const named = changes.flatMap((it) =>
      it.type === 'put_lfs' ? [{ oid: it.oid, size: it.size }] : [],
    )
    if (named.length === 0) return new Map()
    const sizes = await this.#objects.claim(repo, named)
    const missing = named.find((it) => !sizes.has(it.oid))
    if (missing)
      throw new HubError(
        'object_not_found',
        `Your push was rejected because an LFS pointer pointed to a file that does not exist: ${missing.oid}. Upload it to this repository first.`,
      )
    const wrong = named.find((it) => it.size !== undefined && sizes.get(it.oid) !== it.size)
    if (wrong)
      throw new HubError(
        'invalid_input',
        `The object ${wrong.oid} has ${sizes.get(wrong.oid)} bytes, not ${wrong.size}.`,
      )
    return sizes
  }
}

function checked(change: FileChange): FileChange {
  const path = checkFilePath(change.path.replace(change.type === 'delete' ? /\/$/ : /(?!)/, ''))
  if ('oldPath' in change && change.oldPath !== undefined) checkFilePath(change.oldPath)
  if (change.type === 'copy') checkFilePath(change.from)
  return { ...change, path }
}

function bytesOf(changes: readonly FileChange[]): number {
  return changes.reduce((sum, it) => sum + (it.type === 'put' ? it.content.size : 0), 0)
}

function requireParent(parent: GitOid | null, wanted: string | undefined): void {
  if (wanted === undefined || parent?.startsWith(wanted.toLowerCase())) return
  throw new HubError(
    'stale_parent',
    'The branch was updated since you opened this page. Please refresh and try again.',
  )
}

/** NUL would end the message where git reads it. */
function messageOf({ summary, description }: CommitOrder): string {
  const text = description.trim() === '' ? summary : `${summary}\n\n${description}`
  return text.replace(/\0/g, '')
}
