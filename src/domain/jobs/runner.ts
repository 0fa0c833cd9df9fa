import type { Job, JobStore } from './ports.js'

const LEASE_SECONDS = 120
/** Jobs side by side, so that a long one does not keep the others waiting. */
const LANES = 4
/** How long `stop` waits for the jobs at hand. What is cut off then is taken up again when its lease ends. */
const STOP_MS = 10_000

export type JobHandler = (job: Job, signal: AbortSignal) => Promise<void>

/**
 * Runs durable jobs, a few side by side and of each kind one at a time per process; what a killed process left is taken up
 * when its lease ends.
 */
export class JobRunner {
  readonly #store: JobStore
  readonly #owner: string
  readonly #intervalMs: number
  readonly #handlers = new Map<string, JobHandler>()
  readonly #every = new Map<string, number>()
  readonly #onError: (err: unknown, job?: Job) => void
  readonly #abort = new AbortController()
  #onDone: (job: Job) => Promise<void> = async () => undefined
  #timer: NodeJS.Timeout | undefined
  /** By kind. */
  readonly #atWork = new Map<string, Promise<void>>()
  #claiming: Promise<void> | undefined
  #claimAgain = false

  constructor(options: {
    store: JobStore
    owner: string
    intervalMs: number
    onError: (err: unknown, job?: Job) => void
  }) {
    this.#store = options.store
    this.#owner = options.owner
    this.#intervalMs = options.intervalMs
    this.#onError = options.onError
  }

  /** Called with every job that went well, before it counts as done. */
  onDone(hear: (job: Job) => Promise<void>): void {
    this.#onDone = hear
  }

  handle(kind: string, handler: JobHandler): void {
    this.#handlers.set(kind, handler)
  }

  /** A job (key `all`) that also comes round by itself: `seconds` after the start and after each run. */
  handleEvery(kind: string, seconds: number, handler: JobHandler): void {
    this.#handlers.set(kind, handler)
    this.#every.set(kind, seconds)
  }

  async start(): Promise<void> {
    for (const kind of this.#every.keys()) await this.#planNext(kind)
    this.#timer = setInterval(() => void this.#fill(), this.#intervalMs)
  }

  async #planNext(kind: string): Promise<void> {
    const seconds = this.#every.get(kind)
    if (seconds) await this.#store.enqueue({ kind, key: 'all', delayMs: seconds * 1000 })
  }

  /** Runs what is due, until nothing is. Also called by tests and by the command line. */
  async drain(): Promise<void> {
    for (;;) {
      await this.#fill()
      if (this.#atWork.size === 0) return
      await Promise.race(this.#atWork.values())
    }
  }

  /** Begins what is due, as far as there are lanes. */
  #fill(): Promise<void> {
    // who claims just now may have looked before the caller's work was there
    this.#claimAgain = true
    this.#claiming ??= this.#claim()
      .catch((err) => this.#onError(err))
      .finally(() => {
        this.#claiming = undefined
      })
    return this.#claiming
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#abort.abort()
    let timer: NodeJS.Timeout | undefined
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, STOP_MS)
    })
    const ended = Promise.all([this.#claiming, ...this.#atWork.values()])
    await Promise.race([ended, patience])
    clearTimeout(timer)
  }

  async #claim(): Promise<void> {
    while (this.#claimAgain) {
      this.#claimAgain = false
      // a database in this process answers without the event loop, which jobs in a row must not keep from everybody else
      await new Promise((resolve) => setImmediate(resolve))
      while (this.#atWork.size < LANES && !this.#abort.signal.aborted) {
        const job = await this.#store.claim(this.#owner, LEASE_SECONDS, [...this.#atWork.keys()])
        if (!job) break
        this.#begin(job)
      }
    }
  }

  #begin(job: Job): void {
    const run = this.#runOne(job)
      .catch((err) => this.#onError(err, job))
      .finally(() => {
        this.#atWork.delete(job.kind)
        void this.#fill()
      })
    this.#atWork.set(job.kind, run)
  }

  async #runOne(job: Job): Promise<void> {
    const renewal = setInterval(
      () => void this.#store.renew(job.id, this.#owner, LEASE_SECONDS).catch(() => undefined),
      (LEASE_SECONDS * 1000) / 3,
    )
    try {
      const handler = this.#handlers.get(job.kind)
      if (!handler) throw new Error(`no handler for ${job.kind}`)
      await handler(job, this.#abort.signal)
      await this.#onDone(job)
      await this.#store.finish(job.id, this.#owner)
      await this.#planNext(job.kind)
    } catch (err) {
      this.#onError(err, job)
      const backoffMs = Math.min(1_000 * 2 ** Math.min(job.attempts, 12), 3_600_000)
      await this.#store.fail(job.id, this.#owner, String(err), backoffMs)
    } finally {
      clearInterval(renewal)
    }
  }
}
