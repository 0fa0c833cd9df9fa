export interface QueueLimits {
  /** Tasks at once. */
  readonly slots: number
  /** Of these, for one thing (repository) at most. */
  readonly slotsPerThing: number
  /** Waiting, all in all, and of one user. */
  readonly maxWaiting: number
  readonly maxWaitingPerUser: number
  readonly maxWaitMs: number
}

/** The queue is full, or the turn did not come in time. */
export class QueueBusy extends Error {}

interface Waiting {
  readonly user: string
  readonly thing: string
  readonly start: () => void
}

/**
 * Lets a bounded number of tasks run at once. Who waits is served in turns: users one after the other, and for each
 * user the things he waits for one after the other, however many tasks stand behind each.
 */
export class FairQueue {
  readonly #limits: QueueLimits
  /** Users in the order of their turns; within, things in the order of theirs. */
  readonly #waiting = new Map<string, Map<string, Waiting[]>>()
  readonly #runningOf = new Map<string, number>()
  #running = 0
  #length = 0

  constructor(limits: QueueLimits) {
    this.#limits = limits
  }

  get running(): number {
    return this.#running
  }

  get length(): number {
    return this.#length
  }

  /** Waits for the turn; answers what gives the slot back. Rejects with QueueBusy, or with the signal's reason. */
  async take(user: string, thing: string, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted()
    if (this.#mayRun(thing)) this.#begin(thing)
    else await this.#wait(user, thing, signal)
    let given = false
    return () => {
      if (given) return
      given = true
      this.#end(thing)
    }
  }

  #mayRun(thing: string): boolean {
    const { slots, slotsPerThing } = this.#limits
    return this.#running < slots && (this.#runningOf.get(thing) ?? 0) < slotsPerThing
  }

  #begin(thing: string): void {
    this.#running += 1
    this.#runningOf.set(thing, (this.#runningOf.get(thing) ?? 0) + 1)
  }

  #end(thing: string): void {
    this.#running -= 1
    const left = (this.#runningOf.get(thing) ?? 1) - 1
    if (left > 0) this.#runningOf.set(thing, left)
    else this.#runningOf.delete(thing)
    for (let next = this.#next(); next; next = this.#next()) {
      this.#begin(next.thing)
      next.start()
    }
  }

  #wait(user: string, thing: string, signal: AbortSignal): Promise<void> {
    const { maxWaiting, maxWaitingPerUser, maxWaitMs } = this.#limits
    const ofUser = [...(this.#waiting.get(user)?.values() ?? [])].reduce(
      (n, it) => n + it.length,
      0,
    )
    if (this.#length >= maxWaiting || ofUser >= maxWaitingPerUser)
      return Promise.reject(new QueueBusy('too many are waiting'))
    return new Promise((resolve, reject) => {
      const leave = (reason: unknown) => {
        settle()
        this.#remove(entry)
        reject(reason)
      }
      const abort = () => leave(signal.reason)
      const timer = setTimeout(() => leave(new QueueBusy('waited too long')), maxWaitMs)
      const settle = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', abort)
      }
      const start = () => {
        settle()
        resolve()
      }
      const entry = { user, thing, start }
      signal.addEventListener('abort', abort, { once: true })
      this.#add(entry)
    })
  }

  #add(entry: Waiting): void {
    const things = this.#waiting.get(entry.user) ?? new Map<string, Waiting[]>()
    this.#waiting.set(entry.user, things)
    things.set(entry.thing, [...(things.get(entry.thing) ?? []), entry])
    this.#length += 1
  }

  #remove(entry: Waiting): void {
    const things = this.#waiting.get(entry.user)
    const left = things?.get(entry.thing)?.filter((it) => it !== entry) ?? []
    if (left.length) things?.set(entry.thing, left)
    else things?.delete(entry.thing)
    if (things?.size === 0) this.#waiting.delete(entry.user)
    this.#length -= 1
  }

  /** Takes out whose turn it is; user and thing go to the end of their rows. */
  #next(): Waiting | undefined {
    for (const [user, things] of this.#waiting)
      for (const [thing, [first]] of things) {
        if (!first || !this.#mayRun(thing)) continue
        this.#remove(first)
        rotate(things, thing)
        rotate(this.#waiting, user)
        return first
      }
    return undefined
  }
}

function rotate<V>(map: Map<string, V>, key: string): void {
  const value = map.get(key)
  if (value === undefined) return
  map.delete(key)
  map.set(key, value)
}
