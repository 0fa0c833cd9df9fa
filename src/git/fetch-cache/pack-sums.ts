import { SingleFlight } from '../../lib/single-flight.js'
import { WorkerPool } from '../../lib/worker-pool.js'
import type { Sum } from './pack-sum-worker.js'
import type { Recipe } from './recipe.js'

const BESIDE_EACH_OTHER = 2

/**
 * The sum at the end of a pack that is put together for each reader. A worker thread makes it once, while the first
 * readers get what stands before it; then the recipe has it.
 */
export class PackSums {
  readonly #making = new SingleFlight<Uint8Array>()
  readonly #workers = new WorkerPool({
    entry: new URL(
      `./pack-sum-worker.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`,
      import.meta.url,
    ),
    size: BESIDE_EACH_OTHER,
  })
  readonly #signal: AbortSignal

  /** `signal` ends all of them. */
  constructor(signal: AbortSignal) {
    this.#signal = signal
  }

  async of(recipe: Recipe): Promise<Uint8Array> {
    // at once: its reader may leave, and others wait for what is worked out of these files
    const held = recipe.share()
    try {
      return (
        (await held.notedSum()) ??
        (await this.#making.run(held.head.id, () => this.#make(held.share())))
      )
    } finally {
      await held.close()
    }
  }

  close(): Promise<void> {
    return this.#workers.close()
  }

  async #make(recipe: Recipe): Promise<Uint8Array> {
    try {
      const sum = await this.#work(recipe)
      // a full disk costs the next one the time, no more
      await recipe.noteSum(sum).catch(() => undefined)
      return sum
    } finally {
      await recipe.close()
    }
  }

  async #work(recipe: Recipe): Promise<Uint8Array> {
    const session = await this.#workers.session(this.#signal)
    try {
      let sum = (await session.call(recipe.sumOrder())) as Sum
      while (!sum) {
        this.#signal.throwIfAborted()
        sum = (await session.call('more')) as Sum
      }
      return sum
    } finally {
      session.release()
    }
  }
}
