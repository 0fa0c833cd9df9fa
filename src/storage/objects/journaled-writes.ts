import { HubError } from '../../domain/errors.js'
import { WorkerPool, type WorkerSession } from '../../lib/worker-pool.js'
import { encodeRecords, type SmallObject } from './journal-records.js'
import type { JournalRequest } from './journal-worker.js'

const MAX_GROUP = 64
/** The next objects mostly come right after: a session for each group would be a message more. */
const SESSION_MS = 1_000

interface Waiting {
  readonly object: SmallObject
  resolve(): void
  reject(err: unknown): void
}

/** Writes of small objects that come at the same time, gathered for the journal's thread. */
export class JournaledWrites {
  readonly #root: string
  readonly #pool: WorkerPool
  #session: WorkerSession | undefined
  #idle: NodeJS.Timeout | undefined
  #waiting: Waiting[] = []
  #running: Promise<void> | undefined

  constructor(root: string) {
    this.#root = root
    // the extension of this very file tells whether we run from source
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const entry = new URL(`./journal-worker.${extension}`, import.meta.url)
    this.#pool = new WorkerPool({ entry, size: 1 })
  }

  /** Resolves when the object is durable and a file under its key. */
  put(object: SmallObject): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ object, resolve, reject })
      this.#running ??= this.#drain()
    })
  }

  /** The journal stays, and with it the promise: the next start brings its objects in (journal-recovery.ts). */
  async close(): Promise<void> {
    await this.#running
    clearTimeout(this.#idle)
    await this.#pool.close()
  }

  async #drain(): Promise<void> {
    // whatever else is ready in this turn of the event loop joins
    await new Promise((resolve) => setImmediate(resolve))
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, MAX_GROUP)
      try {
        await this.#write(group.map((it) => it.object))
        for (const { resolve } of group) resolve()
      } catch (err) {
        for (const { reject } of group) reject(err)
      }
    }
    this.#running = undefined
  }

  async #write(objects: readonly SmallObject[]): Promise<void> {
    try {
      const { records, placed } = encodeRecords(objects)
      const request: JournalRequest = { root: this.#root, records, placed }
      this.#session ??= await this.#pool.session()
      await this.#session.call(request, [records.buffer])
    } catch (err) {
      this.#release()
      throw new HubError('internal', 'The object cannot be stored.', {}, err)
    }
    this.#idle ??= setTimeout(() => this.#running || this.#release(), SESSION_MS).unref()
    this.#idle.refresh()
  }

  #release(): void {
    this.#session?.release()
    this.#session = undefined
  }
}
