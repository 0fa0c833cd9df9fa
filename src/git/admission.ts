import { availableParallelism, totalmem } from 'node:os'
import type { Writable } from 'node:stream'
import { HubError } from '../domain/errors.js'
import type { FetchClient, GitServiceRun } from '../domain/ports.js'
import type { RepoId } from '../domain/types.js'
import { FairQueue, QueueBusy } from '../lib/fair-queue.js'

/** What one pack-objects of a large repository may need. */
const BYTES_PER_PACK = 1024 ** 3
const RETRY_AFTER_SECONDS = 30

/** Each keeps the start of its request in memory: half a megabyte. */
const MAX_WAITING_PUSHES = 64

/** A fetch whose client takes nothing for so long, or a push whose client mostly sends nothing, waits for the network, not for this machine. */
const SLOW_CLIENT_MS = 5_000
const LOOK_MS = 500

export type Lane = 'big' | 'small' | 'open' | 'push'

/**
 * How many git processes make or take in packs at once. `big`: clones and whatever else may read the whole repository. `small`:
 * fetches by clients that have most of it, v0 advertisements, and pushes of little; they never stand behind a clone.
 * `push`: packs taken in. `open`: all that still wait for their clients' network, be they ever so slow.
 */
export class Admission {
  readonly #lanes: Readonly<Record<Lane, FairQueue>>

  /** `slots`: packs of the big lane at once. */
  constructor({ slots, maxWaitMs }: { slots: number; maxWaitMs: number }) {
    // one repository, however dear, leaves something to the others
    const lane = (slots: number, slotsPerThing: number, maxWaiting = 512) =>
      new FairQueue({
        slots,
        slotsPerThing,
        maxWaiting,
        maxWaitingPerUser: maxWaiting / 4,
        maxWaitMs,
      })
    this.#lanes = {
      big: lane(slots, Math.max(1, slots - 1)),
      small: lane(slots * 4, slots * 2),
      open: lane(slots * 16, slots * 8),
      push: lane(slots, Math.max(1, slots - 1), MAX_WAITING_PUSHES),
    }
  }

  get waiting(): number {
    return Object.values(this.#lanes).reduce((sum, it) => sum + it.length, 0)
  }

  /** Runs git for a client that takes its answer directly. The turn of a slow reader goes on to the next one. */
  run(id: RepoId, run: GitServiceRun, task: () => Promise<void>): Promise<void> {
    const output = run.output as Writable
    let slowSince = 0
    const isSlow = () => {
      if (!output.writableNeedDrain) slowSince = 0
      else if (slowSince === 0) slowSince = Date.now()
      return slowSince > 0 && Date.now() - slowSince >= SLOW_CLIENT_MS
    }
    return this.#run(run.isBig ? 'big' : 'small', id, run, isSlow, task)
  }

  /**
   * Runs git for a client that sends a pack: a big one is not read any further before its turn comes. The turn of a slow
   * sender goes on to the next one.
   * @param push `waitedMs`: how long was waited for the client until now, all in all.
   */
  runPush(
    id: RepoId,
    run: GitServiceRun,
    push: { readonly isBig: boolean; readonly waitedMs: () => number },
    task: () => Promise<void>,
  ): Promise<void> {
    let before = push.waitedMs()
    let slowLooks = 0
    const isSlow = () => {
      const now = push.waitedMs()
      slowLooks = now - before > LOOK_MS / 2 ? slowLooks + 1 : 0
      before = now
      return slowLooks * LOOK_MS >= SLOW_CLIENT_MS
    }
    return this.#run(push.isBig ? 'push' : 'small', id, run, isSlow, task)
  }

  async #run(
    lane: Lane,
    id: RepoId,
    { client = '', signal }: GitServiceRun,
    isSlow: () => boolean,
    task: () => Promise<void>,
  ): Promise<void> {
    const given: (() => void)[] = []
    try {
      given.push(await this.take('open', client, id, signal))
      given.push(await this.take(lane, client, id, signal))
    } catch (err) {
      for (const giveBack of given) giveBack()
      if (signal.aborted) return
      throw err
    }
    const watch = setInterval(() => {
      if (isSlow()) given[1]?.()
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
        `The server is busy with other ${lane === 'push' ? 'pushes' : 'fetches'}. Try again in ${RETRY_AFTER_SECONDS} seconds.`,
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
