import { KeyedLock } from '../../lib/keyed-lock.js'
import type { Access } from '../access/access.js'
import { HubError } from '../errors.js'
import type { Actor } from '../events/events.js'
import type { CommitStep, GitEngine, RefSnapshot, Signature } from '../ports.js'
import type { PushPolicy } from '../refs/push-policy.js'
import type { RefRecorder } from '../refs/recorder.js'
import type { GitOid, LfsOid, RefUpdate, Repo, Right, User } from '../types.js'

export interface CommitPlan {
  readonly message: string
  readonly author: Signature
  readonly steps: AsyncIterable<CommitStep> | Iterable<CommitStep>
  /** When the ref does not begin at its own tip: the base of a new pull request. */
  readonly parent?: GitOid | null
}

/** Who moves refs. `right`: what the guards (protected branches, secret scanning) judge by; without it the hub acts for itself. */
export type Mover = Actor & { readonly right?: Right }

/** Contenders in other processes get a turn between two attempts; the wait grows so that many of them still all get through. */
const MAX_ATTEMPTS = 60

/** Changes of refs made by the hub on behalf of a caller, one at a time per ref, ending in the same record as a push. */
export class Committer {
  readonly #git: GitEngine
  readonly #access: Access
  readonly #policy: PushPolicy
  readonly #recorder: RefRecorder
  readonly #turns = new KeyedLock()

  constructor(parts: {
    git: GitEngine
    access: Access
    policy: PushPolicy
    recorder: RefRecorder
  }) {
    this.#git = parts.git
    this.#access = parts.access
    this.#policy = parts.policy
    this.#recorder = parts.recorder
  }

  /**
   * `plan` is asked with the tip of `ref` (null while unborn) and may throw, or answer undefined for "nothing to do".
   * When the ref moves in between, it is asked again with the new tip. A commit that would change nothing is not made.
   * Answers the tip afterwards.
   */
  async commit(
    repo: Repo,
    ref: string,
    actor: Mover,
    plan: (tip: GitOid | null) => Promise<CommitPlan | undefined>,
    signal: AbortSignal,
  ): Promise<{ oid: GitOid | null; changed: boolean }> {
    const result = { oid: null as GitOid | null, changed: false }
    await this.changeRefs(repo, [ref], actor, async (snapshot) => {
      const tip = snapshot.refs.find((it) => it.name === ref)?.oid ?? null
      const planned = await plan(tip)
      result.oid = tip
      if (!planned) return []
      const { parent = tip, ...rest } = planned
      const oid = await this.#git.writeCommit(repo.id, { parent, ...rest }, signal)
      if (parent && parent === tip && (await this.#sameTree(repo, parent, oid))) return []
      result.oid = oid
      result.changed = true
      return [{ name: ref, oldOid: tip, newOid: oid }]
    })
    return result
  }

  /**
   * Moves refs as `plan` says for what it is shown; all of them or none. `names` are the refs that it may touch.
   * Objects that it writes are safe from pruning until the refs name them.
   */
  async changeRefs(
    repo: Repo,
    names: readonly string[],
    actor: Mover,
    plan: (snapshot: RefSnapshot) => Promise<readonly RefUpdate[]>,
  ): Promise<void> {
    await this.#turns.run(`${repo.id} ${names.join(' ')}`, async () => {
      const unmark = await this.#git.markWriter(repo.id)
      try {
        for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
          if (await this.#attempt(repo, actor, plan)) return
          await new Promise((resolve) => setTimeout(resolve, Math.random() * 4 * (attempt + 1)))
        }
        throw new HubError('busy', 'The branch moves too fast, try again.')
      } finally {
        await unmark()
      }
    })
  }

  async #attempt(
    repo: Repo,
    actor: Mover,
    plan: (snapshot: RefSnapshot) => Promise<readonly RefUpdate[]>,
  ): Promise<boolean> {
    await this.#policy.requireWritable(repo)
    const updates = await plan(await this.#git.snapshot(repo.id))
    if (updates.length === 0) return true
    if (actor.right) await this.#policy.requireAllowed(repo, actor.right, actor, updates)
    const right = (await this.#access.rightOn(actor.caller, repo)) ?? 'read'
    await this.#policy.requireAllowed(repo, right, actor, updates)
    const named: LfsOid[] = []
    await this.#policy.claimPointers(repo, updates, ({ oid }) => named.push(oid))
    try {
      await this.#git.updateRefs(repo.id, updates)
    } catch (err) {
      if (err instanceof HubError && err.code === 'conflict') return false
      throw err
    }
    await this.#recorder.recordRefUpdates(repo.id, actor)
    await this.#policy.releasePointers(repo, named)
    return true
  }

  async #sameTree(repo: Repo, a: GitOid, b: GitOid): Promise<boolean> {
    const [one, other] = await Promise.all([a, b].map((it) => this.#git.readCommit(repo.id, it)))
    return one?.treeOid === other?.treeOid
  }
}

export function signatureOf(user: User | undefined, at = new Date()): Signature {
  return {
    name: user?.fullname || user?.name || 'system',
    email: user?.email ?? `${user?.name ?? 'system'}@users.noreply.packhorse`,
    at: at.toISOString(),
  }
}
