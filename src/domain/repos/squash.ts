import { signatureOf } from '../commits/committer.js'
import { HubError } from '../errors.js'
import { type Actor, makeEvent } from '../events/events.js'
import type { EventStore } from '../events/ports.js'
import type { JobStore } from '../jobs/ports.js'
import type { GitEngine } from '../ports.js'
import type { PushPolicy } from '../refs/push-policy.js'
import type { RefRecorder } from '../refs/recorder.js'
import type { Repo } from '../types.js'
import type { Holds } from './holds.js'
import type { RepoStore } from './ports.js'

/** Makes a repository's default branch one root commit and lets everything else go. */
export class Squash {
  readonly #git: GitEngine
  readonly #holds: Holds
  readonly #policy: PushPolicy
  readonly #recorder: RefRecorder
  readonly #repos: RepoStore
  readonly #jobs: JobStore
  readonly #events: EventStore

  constructor(parts: {
    git: GitEngine
    holds: Holds
    policy: PushPolicy
    recorder: RefRecorder
    repos: RepoStore
    jobs: JobStore
    events: EventStore
  }) {
    this.#git = parts.git
    this.#holds = parts.holds
    this.#policy = parts.policy
    this.#recorder = parts.recorder
    this.#repos = parts.repos
    this.#jobs = parts.jobs
    this.#events = parts.events
  }

  /**
   * One ref transaction is the point of no return: before it nothing changed, after it the rest follows even through a
   * crash, because the pruning job was left first. Concurrent pushes land before (their tree is kept) or are refused.
   */
  async squash(repo: Repo, actor: Actor, message = 'Squash history'): Promise<Repo> {
    const holder = actor.caller.user?.name ?? 'an administrator'
    const after = await this.#holds.run(repo, 'squash', holder, async () => {
      const snapshot = await this.#git.snapshot(repo.id)
      if (!snapshot.headOid)
        throw new HubError(
          'conflict',
          'The repository has no commit yet: there is nothing to squash.',
        )
      const { treeOid } = await this.#git.readCommit(repo.id, snapshot.headOid)
      const root = await this.#git.commitTree(repo.id, {
        treeOid,
        parents: [],
        message,
        author: signatureOf(actor.caller.user),
      })
      const head = `refs/heads/${snapshot.defaultBranch}`
      const updates = snapshot.refs.map(({ name, oid }) => ({
        name,
        oldOid: oid,
        newOid: name === head ? root : null,
      }))
      await this.#policy.requireAllowed(repo, 'admin', actor, updates)
      await this.#jobs.enqueue({ kind: 'repo.prune', key: repo.id, delayMs: 1_000 })
      await this.#git.updateRefs(repo.id, updates)
      return this.#recorder.recordRefUpdates(repo.id, actor)
    })
    await this.#events.add(makeEvent('repo.squash', actor, repo))
    return after
  }

  /** The job behind it: drops unreachable objects, then lets the LFS objects go that nothing names any more. */
  async prune(repoId: string, releaseLfs: (repo: Repo) => Promise<void>): Promise<void> {
    const repo = await this.#repos.findById(repoId)
    if (repo?.state !== 'ready') return
    await this.#holds.run(repo, 'pruning', 'the hub', () => this.#git.prune(repo.id))
    await this.#recorder.measure(repo)
    await releaseLfs(repo)
  }
}
