import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, type WriteStream } from 'node:fs'

/** How to run the hub's command line, for example ['node', 'dist/main.js']. */
export type Command = readonly [string, ...string[]]

/** The real server process, a group of its own with the gits it starts. */
export class Server {
  readonly url: string
  readonly #process: ChildProcess
  readonly #exited: Promise<unknown>
  #ending = false

  private constructor(child: ChildProcess, url: string) {
    this.#process = child
    this.url = url
    this.#exited = once(child, 'exit')
  }

  /** Resolves when it listens; rejects with its last words when it does not. */
  static async start(command: Command, dataDir: string, logFile: string): Promise<Server> {
    const child = launch(command, dataDir, logFile)
    let out = ''
    const url = await new Promise<string>((resolve, reject) => {
      child.stdout?.setEncoding('utf8').on('data', (text: string) => {
        out += text
        const found = /^listening on (\S+)$/m.exec(out)?.[1]
        if (found) resolve(found)
      })
      child.once('error', reject)
      child.once('exit', (code) =>
        reject(new Error(`the server ended with ${code}; see ${logFile}`)),
      )
      setTimeout(
        () => reject(new Error(`no "listening" after 60 s; see ${logFile}`)),
        60_000,
      ).unref()
    })
    return new Server(child, url)
  }

  /** Starts and kills it `delayMs` later, listening or not: what happens during recovery must be safe, too. */
  static async stumble(command: Command, dataDir: string, logFile: string, delayMs: number) {
    const child = launch(command, dataDir, logFile)
    const exited = once(child, 'exit')
    await new Promise((resolve) => setTimeout(resolve, delayMs))
    killGroup(child)
    await exited
  }

  get running(): boolean {
    const { exitCode, signalCode } = this.#process
    return !this.#ending && exitCode === null && signalCode === null
  }

  /** SIGKILL to the server and its gits, or to the server alone, whose gits then live on as orphans. */
  async kill(whom: 'group' | 'server'): Promise<void> {
    this.#ending = true
    if (whom === 'group') killGroup(this.#process)
    else this.#process.kill('SIGKILL')
    await this.#exited
  }

  /** SIGTERM. Answers the exit code. */
  async stop(): Promise<number | null> {
    this.#process.kill('SIGTERM')
    await this.#exited
    return this.#process.exitCode
  }

  /** Whatever is left of the group. */
  destroy(): void {
    killGroup(this.#process)
  }
}

function launch([file, ...args]: Command, dataDir: string, logFile: string): ChildProcess {
  const log: WriteStream = createWriteStream(logFile, { flags: 'a' })
  const child = spawn(file, [...args, 'serve', '--port', '0', '--data', dataDir], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      PACKHORSE_LOG_LEVEL: 'info',
      PACKHORSE_JOB_INTERVAL_MS: '50',
      PACKHORSE_FORCE_PUSH: 'allow',
      PACKHORSE_SHUTDOWN_SECONDS: '20',
      PACKHORSE_WEBHOOKS_ALLOW_PRIVATE: '1',
      PACKHORSE_WEBHOOKS_RETRY_MS: '50',
    },
  })
  child.stderr?.pipe(log)
  return child
}

function killGroup(child: ChildProcess): void {
  try {
    if (child.pid) process.kill(-child.pid, 'SIGKILL')
  } catch {
    // the group is gone
  }
}

/** Runs a subcommand beside the server. */
export async function runSubcommand(
  [file, ...args]: Command,
  dataDir: string,
  words: readonly string[],
  signal?: AbortSignal,
): Promise<{ code: number | null; output: string }> {
  const child = spawn(file, [...args, ...words, '--data', dataDir], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH },
    ...(signal ? { signal, killSignal: 'SIGKILL' as const } : {}),
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  child.on('error', () => undefined) // the abort
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, output }
}
