import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

/** Every child is its own process group, so that one signal reaches what it started in turn. */
const running = new Set<ChildProcess>()

export interface CommandOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  readonly input?: string | Buffer
  readonly timeoutMs?: number
}

export interface Finished {
  readonly stdout: string
  readonly stderr: string
  readonly seconds: number
}

function start(command: string, args: readonly string[], options: CommandOptions): ChildProcess {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: 'pipe',
    detached: true,
  })
  running.add(child)
  child.once('close', () => running.delete(child))
  return child
}

export function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** For the last moment of the process: nothing that the bench started may outlive it. */
export function killEverything(): void {
  for (const child of running) killGroup(child, 'SIGKILL')
}

/** Runs a command to its end; a failing one throws with the tail of what it said. */
export async function run(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<Finished> {
  const begin = performance.now()
  const child = start(command, args, options)
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout?.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr?.on('data', (chunk: Buffer) => err.push(chunk))
  child.stdin?.on('error', () => {}) // it may stop reading early; its exit code is the verdict
  child.stdin?.end(options.input)
  const timer = setTimeout(() => killGroup(child, 'SIGKILL'), options.timeoutMs ?? 900_000)
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
    const seconds = (performance.now() - begin) / 1000
    const stderr = Buffer.concat(err).toString()
    if (code !== 0) {
      const said = stderr.trim().slice(-1000)
      throw new Error(
        `${command} ${args.slice(0, 4).join(' ')} ended with ${code ?? signal}: ${said}`,
      )
    }
    return { stdout: Buffer.concat(out).toString(), stderr, seconds }
  } finally {
    clearTimeout(timer)
  }
}

/** A server in the foreground, its output kept as a tail for the error message. */
export class Service {
  readonly process: ChildProcess
  readonly name: string
  #output = ''

  constructor(
    name: string,
    command: string,
    args: readonly string[],
    options: CommandOptions = {},
  ) {
    this.name = name
    this.process = start(command, args, options)
    this.process.on('error', (error) => {
      this.#output += `${error}\n`
    })
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output = (this.#output + chunk.toString()).slice(-8192)
      })
    }
  }

  get pid(): number {
    if (this.process.pid === undefined) throw new Error(`${this.name} did not start`)
    return this.process.pid
  }

  get output(): string {
    return this.#output
  }

  get alive(): boolean {
    return this.process.pid !== undefined && this.process.exitCode === null && !this.process.killed
  }

  /** Waits until `probe` answers something, or says what the server printed instead. */
  async ready<T>(
    probe: (output: string) => Promise<T | undefined>,
    timeoutMs = 30_000,
  ): Promise<T> {
    const deadline = performance.now() + timeoutMs
    while (performance.now() < deadline) {
      const found = await probe(this.#output)
      if (found !== undefined) return found
      if (!this.alive) break
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error(`${this.name} did not come up:\n${this.#output}`)
  }

  /** Asks the server itself to end, then ends what is left of its group. */
  async stop(): Promise<void> {
    if (this.process.pid === undefined) return
    if (this.process.exitCode === null && this.process.signalCode === null) {
      const closed = once(this.process, 'exit')
      this.process.kill('SIGTERM')
      const timer = setTimeout(() => killGroup(this.process, 'SIGKILL'), 15_000)
      await closed
      clearTimeout(timer)
    }
    killGroup(this.process, 'SIGKILL')
  }
}
