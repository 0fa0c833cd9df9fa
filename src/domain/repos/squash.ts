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

const MAX_ATTEMPTS = 10
/** Less than the patience of those who come in between. */
const PRUNE_WAIT_MS = 2_000
/** A client that keeps its clone up to date says what it had when it asks next: by then it is still there. */
const PRUNE_AFTER_MS = 10_000
/** Fetches under way are waited for so long each time, so that a slow client does not keep other repositories waiting. */
const FETCHES_MS = 5_000
/** Times, some nine minutes with what the jobs wait in between; a client that takes longer has to begin again. */
const FETCHES_ATTEMPTS = 9

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
   * crash, because the pruning job was left first. Concurrent pushes land before (their tree is kept) or are refused. One
   * that is still being received is not waited for: at its end its old oids do not match any more, or it makes a new ref;
   * nothing is pruned before.
   */
  async squash(repo: Repo, actor: Actor, message = 'Squash history'): Promise<Repo> {
    const holder = actor.caller.user?.name ?? 'an administrator'
    const squashed = async () => {
      for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
        if (await this.#replaceRefs(repo, actor, message))
          return this.#recorder.recordRefUpdates(repo.id, actor)
        // a push on the server's own disk, or git packing the refs
        await new Promise((resolve) => setTimeout(resolve, 10 * attempt))
      }
      throw new HubError('busy', 'The branches move too fast, try again.')
    }
    const after = await this.#holds.run(repo, 'squash', holder, squashed, {
      waitFor: 'moving',
    })
    await this.#events.add(makeEvent('repo.squash', actor, repo))
    return after
  }

  /** False when a ref changed meanwhile. */
  async #replaceRefs(repo: Repo, actor: Actor, message: string): Promise<boolean> {
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
    await this.#jobs.enqueue({ kind: 'repo.prune', key: repo.id, delayMs: PRUNE_AFTER_MS })
    try {
      await this.#git.replaceRefs(repo.id, snapshot, { name: head, oid: root })
      return true
    } catch (err) {
      if (err instanceof HubError && err.code === 'conflict') return false
      throw err
    }
  }

  /** The job behind it: drops unreachable objects, then lets the LFS objects go that nothing names any more. */
  async prune(
    repoId: string,
    releaseLfs: (repo: Repo) => Promise<void>,
    attempts = 0,
  ): Promise<void> {
    const repo = await this.#repos.findById(repoId)
    if (repo?.state !== 'ready') return
    if (!(await this.#git.fetchesEnded(repo.id, FETCHES_MS)) && attempts < FETCHES_ATTEMPTS)
      throw new HubError('busy', 'fetches are still running, try again later')
    // a push that takes its time must not keep the others out meanwhile: the job comes round again
    const wait = { waitMs: PRUNE_WAIT_MS }
    await this.#holds.run(repo, 'pruning', 'the hub', () => this.#git.prune(repo.id), wait)
    await this.#recorder.measure(repo)
    await releaseLfs(repo)
  }
}
