import { setTimeout as sleep } from 'node:timers/promises'
import type { RepoId } from '../domain/types.js'

const LOOK_MS = 50

/** The git processes of this hub that make packs out of a repository: what they look for must not be pruned under them. */
export class Readers {
  readonly #running = new Map<RepoId, Set<symbol>>()

  async during<T>(id: RepoId, task: () => Promise<T>): Promise<T> {
    const mine = Symbol(id)
    const running = this.#running.get(id) ?? new Set()
    this.#running.set(id, running.add(mine))
    try {
      return await task()
    } finally {
      running.delete(mine)
      if (running.size === 0) this.#running.delete(id)
    }
  }

  /** Waits until those that are running now have ended; false when the patience ends first. */
  async ended(id: RepoId, patienceMs: number): Promise<boolean> {
    const now = [...(this.#running.get(id) ?? [])]
    const deadline = Date.now() + patienceMs
    while (now.some((it) => this.#running.get(id)?.has(it))) {
      if (Date.now() >= deadline) return false
      await sleep(LOOK_MS)
    }
    return true
  }
}
