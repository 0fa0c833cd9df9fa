import { createHash } from 'node:crypto'
import type { RepoStore } from '../repos/ports.js'
import type { Caller, RepoId } from '../types.js'

const FLUSH_MS = 250
const MAX_PENDING = 10_000

/**
 * Counts downloads without a disk write in the way of each: a moment's downloads are stored together. A crash forgets
 * that moment, nothing else.
 */
export class Downloads {
  readonly #repos: RepoStore
  readonly #onError: (err: unknown) => void
  #pending = new Map<string, { repoId: RepoId; visitor: string; known: boolean; files: number }>()
  #timer: NodeJS.Timeout | undefined
  #flushing: Promise<void> = Promise.resolve()

  constructor(parts: { repos: RepoStore; onError: (err: unknown) => void }) {
    this.#repos = parts.repos
    this.#onError = parts.onError
  }

  count(repoId: RepoId, caller: Caller, agent: string): void {
    const visitor = visitorOf(caller, agent)
    const key = `${repoId} ${visitor}`
    const seen = this.#pending.get(key)
    if (seen) seen.files += 1
    else if (this.#pending.size < MAX_PENDING)
      this.#pending.set(key, { repoId, visitor, known: caller.user !== undefined, files: 1 })
    this.#timer ??= setTimeout(() => void this.flush(), FLUSH_MS).unref()
  }

  /** Stores what was counted so far; waits for it. */
  flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const batch = [...this.#pending.values()]
    this.#pending = new Map()
    if (batch.length > 0)
      this.#flushing = this.#flushing
        .then(() => this.#repos.countDownloads(batch))
        .catch(this.#onError)
    return this.#flushing
  }
}

/** One visitor: a user, else an address with a program. Hashed, so that no address is kept. */
function visitorOf(caller: Caller, agent: string): string {
  const who = caller.user ? `user ${caller.user.id}` : `${caller.address} ${agent}`
  return createHash('sha256').update(who).digest('base64url').slice(0, 22)
}
