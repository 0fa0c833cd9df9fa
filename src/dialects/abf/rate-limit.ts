import type { Response } from 'express'
import { HubError } from '../../domain/errors.js'
import { SharedCounts } from '../../lib/shared-counts.js'
import type { Siblings } from '../../lib/siblings.js'

const HOUR_MS = 3_600_000

/**
 * Calls per caller and clock hour, told in X-RateLimit-Limit and X-RateLimit-Remaining. Worker processes count together;
 * it slows a runaway script down and decides nothing else, so hubs on several machines may each grant the number.
 */
export class CallLimit {
  readonly #perHour: number
  readonly #calls: SharedCounts

  constructor(perHour: number, siblings?: Siblings) {
    this.#perHour = perHour
    this.#calls = new SharedCounts({ topic: 'abf calls', maxKeys: 50_000, siblings })
  }

  /** Throws `rate_limited` when the hour's calls are used up. */
  take(key: string, res: Response): void {
    const now = Date.now()
    const { used, endsAt } = this.#calls.take(key, (Math.floor(now / HOUR_MS) + 1) * HOUR_MS)
    res.set({
      'X-RateLimit-Limit': String(this.#perHour),
      'X-RateLimit-Remaining': String(Math.max(0, this.#perHour - used)),
    })
    if (used > this.#perHour)
      throw new HubError('rate_limited', 'rate limit exceeded', {
        retryAfterSeconds: Math.ceil((endsAt - now) / 1000),
      })
  }
}
