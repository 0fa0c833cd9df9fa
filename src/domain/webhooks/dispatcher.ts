import {
  guardedPost,
  type ResolvedAddress,
  resolveByDns,
  resolveBySystem,
} from '../../lib/guarded-post.js'
import { isPublicAddress } from '../../lib/public-address.js'
import type { SecretBox } from '../packages/secret-box.js'
import type { Audience } from './audience.js'
import { headersOf, payloadOf } from './payload.js'
import type { Attempt, ClaimedDelivery, DeliveryQueue, Settlement } from './ports.js'

const MAX_AT_ONCE = 64
const LIMITS = { perTarget: 4, perOwner: 8 }
/** More than an attempt can take, so that nobody else takes up what is under way. */
const LEASE_SLACK_SECONDS = 30
const MAX_RETRY_MS = 3_600_000

export interface DispatcherOptions {
  readonly owner: string
  readonly intervalMs: number
  readonly timeoutMs: number
  /** Wait after the first failure; doubled after each further one up to an hour. */
  readonly retryMs: number
  readonly maxAttempts: number
  readonly allowPrivate: boolean
  /** Of links in payloads; undefined = what the hub was called when the webhook was edited. */
  readonly publicUrl: string | undefined
  readonly onError: (err: unknown) => void
}

/** Delivers what is queued, many targets at once, beside the background jobs. Several processes may do so over one database. */
export class WebhookDispatcher {
  readonly #queue: DeliveryQueue
  readonly #audience: Audience
  readonly #box: SecretBox
  readonly #options: DispatcherOptions
  readonly #resolve: (hostname: string) => Promise<ResolvedAddress[]>
  readonly #abort = new AbortController()
  readonly #running = new Set<Promise<void>>()
  #timer: NodeJS.Timeout | undefined
  #filling: Promise<void> | undefined
  #again = false

  constructor(
    parts: { queue: DeliveryQueue; audience: Audience; box: SecretBox },
    options: DispatcherOptions,
  ) {
    this.#queue = parts.queue
    this.#audience = parts.audience
    this.#box = parts.box
    this.#options = options
    this.#resolve = options.allowPrivate ? resolveBySystem : resolveByDns
  }

  /** Gives back first what dead processes had claimed. */
  async start(hasEnded: (owner: string) => boolean): Promise<void> {
    for (const owner of await this.#queue.listOwners())
      if (hasEnded(owner)) await this.#queue.releaseOwner(owner)
    this.#timer = setInterval(() => this.#fill(), this.#options.intervalMs)
  }

  /** What is under way is cut off and put back: it comes again. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#abort.abort()
    await this.#filling
    await Promise.all(this.#running)
  }

  #fill(): void {
    this.#again = true
    this.#filling ??= this.#claimAll()
      .catch(this.#options.onError)
      .finally(() => {
        this.#filling = undefined
      })
  }

  async #claimAll(): Promise<void> {
    const { owner, timeoutMs } = this.#options
    const leaseSeconds = Math.ceil(timeoutMs / 1000) + LEASE_SLACK_SECONDS
    while (this.#again) {
      this.#again = false
      while (this.#running.size < MAX_AT_ONCE && !this.#abort.signal.aborted) {
        const delivery = await this.#queue.claim(owner, leaseSeconds, LIMITS)
        if (!delivery) break
        const run = this.#run(delivery)
          .catch(this.#options.onError)
          .finally(() => {
            this.#running.delete(run)
            if (!this.#abort.signal.aborted) this.#fill()
          })
        this.#running.add(run)
      }
    }
  }

  async #run(delivery: ClaimedDelivery): Promise<void> {
    const settlement = await this.#attempt(delivery).catch((err): Settlement => {
      // ours, not the receiver's: nothing was sent
      this.#options.onError(err)
      return { verdict: 'put-back', retryAfterMs: this.#options.retryMs }
    })
    await this.#queue.settle(this.#options.owner, delivery, settlement)
  }

  async #attempt(delivery: ClaimedDelivery): Promise<Settlement> {
    if (!(await this.#audience.mayHear(delivery))) return { verdict: 'dropped' }
    const began = Date.now()
    const { status, error } = await this.#post(delivery)
    if (status === null && this.#abort.signal.aborted)
      return { verdict: 'put-back', retryAfterMs: 0 }
    const attempt: Attempt = {
      at: new Date(began).toISOString(),
      durationMs: Date.now() - began,
      status,
      error,
    }
    if (error === null) return { verdict: 'delivered', attempt }
    const attempts = delivery.attempts + 1
    if (attempts >= this.#options.maxAttempts) return { verdict: 'failed', attempt }
    return { verdict: 'retry', attempt, retryAfterMs: this.#backOff(attempts) }
  }

  async #post(delivery: ClaimedDelivery): Promise<{ status: number | null; error: string | null }> {
    const { webhook } = delivery
    const baseUrl = this.#options.publicUrl ?? webhook.baseUrl
    const body = Buffer.from(JSON.stringify(payloadOf(delivery, baseUrl)))
    try {
      const secret =
        webhook.sealedSecret === null
          ? undefined
          : this.#box.open(webhook.sealedSecret, secretOf(webhook.id))
      const { status } = await guardedPost({
        url: new URL(webhook.url),
        headers: headersOf(delivery, body, secret),
        body,
        timeoutMs: this.#options.timeoutMs,
        signal: this.#abort.signal,
        allows: (address) => this.#options.allowPrivate || isPublicAddress(address),
        resolve: this.#resolve,
      })
      const taken = status >= 200 && status < 300
      return { status, error: taken ? null : wordsFor(status) }
    } catch (err) {
      return { status: null, error: (err as Error).message.slice(0, 500) }
    }
  }

  /** Doubling, with a quarter of chance on top so that what failed together does not come back together. */
  #backOff(attempts: number): number {
    const waitMs = Math.min(this.#options.retryMs * 2 ** Math.min(attempts - 1, 30), MAX_RETRY_MS)
    return Math.round(waitMs * (1 + Math.random() / 4))
  }
}

/** What a sealed secret belongs to. */
export function secretOf(webhookId: string): string {
  return `webhook ${webhookId}`
}

function wordsFor(status: number): string {
  return status >= 300 && status < 400
    ? `answered ${status}; redirects are not followed`
    : `answered ${status}`
}
