import type { Transaction } from 'kysely'
import type { Db } from './open.js'
import type { Schema } from './schema.js'

const MAX_GROUP = 64

type Work<T> = (tx: Transaction<Schema>) => Promise<T>

interface Waiting {
  readonly work: Work<unknown>
  resolve(value: unknown): void
  reject(err: unknown): void
}

/**
 * Small pieces of work that come at the same time share a transaction, and with it one wait for the disk, which holds up
 * this whole process. Each is told its outcome after the commit; one that fails spoils none of the others.
 */
export class GroupCommit {
  readonly #db: Db
  #waiting: Waiting[] = []
  #running = false

  constructor(db: Db) {
    this.#db = db
  }

  run<T>(work: Work<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ work, resolve: (value) => resolve(value as T), reject })
      if (this.#running) return
      this.#running = true
      // whatever else is ready in this turn of the event loop joins
      setImmediate(() => void this.#drain())
    })
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, MAX_GROUP)
      if (!(await this.#together(group))) for (const one of group) await this.#alone(one)
    }
    this.#running = false
  }

  async #together(group: readonly Waiting[]): Promise<boolean> {
    const outcomes: unknown[] = []
    try {
      await this.#db.transaction().execute(async (tx) => {
        for (const { work } of group) outcomes.push(await work(tx))
      })
    } catch {
      return false
    }
    for (const [at, { resolve }] of group.entries()) resolve(outcomes[at])
    return true
  }

  async #alone({ work, resolve, reject }: Waiting): Promise<void> {
    try {
      resolve(await this.#db.transaction().execute(work))
    } catch (err) {
      reject(err)
    }
  }
}
