import { KeyedLock } from '../../lib/keyed-lock.js'
import { HubError } from '../errors.js'
import type { Actor } from '../events/events.js'
import type { CommitStep, GitEngine, Signature } from '../ports.js'
import type { PushPolicy } from '../refs/push-policy.js'
import type { RefRecorder } from '../refs/recorder.js'
import type { GitOid, Repo, User } from '../types.js'

export interface CommitPlan {
  readonly message: string
  readonly author: Signature
  readonly steps: AsyncIterable<CommitStep> | Iterable<CommitStep>
}

/** Commits made by the hub on behalf of a caller, one at a time per ref, ending in the same record as a push. */
export class Committer {
  readonly #git: GitEngine
  readonly #policy: PushPolicy
  readonly #recorder: RefRecorder
  readonly #turns = new KeyedLock()

  constructor(parts: { git: GitEngine; policy: PushPolicy; recorder: RefRecorder }) {
    this.#git = parts.git
    this.#policy = parts.policy
    this.#recorder = parts.recorder
  }

  /**
   * `plan` is asked with the tip of `ref` (null while unborn) and may throw, or answer undefined for "nothing to do".
   * When a push moves the ref in between, it is asked again with the new tip. Answers the tip afterwards.
   */
  async commit(
    repo: Repo,
    ref: string,
    actor: Actor,
    plan: (tip: GitOid | null) => Promise<CommitPlan | undefined>,
    signal: AbortSignal,
  ): Promise<{ oid: GitOid | null; changed: boolean }> {
    return this.#turns.run(`${repo.id} ${ref}`, async () => {
      for (let attempt = 0; attempt < 10; attempt += 1) {
        await this.#policy.requireWritable(repo)
        const snapshot = await this.#git.snapshot(repo.id)
        const tip = snapshot.refs.find((it) => it.name === ref)?.oid ?? null
        const planned = await plan(tip)
        if (!planned) return { oid: tip, changed: false }
        try {
          const oid = await this.#git.commit(repo.id, { ref, parent: tip, ...planned }, signal)
          await this.#recorder.recordRefUpdates(repo.id, actor)
          return { oid, changed: true }
        } catch (err) {
          if (!(err instanceof HubError && err.code === 'stale_parent')) throw err
        }
      }
      throw new HubError('busy', 'the branch moves too fast, try again')
    })
  }
}

export function signatureOf(user: User | undefined, at = new Date()): Signature {
  return {
    name: user?.fullname || user?.name || 'system',
    email: user?.email ?? `${user?.name ?? 'system'}@users.noreply.packhorse`,
    at: at.toISOString(),
  }
}
