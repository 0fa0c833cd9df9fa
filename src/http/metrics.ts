import type { RequestHandler } from 'express'
import {
  AggregatorRegistry,
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  type MetricObject,
  Registry,
} from 'prom-client'
import type { Siblings } from '../lib/siblings.js'
import { dialectOf } from './request-facts.js'
import { type Ended, wireBytes } from './request-log.js'

/** What the gauges ask when somebody scrapes. */
export interface Observed {
  readonly git: {
    runningProcesses(): number
    fetchCounts(): {
      readonly made: number
      readonly copied: number
      readonly joined: number
      readonly hits: number
      readonly waiting: number
    }
  }
  readonly stores: {
    readonly jobs: { counts(): Promise<{ waiting: number; running: number; failing: number }> }
    readonly deliveries: { counts(): Promise<{ due: number; running: number; later: number }> }
    totals(): Promise<{ repositories: number; users: number; lfsObjects: number; lfsBytes: number }>
  }
}

type Counted = Pick<Ended, 'dialect' | 'status' | 'cut' | 'bytesIn' | 'bytesOut' | 'ms'>

/** Counting millions of rows for every scrape would be work for nothing. */
const TOTALS_FRESH_MS = 30_000

/**
 * Prometheus metrics, of worker processes added up (what all of them read from the database is taken once). Labels come from closed sets: dialect, status class, direction, job state.
 */
export class Metrics {
  readonly #registry = new Registry()
  readonly #requests: Counter
  readonly #seconds: Histogram
  readonly #bytes: Counter
  readonly #direct: Counter
  readonly #inFlight: Gauge
  readonly #siblings: Siblings | undefined

  constructor(observed: Observed, siblings?: Siblings) {
    this.#siblings = siblings
    siblings?.onQuestion(() => this.#registry.getMetricsAsJSON())
    const registers = [this.#registry]
    collectDefaultMetrics({ register: this.#registry, prefix: 'packhorse_' })
    this.#requests = new Counter({
      name: 'packhorse_http_requests_total',
      help: 'Requests answered, by dialect and class of status; cut = the connection ended first',
      labelNames: ['dialect', 'status'],
      registers,
    })
    this.#seconds = new Histogram({
      name: 'packhorse_http_request_seconds',
      help: 'Time from the head of the request to the end of the answer',
      labelNames: ['dialect'],
      buckets: [0.005, 0.025, 0.1, 0.5, 2, 10, 60, 600],
      registers,
    })
    this.#bytes = new Counter({
      name: 'packhorse_http_bytes_total',
      help: 'Bytes of requests (in) and answers (out)',
      labelNames: ['dialect', 'direction'],
      registers,
    })
    this.#direct = new Counter({
      name: 'packhorse_http_direct_total',
      help: 'Of these requests, those whose answer and whose right to it were known from before',
      registers,
    })
    this.#inFlight = new Gauge({
      name: 'packhorse_http_requests_in_flight',
      help: 'Requests that are being answered',
      registers,
    })
    observeHub(observed, registers)
  }

  /** Counts every request that passes. */
  count(): RequestHandler {
    return (req, res, next) => {
      const start = performance.now()
      this.begin()
      res.once('close', () =>
        this.end({
          dialect: dialectOf(req),
          status: res.statusCode,
          cut: !res.writableFinished,
          ...wireBytes(req),
          ms: performance.now() - start,
        }),
      )
      next()
    }
  }

  /** Each is followed by one `end` or `undo`. */
  begin(): void {
    this.#inFlight.inc()
  }

  /** Somebody else counts it. */
  undo(): void {
    this.#inFlight.dec()
  }

  /** A request that was answered without Express. */
  endDirect(it: Counted): void {
    this.#direct.inc()
    this.end(it)
  }

  end(it: Counted): void {
    const { dialect } = it
    const status = it.cut ? 'cut' : `${Math.floor(it.status / 100)}xx`
    this.#inFlight.dec()
    this.#requests.inc({ dialect, status })
    this.#seconds.observe({ dialect }, it.ms / 1e3)
    this.#bytes.inc({ dialect, direction: 'in' }, it.bytesIn)
    this.#bytes.inc({ dialect, direction: 'out' }, it.bytesOut)
  }

  async text(): Promise<{ type: string; body: string }> {
    const parts = await this.#siblings?.gather()
    const registry = parts
      ? AggregatorRegistry.aggregate(parts.filter(Array.isArray) as MetricObject[][])
      : this.#registry
    return { type: this.#registry.contentType, body: await registry.metrics() }
  }
}

function observeHub({ git, stores }: Observed, registers: Registry[]): void {
  new Gauge({
    name: 'packhorse_fetch_answers',
    help: 'Answers to fetches since the start: made by git, put together from a pack on disk, read while they grew, read whole',
    labelNames: ['how'],
    registers,
    collect() {
      const { made, copied, joined, hits } = git.fetchCounts()
      this.set({ how: 'made' }, made - copied)
      this.set({ how: 'copied' }, copied)
      this.set({ how: 'joined' }, joined)
      this.set({ how: 'kept' }, hits)
    },
  })
  new Gauge({
    name: 'packhorse_fetches_waiting',
    help: 'Fetches that wait for their turn',
    registers,
    collect() {
      this.set(git.fetchCounts().waiting)
    },
  })
  new Gauge({
    name: 'packhorse_serving_processes',
    help: 'Processes that serve requests on this machine for this data',
    registers,
    collect() {
      this.set(1)
    },
  })
  new Gauge({
    name: 'packhorse_git_processes',
    help: 'git processes that this process is running',
    registers,
    collect() {
      this.set(git.runningProcesses())
    },
  })
  new Gauge({
    name: 'packhorse_jobs',
    help: 'Background jobs by state; failing ones are waiting for their next attempt',
    labelNames: ['state'],
    aggregator: 'first',
    registers,
    async collect() {
      const { waiting, running, failing } = await stores.jobs.counts()
      this.set({ state: 'waiting' }, waiting)
      this.set({ state: 'running' }, running)
      this.set({ state: 'failing' }, failing)
    },
  })
  new Gauge({
    name: 'packhorse_webhook_queues',
    help: 'Webhooks and repositories with something to deliver, by state; later ones wait for their next attempt or are disabled',
    labelNames: ['state'],
    aggregator: 'first',
    registers,
    async collect() {
      const { due, running, later } = await stores.deliveries.counts()
      this.set({ state: 'due' }, due)
      this.set({ state: 'running' }, running)
      this.set({ state: 'later' }, later)
    },
  })
  const totals = cached(() => stores.totals(), TOTALS_FRESH_MS)
  const total = (name: string, help: string, key: keyof Awaited<ReturnType<typeof totals>>) =>
    new Gauge({
      name,
      help,
      aggregator: 'first',
      registers,
      async collect() {
        this.set((await totals())[key])
      },
    })
  total('packhorse_repositories', 'Repositories', 'repositories')
  total('packhorse_users', 'Accounts of people', 'users')
  total('packhorse_lfs_objects', 'LFS objects stored, each once', 'lfsObjects')
  total('packhorse_lfs_bytes', 'Their bytes', 'lfsBytes')
}

function cached<T>(make: () => Promise<T>, freshMs: number): () => Promise<T> {
  let kept: Promise<T> | undefined
  let madeAt = 0
  return () => {
    if (!kept || Date.now() - madeAt > freshMs) {
      madeAt = Date.now()
      kept = make()
      kept.catch(() => {
        kept = undefined
      })
    }
    return kept
  }
}
