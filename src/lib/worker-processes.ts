/**
 * Several processes that listen on one address (node:cluster), seen from the one that starts them. That one serves
 * nothing itself: it holds the address, starts anew what died, and passes on what they tell each other.
 */
import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'

/** What a worker tells the primary. */
export type FromWorker =
  /** It serves. */
  | { readonly type: 'ready'; readonly url: string }
  /** For every other worker. */
  | { readonly type: 'relay'; readonly topic: string; readonly body: unknown }
  /** Asks what all workers answer to `question`. */
  | { readonly type: 'gather'; readonly id: number }
  | { readonly type: 'answer'; readonly id: number; readonly body: unknown }

/** What the primary tells a worker. */
export type FromPrimary =
  | { readonly type: 'stop' }
  | { readonly type: 'relay'; readonly topic: string; readonly body: unknown }
  | { readonly type: 'question'; readonly id: number }
  | { readonly type: 'gathered'; readonly id: number; readonly bodies: readonly unknown[] }

// Workers accept by themselves. When the primary accepts and hands over (the default), a connection that is on its way to a
// worker that is killed stays open and unanswered for ever (measured: about one kill in three under load).
cluster.schedulingPolicy = cluster.SCHED_NONE

export interface WorkerProcessesOptions {
  readonly count: number
  /** How long workers may take to stop before they are killed. */
  readonly stopMs: number
  readonly onExit: (facts: { pid: number; code: number | null; signal: string | null }) => void
}

const FIRST_PAUSE_MS = 200
const MAX_PAUSE_MS = 30_000
/** Who served so long did not die of its start: the pauses begin anew. */
const LASTING_MS = 60_000
const ANSWER_MS = 3_000

interface Gathering {
  readonly bodies: unknown[]
  missing: number
  done(): void
}

export class WorkerProcesses {
  readonly #options: WorkerProcessesOptions
  readonly #gatherings = new Map<number, Gathering>()
  readonly #serving = new WeakSet<Worker>()
  #questions = 0
  #stopping = false
  #fails = 0

  constructor(options: WorkerProcessesOptions) {
    this.#options = options
    cluster.on('message', (worker, message: FromWorker) => this.#hear(worker, message))
  }

  /** The first one alone, so that what is done once at a start is done by one; answers the address when all serve. */
  async start(): Promise<string> {
    const url = await this.#fork()
    await Promise.all(Array.from({ length: this.#options.count - 1 }, () => this.#fork()))
    return url
  }

  /** Lets every worker end what is under way. */
  async stop(): Promise<void> {
    this.#stopping = true
    const workers = Object.values(cluster.workers ?? {}).filter(
      (it): it is Worker => it !== undefined,
    )
    await Promise.all(
      workers.map(async (worker) => {
        const exited = once(worker, 'exit')
        // who does not listen yet serves nobody either
        if (this.#serving.has(worker)) tell(worker, { type: 'stop' })
        else worker.process.kill('SIGTERM')
        const timer = setTimeout(() => worker.process.kill('SIGKILL'), this.#options.stopMs)
        if (!worker.isDead()) await exited
        clearTimeout(timer)
      }),
    )
  }

  /** Starts one; rejects when it ends before it serves. What ends later is started anew. */
  #fork(): Promise<string> {
    const worker = cluster.fork()
    return new Promise((resolve, reject) => {
      let begun: number | undefined
      worker.on('message', (message: FromWorker) => {
        if (message.type !== 'ready') return
        begun = Date.now()
        this.#serving.add(worker)
        resolve(message.url)
      })
      worker.once('exit', (code, signal) => {
        if (this.#stopping) return reject(new Error('stopping'))
        this.#options.onExit({ pid: worker.process.pid ?? 0, code, signal })
        if (begun === undefined) return reject(new Error('a worker process ended before it served'))
        if (Date.now() - begun > LASTING_MS) this.#fails = 0
        void this.#again()
      })
    })
  }

  async #again(): Promise<void> {
    while (!this.#stopping) {
      const pause = Math.min(FIRST_PAUSE_MS * 2 ** this.#fails, MAX_PAUSE_MS)
      this.#fails += 1
      await new Promise((resolve) => setTimeout(resolve, pause).unref())
      if (this.#stopping) return
      try {
        await this.#fork()
        return
      } catch {
        // told by onExit; the next pause is longer
      }
    }
  }

  #hear(from: Worker, message: FromWorker): void {
    if (message.type === 'relay') {
      for (const other of others(from)) tell(other, message)
    } else if (message.type === 'gather') this.#gather(from, message.id)
    else if (message.type === 'answer') {
      const gathering = this.#gatherings.get(message.id)
      if (!gathering) return
      gathering.bodies.push(message.body)
      gathering.missing -= 1
      if (gathering.missing === 0) gathering.done()
    }
  }

  /** Who does not answer in time is left out. */
  #gather(asker: Worker, askersId: number): void {
    const id = ++this.#questions
    const asked = [asker, ...others(asker)]
    const done = () => {
      clearTimeout(timer)
      this.#gatherings.delete(id)
      if (asker.isConnected()) tell(asker, { type: 'gathered', id: askersId, bodies })
    }
    const timer = setTimeout(done, ANSWER_MS)
    const bodies: unknown[] = []
    this.#gatherings.set(id, { bodies, missing: asked.length, done })
    for (const worker of asked) tell(worker, { type: 'question', id })
  }
}

function others(than: Worker): Worker[] {
  return Object.values(cluster.workers ?? {}).filter(
    (it): it is Worker => it !== undefined && it !== than && it.isConnected(),
  )
}

/** A worker that is going away hears nothing any more. */
function tell(worker: Worker, message: FromPrimary): void {
  worker.send(message, () => undefined)
}
