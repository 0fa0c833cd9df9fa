import { LRUCache } from 'lru-cache'

/** One source may use this share of the whole room. */
const SHARE = 5
/** What may come at once: as much as in ten minutes. */
const BURST_MINUTES = 10
const MAX_SOURCES = 10_000

interface Bucket {
  left: number
  at: number
}

/**
 * Keeps what anybody can cause (refusals, failed logins) from filling the disk: so many entries a minute in all, a fifth
 * of it for one source. What is over is counted, not kept.
 */
export class RefusalLimit {
  readonly #perMinute: number
  readonly #all: Bucket
  readonly #sources = new LRUCache<string, Bucket>({ max: MAX_SOURCES })
  #suppressed = 0

  constructor(perMinute: number) {
    this.#perMinute = perMinute
    this.#all = { left: perMinute * BURST_MINUTES, at: Date.now() }
  }

  take(source: string): boolean {
    const now = Date.now()
    const each = this.#perMinute / SHARE
    const bucket = this.#sources.get(source) ?? { left: Math.max(1, each * BURST_MINUTES), at: now }
    this.#sources.set(source, bucket)
    refill(bucket, each, now)
    refill(this.#all, this.#perMinute, now)
    if (bucket.left < 1 || this.#all.left < 1) {
      this.#suppressed += 1
      return false
    }
    bucket.left -= 1
    this.#all.left -= 1
    return true
  }

  /** How many were left out since this was last asked. */
  takeSuppressed(): number {
    const count = this.#suppressed
    this.#suppressed = 0
    return count
  }
}

function refill(bucket: Bucket, perMinute: number, now: number): void {
  const most = Math.max(1, perMinute * BURST_MINUTES)
  bucket.left = Math.min(most, bucket.left + ((now - bucket.at) / 60_000) * perMinute)
  bucket.at = now
}
