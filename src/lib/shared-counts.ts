import { LRUCache } from 'lru-cache'
import type { Siblings } from './siblings.js'

/** How long counts of this process stay its own: so far a limit may be overrun. */
const TELL_MS = 100

interface Window {
  readonly endsAt: number
  used: number
}

/** Key, end of its window, and how much was used since the last time. */
type News = readonly (readonly [key: string, endsAt: number, used: number])[]

/**
 * Counts by key within windows of time, added up over all worker processes a moment later. A process that is started
 * anew begins with nothing, as it does without siblings.
 */
export class SharedCounts {
  readonly #windows: LRUCache<string, Window>
  readonly #topic: string
  readonly #siblings: Siblings | undefined
  #news = new Map<string, { endsAt: number; used: number }>()
  #timer: NodeJS.Timeout | undefined

  constructor(options: { topic: string; maxKeys: number; siblings: Siblings | undefined }) {
    this.#windows = new LRUCache({ maxSize: options.maxKeys, sizeCalculation: () => 1 })
    this.#topic = options.topic
    this.#siblings = options.siblings
    this.#siblings?.onRelay(this.#topic, (news: News) => {
      for (const [key, endsAt, used] of news) this.#add(key, endsAt, used)
    })
  }

  /** Counts one more. A window that is open goes on; else one opens that ends at `endsAt` (milliseconds since 1970). */
  take(key: string, endsAt: number): { used: number; endsAt: number } {
    const window = this.#add(key, endsAt, 1)
    if (this.#siblings) this.#tell(key, window.endsAt)
    return window
  }

  #add(key: string, endsAt: number, used: number): Window {
    const known = this.#windows.get(key)
    const window = known && known.endsAt > Date.now() ? known : { endsAt, used: 0 }
    window.used += used
    if (window !== known) this.#windows.set(key, window)
    return window
  }

  #tell(key: string, endsAt: number): void {
    const known = this.#news.get(key)
    if (known) known.used += 1
    else this.#news.set(key, { endsAt, used: 1 })
    this.#timer ??= setTimeout(() => {
      const news: News = [...this.#news].map(([name, it]) => [name, it.endsAt, it.used])
      this.#news = new Map()
      this.#timer = undefined
      this.#siblings?.relay(this.#topic, news)
    }, TELL_MS).unref()
  }
}
