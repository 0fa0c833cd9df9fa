import type { Response } from 'express'
import { LRUCache } from 'lru-cache'
import { HubError } from '../../domain/errors.js'

const HOUR_MS = 3_600_000

/**
 * Calls per caller and clock hour, told in X-RateLimit-Limit and X-RateLimit-Remaining. Counted in this process: it slows
 * a runaway script down and decides nothing else, so several processes may each grant the number.
 */
export class CallLimit {
  readonly #perHour: number
  readonly #calls = new LRUCache<string, { hour: number; count: number }>({ max: 50_000 })

  constructor(perHour: number) {
    this.#perHour = perHour
  }

  /** Throws `rate_limited` when the hour's calls are used up. */
  take(key: string, res: Response): void {
    const hour = Math.floor(Date.now() / HOUR_MS)
    const known = this.#calls.get(key)
    const entry = known?.hour === hour ? known : { hour, count: 0 }
    entry.count += 1
    this.#calls.set(key, entry)
    res.set({
      'X-RateLimit-Limit': String(this.#perHour),
      'X-RateLimit-Remaining': String(Math.max(0, this.#perHour - entry.count)),
    })
    if (entry.count > this.#perHour)
      throw new HubError('rate_limited', 'rate limit exceeded', {
        retryAfterSeconds: Math.ceil(((hour + 1) * HOUR_MS - Date.now()) / 1000),
      })
  }
}
