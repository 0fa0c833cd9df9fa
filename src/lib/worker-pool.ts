/**
 * Worker threads for work that would hold up the event loop. A lease is one worker for one job: its calls run one
 * after the other in one session, so a job may keep state there between calls. Awaiting each call is the
 * backpressure; the pool's size is the number of jobs that run at once, the others wait their turn.
 */
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { parentPort, type TransferListItem, Worker } from 'node:worker_threads'

interface Request {
  readonly session: number
  readonly body: unknown
}

type Reply =
  | { readonly body: unknown }
  | { readonly error: { readonly name: string; readonly message: string } }

export interface WorkerPoolOptions {
  /** The module that calls `answerCalls`. */
  readonly entry: URL
  /** Workers at most; they start when first needed. */
  readonly size: number
  /** Makes an error of what a worker threw; a plain Error by default. */
  readonly reviveError?: (error: { name: string; message: string }) => Error
}

export interface WorkerLease {
  /** Sends a request and waits for its reply. What is in `transfer` is gone on this side. */
  call(body: unknown, transfer?: readonly TransferListItem[]): Promise<unknown>
  /** Gives the worker back. Call it once, after the last reply or error. */
  release(): void
}

export class WorkerPool {
  readonly #options: WorkerPoolOptions
  readonly #idle: Thread[] = []
  readonly #all = new Set<Thread>()
  #waiting: ((thread: Thread | Error) => void)[] = []
  #sessions = 0
  #closed = false

  constructor(options: WorkerPoolOptions) {
    this.#options = options
  }

  /** A worker of one's own; waits while all are taken. Rejects when the pool closes or `signal` aborts first. */
  async lease(signal?: AbortSignal): Promise<WorkerLease> {
    signal?.throwIfAborted()
    if (this.#closed) throw new Error('the worker pool is closed')
    const idle = this.#idle.pop()
    const live = idle?.dead ? undefined : idle
    const thread = live ?? this.#start() ?? (await this.#wait(signal))
    const session = ++this.#sessions
    thread.worker.ref()
    let released = false
    return {
      call: (body, transfer = []) => {
        if (released) return Promise.reject(new Error('the worker was released'))
        return thread.call({ session, body }, transfer)
      },
      release: () => {
        if (released) return
        released = true
        this.#handBack(thread)
      },
    }
  }

  /** Stops every worker; calls under way are rejected. */
  async close(): Promise<void> {
    this.#closed = true
    const waiting = this.#waiting
    this.#waiting = []
    for (const take of waiting) take(new Error('the worker pool is closed'))
    await Promise.all([...this.#all].map((thread) => thread.worker.terminate()))
  }

  #start(): Thread | undefined {
    if (this.#all.size >= this.#options.size) return undefined
    const thread = new Thread(this.#options)
    this.#all.add(thread)
    thread.worker.once('exit', () => {
      this.#all.delete(thread)
      const at = this.#idle.indexOf(thread)
      if (at >= 0) this.#idle.splice(at, 1)
      // Whoever waits must not wait for the dead.
      const take = this.#closed ? undefined : this.#waiting.shift()
      if (take) take(this.#start() ?? new Error('no worker could be started'))
    })
    return thread
  }

  #wait(signal: AbortSignal | undefined): Promise<Thread> {
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#waiting = this.#waiting.filter((it) => it !== take)
        reject(signal?.reason)
      }
      const take = (thread: Thread | Error) => {
        signal?.removeEventListener('abort', abort)
        if (thread instanceof Error) reject(thread)
        else resolve(thread)
      }
      signal?.addEventListener('abort', abort, { once: true })
      this.#waiting.push(take)
    })
  }

  #handBack(thread: Thread): void {
    if (thread.dead) return // whoever waits is served when it has left
    const take = this.#waiting.shift()
    if (take) {
      take(thread)
    } else {
      thread.worker.unref() // an idle worker keeps no process alive
      this.#idle.push(thread)
    }
  }
}

class Thread {
  readonly worker: Worker
  readonly #revive: (error: { name: string; message: string }) => Error
  #pending: { resolve: (body: unknown) => void; reject: (err: unknown) => void } | undefined
  dead: Error | undefined

  constructor({ entry, reviveError }: WorkerPoolOptions) {
    this.#revive = reviveError ?? ((error) => new Error(error.message))
    this.worker = startWorker(entry)
    this.worker.on('message', (reply: Reply) => {
      const pending = this.#pending
      this.#pending = undefined
      if ('error' in reply) pending?.reject(this.#revive(reply.error))
      else pending?.resolve(reply.body)
    })
    this.worker.on('error', (err: unknown) => this.#die(err))
    this.worker.on('exit', () => this.#die(new Error('the worker stopped')))
  }

  call(request: Request, transfer: readonly TransferListItem[]): Promise<unknown> {
    if (this.dead) return Promise.reject(this.dead)
    if (this.#pending) return Promise.reject(new Error('the worker has a call under way'))
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject }
      this.worker.postMessage(request, [...transfer])
    })
  }

  #die(err: unknown): void {
    this.dead ??= err instanceof Error ? err : new Error('the worker failed')
    this.#pending?.reject(this.dead)
    this.#pending = undefined
  }
}

/** A TypeScript entry means running from source, where a worker has no loader of its own. */
function startWorker(entry: URL): Worker {
  if (!entry.pathname.endsWith('.ts')) return new Worker(entry)
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx/package.json'))
  const api = new URL('dist/esm/api/index.mjs', tsx).href
  const load = `import(${JSON.stringify(api)}).then((tsx) => tsx.tsImport(workerData, workerData))`
  return new Worker(`const { workerData } = require('node:worker_threads')\n${load}`, {
    eval: true,
    workerData: entry.href,
  })
}

/** What a session answers; `transfer` is given away, not copied. */
export interface Answer {
  readonly body: unknown
  readonly transfer?: readonly TransferListItem[]
}

/** The worker's side: `open` makes the handler of one session (one lease); whatever it throws rejects the call. */
export function answerCalls(open: () => (body: unknown) => Answer | Promise<Answer>): void {
  const port = parentPort
  if (!port) throw new Error('not in a worker thread')
  let current = { session: 0, handle: open() }
  port.on('message', (request: Request) => {
    if (request.session !== current.session) {
      current = { session: request.session, handle: open() }
    }
    const { handle } = current
    void (async () => {
      try {
        const { body, transfer = [] } = await handle(request.body)
        port.postMessage({ body } satisfies Reply, [...transfer])
      } catch (err) {
        const { name, message } = err instanceof Error ? err : new Error(String(err))
        port.postMessage({ error: { name, message } } satisfies Reply)
      }
    })()
  })
}
