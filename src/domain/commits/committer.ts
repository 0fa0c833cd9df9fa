import { KeyedLock } from '../../lib/keyed-lock.js'
import { mayBePointer, parseLfsPointer } from '../../protocol/lfs-pointer.js'
import type { Access } from '../access/access.js'
import { HubError } from '../errors.js'
import type { Actor } from '../events/events.js'
import type { CommitStep, GitEngine, RefSnapshot, Signature } from '../ports.js'
import type { PushPolicy } from '../refs/push-policy.js'
import type { RefRecorder } from '../refs/recorder.js'
import { HOLD_PATIENCE_MS, isShortHold } from '../repos/holds.js'
import type { GitOid, LfsOid, LfsPointer, RefUpdate, Repo, User } from '../types.js'

export interface CommitPlan {
  readonly message: string
  readonly author: Signature
  readonly steps: AsyncIterable<CommitStep> | Iterable<CommitStep>
  /** When the ref does not begin at its own tip: the base of a new pull request. */
  readonly parent?: GitOid | null
}

/** Refs to move, and the LFS objects that their new commits name where that is known without a walk. */
interface RefChange {
  readonly updates: readonly RefUpdate[]
  readonly pointers?: readonly LfsPointer[] | undefined
}

const NOTHING: RefChange = { updates: [] }

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
    actor: Actor,
    plan: (tip: GitOid | null) => Promise<CommitPlan | undefined>,
    signal: AbortSignal,
  ): Promise<{ oid: GitOid | null; changed: boolean }> {
    const result = { oid: null as GitOid | null, changed: false }
    await this.#change(repo, [ref], actor, async (snapshot) => {
      const tip = snapshot.refs.find((it) => it.name === ref)?.oid ?? null
      const planned = await plan(tip)
      result.oid = tip
      if (!planned) return NOTHING
      const { parent = tip, ...rest } = planned
      const oid = await this.#git.writeCommit(repo.id, { parent, ...rest }, signal)
      if (parent && parent === tip && (await this.#sameTree(repo, parent, oid))) return NOTHING
      result.oid = oid
      result.changed = true
      const pointers = parent === tip ? await this.#pointersIn(repo, planned.steps) : undefined
      return { updates: [{ name: ref, oldOid: tip, newOid: oid }], pointers }
    })
    return result
  }

  /** The LFS objects that a commit names beyond its parent; undefined when that takes a walk. */
  async #pointersIn(repo: Repo, steps: CommitPlan['steps']): Promise<LfsPointer[] | undefined> {
    if (!Array.isArray(steps)) return undefined
    const pointers: LfsPointer[] = []
    const links: GitOid[] = []
    for (const step of steps as CommitStep[]) {
      if (step.type === 'link') links.push(step.oid)
      else if (step.type === 'put' && mayBePointer(step.size)) {
        if (!Buffer.isBuffer(step.content)) return undefined
        const pointer = parseLfsPointer(step.content)
        if (pointer) pointers.push(pointer)
      }
    }
    if (links.length) {
      const linked = await this.#git.inspectBlobs(repo.id, links)
      pointers.push(...linked.pointers.values())
    }
    return pointers
  }

  /**
   * Moves refs as `plan` says for what it is shown; all of them or none. `names` are the refs that it may touch.
   * Objects that it writes are safe from pruning until the refs name them.
   */
  async changeRefs(
    repo: Repo,
    names: readonly string[],
    actor: Actor,
    plan: (snapshot: RefSnapshot) => Promise<readonly RefUpdate[]>,
  ): Promise<void> {
    await this.#change(repo, names, actor, async (it) => ({ updates: await plan(it) }))
  }

  async #change(
    repo: Repo,
    names: readonly string[],
    actor: Actor,
    plan: (snapshot: RefSnapshot) => Promise<RefChange>,
  ): Promise<void> {
    await this.#turns.run(`${repo.id} ${names.join(' ')}`, async () => {
      const giveUpAt = Date.now() + HOLD_PATIENCE_MS
      for (let attempt = 0; attempt < MAX_ATTEMPTS; ) {
        try {
          if (await this.#markedAttempt(repo, actor, plan)) return
          attempt += 1
          await pause(Math.random() * 4 * attempt)
        } catch (err) {
          if (!isShortHold(err) || Date.now() > giveUpAt) throw err
          await pause(50)
        }
      }
      throw new HubError('busy', 'The branch moves too fast, try again.')
    })
  }

  /** The mark ends with the attempt: who holds the repository waits for marks, and the next attempt for them. */
  async #markedAttempt(
    repo: Repo,
    actor: Actor,
    plan: (snapshot: RefSnapshot) => Promise<RefChange>,
  ): Promise<boolean> {
    const unmark = await this.#git.markWriter(repo.id)
    try {
      return await this.#attempt(repo, actor, plan)
    } finally {
      await unmark()
    }
  }

  async #attempt(
    repo: Repo,
    actor: Actor,
    plan: (snapshot: RefSnapshot) => Promise<RefChange>,
  ): Promise<boolean> {
    await this.#policy.requireWritable(repo)
    const { updates, pointers } = await plan(await this.#git.snapshot(repo.id))
    if (updates.length === 0) return true
    const right = (await this.#access.rightOn(actor.caller, repo)) ?? 'read'
    await this.#policy.requireAllowed(repo, right, actor, updates)
    const named: LfsOid[] = pointers?.map((it) => it.oid) ?? []
    if (pointers) await this.#policy.claimNamed(repo, pointers)
    else await this.#policy.claimPointers(repo, updates, ({ oid }) => named.push(oid))
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

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

export function signatureOf(user: User | undefined, at = new Date()): Signature {
  return {
    name: user?.fullname || user?.name || 'system',
    email: user?.email ?? `${user?.name ?? 'system'}@users.noreply.packhorse`,
    at: at.toISOString(),
  }
}
