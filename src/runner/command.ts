import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { tail } from '../lib/tail.js'

export interface CommandResult {
  /** null = ended by a signal. */
  readonly code: number | null
  /** The last `maxBytes` at most. */
  readonly stdout: Buffer
  readonly stderr: string
  readonly why: 'ended' | 'too slow' | 'too much output' | 'aborted'
}

/** After a polite end and before a forced one. */
const KILL_AFTER_MS = 2_000
const LOOK_MS = 50
/** What the command started may hold its output open; its own end is what counts. */
const DRAIN_MS = 200
const MAX_TOTAL_BYTES = 64 * 1024 * 1024

/**
 * Runs a program to its end: no shell, an environment of these names only, nothing on stdin. The command and what it started
 * in its process group are ended, all of them, when it takes too long. Rejects when it cannot be started.
 */
export function runCommand(
  [file = '', ...args]: readonly string[],
  options: {
    readonly env: Readonly<Record<string, string>>
    readonly timeoutMs: number
    readonly maxBytes: number
    readonly signal: AbortSignal
  },
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      env: { ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // a process group of its own, so that all of it can be ended
    })
    const stdout = new Newest(options.maxBytes)
    const stderr = tail(child.stderr, 4_096)
    let why: CommandResult['why'] = 'ended'
    let forced: NodeJS.Timeout | undefined
    let forceAt = 0
    const end = (reason: CommandResult['why']) => {
      if (why !== 'ended') return
      why = reason
      signalGroup(child.pid, 'SIGTERM')
      forceAt = Date.now() + KILL_AFTER_MS
      forced = setTimeout(() => signalGroup(child.pid, 'SIGKILL'), KILL_AFTER_MS)
    }
    const abort = () => end('aborted')
    const timer = setTimeout(() => end('too slow'), options.timeoutMs)
    options.signal.addEventListener('abort', abort, { once: true })
    if (options.signal.aborted) abort()
    child.stdout.on('data', (chunk: Buffer) => {
      if (stdout.add(chunk) > MAX_TOTAL_BYTES) end('too much output')
    })
    const settle = () => {
      clearTimeout(timer)
      clearTimeout(forced)
      options.signal.removeEventListener('abort', abort)
    }
    let closed = false
    child.once('close', () => {
      closed = true
    })
    child.once('error', (err) => {
      settle()
      reject(err)
    })
    child.once('exit', async (code) => {
      settle()
      if (why !== 'ended') await endGroup(child.pid, forceAt)
      const done = () => {
        clearTimeout(patience)
        child.stdout.destroy()
        child.stderr.destroy()
        resolve({ code, stdout: stdout.bytes(), stderr: stderr(), why })
      }
      const patience = setTimeout(done, DRAIN_MS)
      if (closed) done()
      else child.once('close', done)
    })
  })
}

/** What the command started, and that has outlived it, gets the rest of the polite time; its number is nobody else's until then. */
async function endGroup(pid: number | undefined, forceAt: number): Promise<void> {
  while (signalGroup(pid, 0)) {
    if (Date.now() >= forceAt) {
      signalGroup(pid, 'SIGKILL')
      return
    }
    await sleep(LOOK_MS)
  }
}

/** False when there is nobody left in it. 0 only asks. */
function signalGroup(pid: number | undefined, signal: NodeJS.Signals | 0): boolean {
  try {
    return pid !== undefined && process.kill(-pid, signal)
  } catch {
    return false
  }
}

/** The newest bytes of what comes, within a bound. */
class Newest {
  readonly #max: number
  readonly #chunks: Buffer[] = []
  #held = 0
  #seen = 0

  constructor(max: number) {
    this.#max = max
  }

  /** Answers how many came altogether. */
  add(chunk: Buffer): number {
    this.#chunks.push(chunk)
    this.#held += chunk.length
    this.#seen += chunk.length
    while (this.#held - (this.#chunks[0]?.length ?? 0) >= this.#max)
      this.#held -= this.#chunks.shift()?.length ?? 0
    return this.#seen
  }

  bytes(): Buffer {
    const all = Buffer.concat(this.#chunks)
    return all.subarray(Math.max(0, all.length - this.#max))
  }
}
