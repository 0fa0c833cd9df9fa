/**
 * Worker threads for work that would hold up the event loop. A session is a job that keeps state in one worker
 * between its calls; a worker carries many sessions at once and serves their calls in the order they come, so that a
 * job whose bytes arrive slowly keeps nobody else waiting. Awaiting each call is the backpressure.
 */
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { parentPort, type TransferListItem, Worker } from 'node:worker_threads'

interface Request {
  readonly id: number
  readonly session: number
  /** Absent: the session ends, nothing is answered. */
  readonly call?: { readonly body: unknown }
}

type Reply = { readonly id: number } & (
  | { readonly body: unknown }
  | { readonly error: { readonly name: string; readonly message: string } }
)

export interface WorkerPoolOptions {
  /** The module that calls `answerCalls`. */
  readonly entry: URL
  /** Workers at most; they start when first needed. */
  readonly size: number
  /** Sessions at most, over all workers; who comes later waits. */
  readonly maxSessions?: number
  /** Makes an error of what a worker threw; a plain Error by default. */
  readonly reviveError?: (error: { name: string; message: string }) => Error
}

export interface WorkerSession {
  /** Sends a request and waits for its reply. What is in `transfer` is gone on this side. */
  call(body: unknown, transfer?: readonly TransferListItem[]): Promise<unknown>
  /** Ends the session. Call it once, after the last reply or error. */
  release(): void
}

const MAX_SESSIONS = 512

export class WorkerPool {
  readonly #options: WorkerPoolOptions
  readonly #threads = new Set<Thread>()
  #waiting: ((err?: Error) => void)[] = []
  #sessions = 0
  #open = 0
  #closed = false

  constructor(options: WorkerPoolOptions) {
    this.#options = options
  }

  /** A session of one's own on the least busy worker. Rejects when the pool closes or `signal` aborts first. */
  async session(signal?: AbortSignal): Promise<WorkerSession> {
    signal?.throwIfAborted()
    if (this.#closed) throw new Error('the worker pool is closed')
    if (this.#open >= (this.#options.maxSessions ?? MAX_SESSIONS)) await this.#wait(signal)
    else this.#open += 1
    const thread = this.#pick()
    const session = ++this.#sessions
    thread.enter()
    let released = false
    return {
      call: (body, transfer = []) => {
        if (released) return Promise.reject(new Error('the session has ended'))
        return thread.call(session, body, transfer)
      },
      release: () => {
        if (released) return
        released = true
        thread.leave(session)
        const next = this.#waiting.shift()
        if (next) next()
        else this.#open -= 1
      },
    }
  }

  /** Stops every worker; calls under way are rejected. */
  async close(): Promise<void> {
    this.#closed = true
    const waiting = this.#waiting
    this.#waiting = []
    for (const wake of waiting) wake(new Error('the worker pool is closed'))
    await Promise.all([...this.#threads].map((thread) => thread.worker.terminate()))
  }

  #pick(): Thread {
    const [idlest] = [...this.#threads].sort((a, b) => a.sessions - b.sessions)
    if (idlest && (idlest.sessions === 0 || this.#threads.size >= this.#options.size)) return idlest
    const thread = new Thread(this.#options)
    this.#threads.add(thread)
    thread.onDeath = () => this.#threads.delete(thread)
    return thread
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#waiting = this.#waiting.filter((it) => it !== wake)
        reject(signal?.reason)
      }
      const wake = (err?: Error) => {
        signal?.removeEventListener('abort', abort)
        if (err) reject(err)
        else resolve()
      }
      signal?.addEventListener('abort', abort, { once: true })
      this.#waiting.push(wake)
    })
  }
}

interface Pending {
  resolve(body: unknown): void
  reject(err: unknown): void
}

class Thread {
  readonly worker: Worker
  sessions = 0
  onDeath: () => void = () => undefined
  readonly #pending = new Map<number, Pending>()
  #calls = 0
  #dead: Error | undefined

  constructor({ entry, reviveError }: WorkerPoolOptions) {
    const revive = reviveError ?? ((error) => new Error(error.message))
    this.worker = startWorker(entry)
    this.worker.unref()
    this.worker.on('message', (reply: Reply) => {
      const pending = this.#pending.get(reply.id)
      this.#pending.delete(reply.id)
      if ('error' in reply) pending?.reject(revive(reply.error))
      else pending?.resolve(reply.body)
    })
    this.worker.on('error', (err: unknown) => this.#die(err))
    this.worker.on('exit', () => this.#die(new Error('the worker stopped')))
  }

  enter(): void {
    // a worker that nobody uses keeps no process alive
    if (this.sessions === 0) this.worker.ref()
    this.sessions += 1
  }

  leave(session: number): void {
    this.sessions -= 1
    if (this.#dead) return
    this.worker.postMessage({ id: 0, session } satisfies Request)
    if (this.sessions === 0) this.worker.unref()
  }

  call(session: number, body: unknown, transfer: readonly TransferListItem[]): Promise<unknown> {
    if (this.#dead) return Promise.reject(this.#dead)
    const id = ++this.#calls
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
      this.worker.postMessage({ id, session, call: { body } } satisfies Request, [...transfer])
    })
  }

  #die(err: unknown): void {
    this.#dead ??= err instanceof Error ? err : new Error('the worker failed')
    for (const { reject } of this.#pending.values()) reject(this.#dead)
    this.#pending.clear()
    this.onDeath()
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

/** The worker's side: `open` makes the handler of one session; what it throws rejects the call, and the session goes on. */
export function answerCalls(open: () => (body: unknown) => Answer): void {
  const port = parentPort
  if (!port) throw new Error('not in a worker thread')
  const sessions = new Map<number, (body: unknown) => Answer>()
  port.on('message', ({ id, session, call }: Request) => {
    if (!call) {
      sessions.delete(session)
      return
    }
    try {
      const handle = sessions.get(session) ?? open()
      sessions.set(session, handle)
      const { body, transfer = [] } = handle(call.body)
      port.postMessage({ id, body } satisfies Reply, [...transfer])
    } catch (err) {
      const { name, message } = err instanceof Error ? err : new Error(String(err))
      port.postMessage({ id, error: { name, message } } satisfies Reply)
    }
  })
}
