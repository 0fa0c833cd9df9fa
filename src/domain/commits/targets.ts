import { type Access, type OpenedRepo, requireProposer } from '../access/access.js'
import { pullRequestNumber } from '../discussions/pull-request-ref.js'
import type { PullRequests } from '../discussions/pull-requests.js'
import { HubError } from '../errors.js'
import type { GitEngine } from '../ports.js'
import { refOfRevision } from '../refs/revisions.js'
import type { Caller } from '../types.js'
import type { CommitTarget } from './file-commits.js'

/** Finds the ref that a commit to a revision moves, and checks that the caller may move it. */
export class CommitTargets {
  readonly #git: GitEngine
  readonly #access: Access
  readonly #pulls: PullRequests

  constructor(parts: { git: GitEngine; access: Access; pulls: PullRequests }) {
    this.#git = parts.git
    this.#access = parts.access
    this.#pulls = parts.pulls
  }

  /** Throws `revision_not_found`, `invalid_input` (a tag or commit), `forbidden`, `not_authenticated`. */
  async find(caller: Caller, opened: OpenedRepo, revision: string): Promise<CommitTarget> {
    const { repo, right } = opened
    const number = pullRequestNumber(revision)
    if (number !== undefined) {
      requireProposer(caller, repo)
      const ref = `refs/pr/${number}`
      const pull = await this.#pulls.requirePush(repo, right, caller.user?.id, ref)
      return { ref, base: await this.#pulls.baseTip(repo, pull) }
    }
    await this.#access.openRepo(caller, repo, 'write')
    const snapshot = await this.#git.snapshot(repo.id)
    if (revision === 'HEAD' || revision === snapshot.defaultBranch)
      return { ref: `refs/heads/${snapshot.defaultBranch}` }
    const ref = refOfRevision(snapshot, revision)
    if (ref?.startsWith('refs/heads/')) return { ref }
    const shown = revision.slice(0, 200)
    if (ref !== undefined || (await this.#isCommit(repo.id, revision)))
      throw new HubError(
        'invalid_input',
        `${shown} is not a branch: nothing can be committed to it.`,
      )
    throw new HubError('revision_not_found', `Invalid rev id: ${shown}`)
  }

  async #isCommit(id: string, revision: string): Promise<boolean> {
    return (
      /^[0-9a-f]{7,64}$/.test(revision) &&
      (await this.#git.resolveCommit(id, revision)) !== undefined
    )
  }
}
