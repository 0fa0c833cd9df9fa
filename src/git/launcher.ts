import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HubError } from '../domain/errors.js'

/*
 * Starting a process means copying the page tables of the one that starts it, on its main thread: 0.8 ms for a Node that
 * just began, 4 ms at 100 MB, 8 ms at 200 MB. So a small process is kept that starts git for this one. It connects back
 * to a socket here, once for each stream, says in 33 bytes which one it is, and hands the connection to git: no byte of
 * git's passes through it.
 */
export interface LaunchOrder {
  readonly id: number
  /** 32 characters; each connection begins with them and the number of its stream: 0 stdin, 1 stdout, 2 the channel. */
  readonly token: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  /** fd 3 of git is connected, too. */
  readonly channel: boolean
  readonly background: boolean
}

/** Of the process `id`: started, ended, or not started. Id 0 is the launcher itself, ready. */
export type LauncherReport =
  | { readonly id: 0 }
  | { readonly id: number; readonly pid: number }
  | { readonly id: number; readonly code: number; readonly stderr: string }
  | { readonly id: number; readonly failed: string }

export interface Launched {
  readonly pid: number
  readonly stdin: Socket
  readonly stdout: Socket
  readonly channel: Socket | undefined
  /** When git ended and everything it wrote was read. Rejects when the launcher dies first. */
  readonly ended: Promise<{ readonly code: number; readonly stderr: string }>
  kill(): void
}

interface Run {
  readonly sockets: Socket[]
  readonly wanted: number
  pid: number | undefined
  readonly begin: { resolve(): void; reject(err: Error): void }
  readonly end: { resolve(it: { code: number; stderr: string }): void; reject(err: Error): void }
}

const HEADER_BYTES = 33
const HEADER_MS = 60_000
const START_MS = 120_000
const AGAIN_MS = 1_000

/** One small process that starts git, begun again when it dies. */
export class Launcher {
  readonly #directory = mkdtempSync(join(tmpdir(), 'packhorse-git-'))
  readonly #server: Server
  readonly #runs = new Map<number, Run>()
  readonly #expected = new Map<string, Run>()
  readonly #env: Readonly<Record<string, string>>
  #child: ChildProcess | undefined
  #ready = false
  #closed = false
  #ids = 0

  /** `env` is the launcher's own; what git gets comes with each order. */
  constructor(env: Readonly<Record<string, string>>) {
    this.#env = env
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: false }, (socket) =>
      this.#greet(socket),
    )
    this.#server.on('error', () => this.close())
    this.#server.listen(join(this.#directory, 'socket'), () => this.#begin())
    this.#server.unref()
  }

  /** False at first, and while a launcher that died is begun again. */
  get ready(): boolean {
    return this.#ready
  }

  /** Throws `git_failed` when git could not be started. */
  async start(order: Omit<LaunchOrder, 'id' | 'token'>): Promise<Launched> {
    const child = this.#child
    if (!child || !this.#ready) throw failure('the launcher is not ready')
    const id = ++this.#ids
    const token = randomBytes(16).toString('hex')
    const begun = deferred<void>()
    const over = deferred<{ code: number; stderr: string }>()
    over.promise.catch(() => undefined)
    const wanted = order.channel ? 3 : 2
    const late = setTimeout(() => begun.reject(failure('git did not start in time')), START_MS)
    const run: Run = { sockets: [], wanted, pid: undefined, begin: begun, end: over }
    this.#runs.set(id, run)
    for (let n = 0; n < wanted; n += 1) this.#expected.set(`${token}${n}`, run)
    try {
      child.send({ ...order, id, token } satisfies LaunchOrder)
      child.channel?.ref()
      await begun.promise
    } catch (err) {
      this.#runs.delete(id)
      for (const it of run.sockets) it?.destroy()
      throw err
    } finally {
      clearTimeout(late)
      for (let n = 0; n < wanted; n += 1) this.#expected.delete(`${token}${n}`)
    }
    const [stdin, stdout, channel] = run.sockets as [Socket, Socket, Socket | undefined]
    const ended = over.promise.then(async (it) => {
      stdin.destroy()
      if (stdout.readableFlowing === null) stdout.resume()
      if (!stdout.closed) await once(stdout, 'close')
      return it
    })
    ended.catch(() => undefined)
    const kill = () => void (child.connected && child.send({ kill: id }))
    return { pid: run.pid ?? 0, stdin, stdout, channel, ended, kill }
  }

  close(): void {
    this.#closed = true
    this.#ready = false
    this.#server.close()
    if (this.#child?.connected) this.#child.disconnect()
    rmSync(this.#directory, { recursive: true, force: true })
  }

  #begin(): void {
    if (this.#closed) return
    // from source there is no JavaScript to run: the loader that runs us runs it, too
    const source = import.meta.url.endsWith('.ts')
    const entry = new URL(`./launcher-process.${source ? 'ts' : 'js'}`, import.meta.url)
    const child = fork(fileURLToPath(entry), [join(this.#directory, 'socket')], {
      execArgv: source ? ['--import', import.meta.resolve('tsx')] : [],
      env: this.#env,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.#child = child
    child.unref()
    child.channel?.unref()
    child.on('message', (it: LauncherReport) => this.#hear(it))
    child.on('error', () => undefined) // 'exit' or a missing 'ready' says the rest
    child.once('exit', () => {
      this.#ready = false
      for (const run of this.#runs.values()) {
        run.begin.reject(failure('the launcher died'))
        run.end.reject(failure('the launcher died'))
        for (const it of run.sockets) it?.destroy()
      }
      this.#runs.clear()
      setTimeout(() => this.#begin(), AGAIN_MS).unref()
    })
  }

  #hear(it: LauncherReport): void {
    if (it.id === 0) {
      this.#ready = true
      return
    }
    const run = this.#runs.get(it.id)
    if (!run) return
    if ('pid' in it) {
      run.pid = it.pid
      this.#check(run)
      return
    }
    this.#runs.delete(it.id)
    // while git runs, this process waits for it
    if (this.#runs.size === 0) this.#child?.channel?.unref()
    if ('failed' in it) {
      run.begin.reject(failure(it.failed))
      run.end.reject(failure(it.failed))
    } else if ('code' in it) run.end.resolve({ code: it.code, stderr: it.stderr })
  }

  /** Both the report and the connections have to be there, in whatever order they come. */
  #check(run: Run): void {
    if (run.pid !== undefined && run.sockets.filter(Boolean).length === run.wanted)
      run.begin.resolve()
  }

  #greet(socket: Socket): void {
    socket.on('error', () => undefined)
    const stranger = setTimeout(() => socket.destroy(), HEADER_MS)
    const look = () => {
      const header = socket.read(HEADER_BYTES) as Buffer | null
      if (!header) return
      clearTimeout(stranger)
      socket.off('readable', look)
      const text = header.toString('latin1')
      const run = this.#expected.get(text)
      if (!run) return void socket.destroy()
      this.#expected.delete(text)
      const stream = Number(text.at(-1))
      // whoever reads stdout to its end is done with it; stdin is closed when git ended
      if (stream === 1) socket.allowHalfOpen = false
      run.sockets[stream] = socket
      this.#check(run)
    }
    socket.on('readable', look)
    socket.once('close', () => clearTimeout(stranger))
  }
}

function failure(message: string): HubError {
  return new HubError('git_failed', 'git could not be started', { message })
}

function deferred<T>() {
  let resolve: (it: T) => void = () => undefined
  let reject: (err: Error) => void = () => undefined
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}
