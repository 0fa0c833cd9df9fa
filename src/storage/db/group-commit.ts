import type { HotStatements } from './hot-statements.js'
import type { LateSync } from './late-sync.js'

const MAX_GROUP = 64

interface Waiting<Order, Outcome> {
  readonly order: Order
  resolve(outcome: Outcome): void
  reject(err: unknown): void
}

/**
 * Orders that come at the same time are carried out by one transaction, and with it one wait for the disk. Each is told
 * its outcome when it is durable; one that fails spoils none of the others.
 */
export class GroupCommit<Order, Outcome> {
  readonly #db: LateSync
  readonly #work: (hot: HotStatements, orders: readonly Order[]) => Outcome[]
  #waiting: Waiting<Order, Outcome>[] = []
  #running = false

  /** @param work answers the outcomes in the order of the orders. */
  constructor(db: LateSync, work: (hot: HotStatements, orders: readonly Order[]) => Outcome[]) {
    this.#db = db
    this.#work = work
  }

  run(order: Order): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ order, resolve, reject })
      if (this.#running) return
      this.#running = true
      // whatever else is ready in this turn of the event loop joins
      setImmediate(() => void this.#drain())
    })
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, MAX_GROUP)
      try {
        await this.#finish(group, await this.#commit(group))
      } catch {
        for (const one of group)
          await this.#commit([one]).then((outcomes) => this.#finish([one], outcomes), one.reject)
      }
    }
    this.#running = false
  }

  #commit(group: readonly Waiting<Order, Outcome>[]): Promise<Outcome[]> {
    const orders = group.map((it) => it.order)
    return this.#db.transact((hot) => this.#work(hot, orders))
  }

  /** Never rejects: what is committed is not tried again, whether or not it could be synced. */
  async #finish(group: readonly Waiting<Order, Outcome>[], outcomes: Outcome[]): Promise<void> {
    try {
      await this.#db.sync()
      for (const [at, { resolve }] of group.entries()) resolve(outcomes[at] as Outcome)
    } catch (err) {
      for (const { reject } of group) reject(err)
    }
  }
}
