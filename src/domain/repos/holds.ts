import { HubError } from '../errors.js'
import type { GitEngine } from '../ports.js'
import type { Repo } from '../types.js'
import type { Hold, HoldStore } from './ports.js'

const LEASE_SECONDS = 60
const DRAIN_MS = 30_000

/** Keeps writers out of a repository while something needs it for itself. */
export class Holds {
  readonly #store: HoldStore
  readonly #git: GitEngine
  readonly #owner: string

  /** `owner` names this process instance, so that its holds can be swept after it died. */
  constructor(parts: { holds: HoldStore; git: GitEngine; owner: string }) {
    this.#store = parts.holds
    this.#git = parts.git
    this.#owner = parts.owner
  }

  /**
   * Runs `task` with new pushes refused and the ones under way finished. `moving`: without waiting for those that are
   * still being received, for tasks that take no object away; they are refused, or find the refs as the task left them.
   * Throws `repo_locked` when somebody else holds it, `busy` when pushes do not end in time.
   */
  async run<T>(
    repo: Repo,
    kind: string,
    holder: string,
    task: () => Promise<T>,
    { waitFor = 'all', waitMs = DRAIN_MS }: { waitFor?: 'all' | 'moving'; waitMs?: number } = {},
  ): Promise<T> {
    const hold = await this.#store.acquire({
      repoId: repo.id,
      kind,
      holder,
      owner: this.#owner,
      seconds: LEASE_SECONDS,
    })
    if (!hold) {
      const [other] = await this.#store.find(repo.id)
      if (other) throw lockedError(other)
      throw new HubError('repo_locked', 'The repository was locked. Try again.')
    }
    const renewal = setInterval(
      () => void this.#store.renew(hold.id, LEASE_SECONDS).catch(() => undefined),
      (LEASE_SECONDS * 1000) / 3,
    )
    try {
      await this.#drain(repo, waitFor, waitMs)
      return await task()
    } finally {
      clearInterval(renewal)
      await this.#store.release(hold.id)
    }
  }

  async #drain(repo: Repo, which: 'all' | 'moving', waitMs: number): Promise<void> {
    const deadline = Date.now() + waitMs
    while ((await this.#git.pushesInFlight(repo.id, which)) > 0) {
      if (Date.now() > deadline)
        throw new HubError('busy', 'pushes are still running, try again later')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

/** What a refused writer is told: what for, by whom, until when. */
export function lockedError(hold: Hold): HubError {
  return new HubError(
    'repo_locked',
    `The repository is locked for ${hold.kind} by ${hold.holder} until ${hold.expiresAt} at the latest. Try again later.`,
    { holdId: hold.id, hold: hold.kind },
  )
}

/** The hub's own holds end soon as a rule: who comes in between waits for them rather than fail. */
export const HOLD_PATIENCE_MS = 5_000

export function isShortHold(err: unknown): boolean {
  return (
    err instanceof HubError &&
    err.code === 'repo_locked' &&
    ['squash', 'pruning'].includes(String(err.facts.hold))
  )
}

/** Does it again while the hub itself holds the repository. */
export async function afterShortHolds<T>(act: () => Promise<T>): Promise<T> {
  const giveUpAt = Date.now() + HOLD_PATIENCE_MS
  for (;;) {
    try {
      return await act()
    } catch (err) {
      if (!isShortHold(err) || Date.now() > giveUpAt) throw err
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}
