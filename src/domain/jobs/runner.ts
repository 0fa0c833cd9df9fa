import type { Job, JobStore } from '../ports.js'

const LEASE_SECONDS = 120

export type JobHandler = (job: Job, signal: AbortSignal) => Promise<void>

/** Runs durable jobs one at a time per process; what a killed process left is taken up when its lease ends. */
export class JobRunner {
  readonly #store: JobStore
  readonly #owner: string
  readonly #intervalMs: number
  readonly #handlers = new Map<string, JobHandler>()
  readonly #onError: (job: Job, err: unknown) => void
  readonly #abort = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined

  constructor(options: {
    store: JobStore
    owner: string
    intervalMs: number
    onError: (job: Job, err: unknown) => void
  }) {
    this.#store = options.store
    this.#owner = options.owner
    this.#intervalMs = options.intervalMs
    this.#onError = options.onError
  }

  handle(kind: string, handler: JobHandler): void {
    this.#handlers.set(kind, handler)
  }

  start(): void {
    this.#timer = setInterval(() => void this.drain(), this.#intervalMs)
  }

  /** Runs what is due, until nothing is. Also called by tests and by the command line. */
  drain(): Promise<void> {
    this.#running ??= this.#drain()
      .catch(() => undefined)
      .finally(() => {
        this.#running = undefined
      })
    return this.#running
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#abort.abort()
    await this.#running
  }

  async #drain(): Promise<void> {
    while (!this.#abort.signal.aborted) {
      const job = await this.#store.claim(this.#owner, LEASE_SECONDS)
      if (!job) return
      await this.#runOne(job)
    }
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
      await this.#store.finish(job.id, this.#owner)
    } catch (err) {
      this.#onError(job, err)
      const backoffMs = Math.min(1_000 * 2 ** Math.min(job.attempts, 12), 3_600_000)
      await this.#store.fail(job.id, this.#owner, String(err), backoffMs)
    } finally {
      clearInterval(renewal)
    }
  }
}
