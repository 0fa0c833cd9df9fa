import { availableParallelism, totalmem } from 'node:os'
import type { Writable } from 'node:stream'
import { HubError } from '../domain/errors.js'
import type { FetchClient, GitServiceRun } from '../domain/ports.js'
import type { RepoId } from '../domain/types.js'
import { FairQueue, QueueBusy } from '../lib/fair-queue.js'

/** What one pack-objects of a large repository may need. */
const BYTES_PER_PACK = 1024 ** 3
const RETRY_AFTER_SECONDS = 30

/** A fetch whose client takes nothing for so long waits for the network, not for this machine. */
const SLOW_CLIENT_MS = 5_000
const LOOK_MS = 500

export type Lane = 'big' | 'small' | 'open'

/**
 * How many git processes make packs at once. `big`: clones and whatever else may read the whole repository. `small`:
 * fetches by clients that have most of it, and v0 advertisements; they never stand behind a clone. `open`: all that still write to their clients, be they ever so slow.
 */
export class Admission {
  readonly #lanes: Readonly<Record<Lane, FairQueue>>

  /** `slots`: packs of the big lane at once. */
  constructor({ slots, maxWaitMs }: { slots: number; maxWaitMs: number }) {
    // one repository, however dear, leaves something to the others
    const lane = (slots: number, slotsPerThing: number) =>
      new FairQueue({
        slots,
        slotsPerThing,
        maxWaiting: 512,
        maxWaitingPerUser: 128,
        maxWaitMs,
      })
    this.#lanes = {
      big: lane(slots, Math.max(1, slots - 1)),
      small: lane(slots * 4, slots * 2),
      open: lane(slots * 16, slots * 8),
    }
  }

  get waiting(): number {
    return Object.values(this.#lanes).reduce((sum, it) => sum + it.length, 0)
  }

  /** Runs git for a client that takes its answer directly. The turn of a slow reader goes on to the next one. */
  async run(id: RepoId, run: GitServiceRun, task: () => Promise<void>): Promise<void> {
    const { client = '', signal } = run
    const given: (() => void)[] = []
    try {
      given.push(await this.take('open', client, id, signal))
      given.push(await this.take(run.isBig ? 'big' : 'small', client, id, signal))
    } catch (err) {
      for (const giveBack of given) giveBack()
      if (signal.aborted) return
      throw err
    }
    const output = run.output as Writable
    let slowSince = 0
    const watch = setInterval(() => {
      if (!output.writableNeedDrain) slowSince = 0
      else if (slowSince === 0) slowSince = Date.now()
      else if (Date.now() - slowSince >= SLOW_CLIENT_MS) given[1]?.()
    }, LOOK_MS)
    try {
      await task()
    } finally {
      clearInterval(watch)
      for (const giveBack of given) giveBack()
    }
  }

  /** Answers what gives the slot back. Throws `busy` when the queue is full or the turn does not come in time. */
  async take(
    lane: Lane,
    client: FetchClient,
    id: RepoId,
    signal: AbortSignal,
  ): Promise<() => void> {
    try {
      return await this.#lanes[lane].take(client, id, signal)
    } catch (err) {
      if (!(err instanceof QueueBusy)) throw err
      throw new HubError(
        'busy',
        `The server is busy with other fetches. Try again in ${RETRY_AFTER_SECONDS} seconds.`,
        { retryAfterSeconds: RETRY_AFTER_SECONDS, lane, why: err.message },
      )
    }
  }
}

/** One worker's share of the packs made at once; 0 = by cores and memory, two at least so that one is left to the others. */
export function slotsOf(packProcesses: number, workers: number): number {
  if (packProcesses > 0) return Math.max(1, Math.floor(packProcesses / workers))
  const fit = Math.min(availableParallelism(), Math.floor(memory() / BYTES_PER_PACK))
  return Math.max(2, Math.floor(fit / workers))
}

function memory(): number {
  const limit = process.constrainedMemory?.() ?? 0
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem()
}
