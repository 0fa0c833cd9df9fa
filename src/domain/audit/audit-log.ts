import { isoNow } from '../../lib/ids.js'
import type { AuditEntry, AuditFilter, AuditStore, StoredEntry } from './ports.js'
import { RefusalLimit } from './refusal-limit.js'

const FLUSH_MS = 200
/** With a database that takes nothing: what is older is lost, and said to be. */
const MAX_WAITING = 20_000
const SUPPRESSED_EVERY_MS = 60_000
const PAGE = 1_000
const SWEEP_ROWS = 2_000
const DAY_MS = 24 * 3600 * 1000

/**
 * Who did what, when, from where. Two kinds of entries: changes are events that the domain writes in the transaction of
 * the change itself, or before it is acknowledged; requests are recorded here when they are over, in batches, so that no
 * answer waits for them. A killed process loses the requests of its last fifth of a second, never a change.
 */
export class AuditLog {
  readonly #store: AuditStore
  readonly #onError: (err: unknown, lost: number) => void
  readonly #refusals: RefusalLimit
  readonly #keepDays: number
  #waiting: (AuditEntry & { at: string })[] = []
  #timer: NodeJS.Timeout | undefined
  #flushing: Promise<void> = Promise.resolve()
  #suppressedAt = Date.now()

  constructor(parts: {
    audit: AuditStore
    onError: (err: unknown, lost: number) => void
    refusalsPerMinute: number
    /** 0 = for ever. */
    keepDays: number
  }) {
    this.#store = parts.audit
    this.#onError = parts.onError
    this.#refusals = new RefusalLimit(parts.refusalsPerMinute)
    this.#keepDays = parts.keepDays
  }

  /** Kept within a fifth of a second. `limited`: of what anybody can cause only so much is kept. */
  record(entry: AuditEntry, options: { limited?: boolean } = {}): void {
    if (options.limited && !this.#refusals.take(entry.actor.name ?? entry.address)) {
      this.#schedule()
      return
    }
    this.#waiting.push({ ...entry, at: isoNow() })
    if (this.#waiting.length > MAX_WAITING) {
      const lost = this.#waiting.splice(0, this.#waiting.length - MAX_WAITING).length
      this.#onError(new Error('audit entries were lost'), lost)
    }
    this.#schedule()
  }

  #schedule(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      void this.flush()
    }, FLUSH_MS).unref()
  }

  /** Everything recorded so far is on disk when this answers; failures are told to `onError` and tried again. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#write())
    return this.#flushing
  }

  async #write(): Promise<void> {
    this.#noteSuppressed()
    const entries = this.#waiting
    if (entries.length === 0) return
    this.#waiting = []
    try {
      await this.#store.append(entries)
    } catch (err) {
      this.#waiting = [...entries, ...this.#waiting]
      this.#onError(err, 0)
      this.#schedule()
    }
  }

  #noteSuppressed(): void {
    if (Date.now() - this.#suppressedAt < SUPPRESSED_EVERY_MS) return
    const count = this.#refusals.takeSuppressed()
    if (count === 0) return
    this.#suppressedAt = Date.now()
    this.#waiting.push({ ...BY_THE_HUB, action: 'audit.suppressed', data: { count }, at: isoNow() })
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer)
    this.#suppressedAt = 0
    await this.flush()
  }

  /** Newest first. `before`: the last id of the page before. */
  async list(filter: AuditFilter, before: number | undefined, limit: number) {
    await this.flush()
    return this.#store.page(filter, 'newest', before, limit)
  }

  /** All of them, oldest first, read in pages. */
  async *each(filter: AuditFilter): AsyncGenerator<StoredEntry> {
    await this.flush()
    for (let after: number | undefined; ; ) {
      const page = await this.#store.page(filter, 'oldest', after, PAGE)
      yield* page
      after = page.at(-1)?.id
      if (page.length < PAGE) return
    }
  }

  /** Forgets what is older than the hub is told to keep; answers how many entries. */
  async sweep(now = Date.now()): Promise<number> {
    if (this.#keepDays === 0) return 0
    const before = new Date(now - this.#keepDays * DAY_MS).toISOString()
    for (let total = 0; ; ) {
      const deleted = await this.#store.deleteBefore(before, SWEEP_ROWS)
      total += deleted
      if (deleted < SWEEP_ROWS) return total
    }
  }
}

/** What nobody asked for through a dialect. */
export const BY_THE_HUB = {
  outcome: 'done',
  actor: { id: null, name: null },
  credential: null,
  address: '',
  dialect: 'hub',
  repo: null,
  request: null,
  method: null,
  path: null,
  status: null,
} as const satisfies Partial<AuditEntry>
