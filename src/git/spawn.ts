import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Duplex, Readable, Writable } from 'node:stream'
import { HubError } from '../domain/errors.js'
import type { Quarantine } from '../domain/ports.js'
import { tail } from '../lib/tail.js'
import { GIT_COMMANDS, type GitCommand } from './commands.js'
import { Launcher, type LaunchOrder } from './launcher.js'
import { lowerPriority } from './priority.js'

export interface GitProcess {
  readonly pid: number
  readonly stdin: Writable
  readonly stdout: Readable
  /** Second channel (fd 3), when asked for. */
  readonly channel: Duplex | undefined
  readonly stderr: () => string
  readonly exited: Promise<number>
  kill(): void
}

export interface GitOptions {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  readonly quarantine?: Quarantine | undefined
  readonly config?: readonly string[]
  /** Opens fd 3 as a socket that git hands down to its hooks. */
  readonly channel?: boolean
  readonly signal?: AbortSignal
  /** Work that nobody waits for: one thread, and after everything else on the machine. */
  readonly background?: boolean
}

const BASE_ENV: Readonly<Record<string, string>> = {
  PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
  LC_ALL: 'C',
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_NO_REPLACE_OBJECTS: '1',
  GIT_OPTIONAL_LOCKS: '0',
}

let running = 0

/** git processes that this process started and that have not ended. */
export function runningProcesses(): number {
  return running
}

let launcher: Launcher | undefined
let launchers = 0

/** From here on git is started by a process of its own, see launcher.ts, until everybody who asked for it closes it. */
export function useLauncher(): { close(): void } {
  launcher ??= new Launcher(BASE_ENV)
  launchers += 1
  return {
    close() {
      launchers -= 1
      if (launchers > 0) return
      launcher?.close()
      launcher = undefined
    },
  }
}

/** Starts git inside a bare repository: no shell, an environment built from nothing, stderr kept to a tail of 8 KiB. */
export async function startGit(
  command: GitCommand,
  args: readonly string[],
  options: GitOptions,
): Promise<GitProcess> {
  const threads = options.background ? ['pack.threads=1'] : []
  const settings = [...GIT_COMMANDS[command], ...(options.config ?? []), ...threads].flatMap(
    (it) => ['-c', it],
  )
  const quarantine = options.quarantine && {
    GIT_OBJECT_DIRECTORY: options.quarantine.objectDirectory,
    GIT_ALTERNATE_OBJECT_DIRECTORIES: options.quarantine.alternates,
  }
  const order = {
    args: ['--git-dir=.', ...settings, command, ...args],
    cwd: options.cwd,
    env: { ...BASE_ENV, ...quarantine, ...options.env },
    channel: options.channel ?? false,
    background: options.background ?? false,
  }
  running += 1
  const git = await (launcher?.ready ? launch(launcher, order) : spawnHere(order)).catch((err) => {
    running -= 1
    throw err
  })
  // git may stop reading early; its exit code and stderr are the verdict, not EPIPE
  git.stdin.on('error', () => undefined)
  git.channel?.on('error', () => undefined)
  git.exited.catch(() => undefined)
  if (options.signal?.aborted) git.kill()
  options.signal?.addEventListener('abort', git.kill, { once: true })
  const over = () => {
    running -= 1
    options.signal?.removeEventListener('abort', git.kill)
  }
  git.exited.then(over, over)
  return git
}

type Order = Omit<LaunchOrder, 'id' | 'token'>

async function launch(by: Launcher, order: Order): Promise<GitProcess> {
  const { ended, ...git } = await by.start(order)
  let said = ''
  const exited = ended.then(({ code, stderr }) => {
    said = stderr
    return code
  })
  return { ...git, exited, stderr: () => said }
}

async function spawnHere({ args, cwd, env, channel, background }: Order): Promise<GitProcess> {
  const child: ChildProcess = spawn('git', args, {
    cwd,
    env,
    stdio: ['pipe', 'pipe', 'pipe', ...(channel ? (['pipe'] as const) : [])],
  })
  if (background) lowerPriority(child.pid)
  const { stdin, stdout, stderr } = child
  if (!stdin || !stdout || !stderr) throw new HubError('git_failed', 'git could not be started')
  const failed = once(child, 'error').then(([err]) => {
    throw new HubError('git_failed', 'git could not be started', { command: args.join(' ') }, err)
  })
  // not events.once: that rejects on 'error', which `failed` reports, and once more wherever else it is awaited
  const closed = new Promise<number>((resolve) => {
    child.once('close', (code) => resolve(code ?? -1))
  })
  return {
    pid: child.pid ?? 0,
    stdin,
    stdout,
    channel: channel ? (child.stdio[3] as Duplex) : undefined,
    stderr: tail(stderr, 8192),
    exited: Promise.race([closed, failed]),
    kill: () => void child.kill('SIGTERM'),
  }
}

export interface GitResult {
  readonly code: number
  readonly stdout: Buffer
  readonly stderr: string
}

/** Runs git to its end. Output above `maxBytes` (default 64 MiB) fails; exit codes other than `okCodes` throw `git_failed`. */
export async function runGit(
  command: GitCommand,
  args: readonly string[],
  options: GitOptions & { input?: string | Buffer; maxBytes?: number; okCodes?: readonly number[] },
): Promise<GitResult> {
  const git = await startGit(command, args, options)
  const maxBytes = options.maxBytes ?? 64 * 1024 * 1024
  const chunks: Buffer[] = []
  let size = 0
  git.stdout.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size > maxBytes) git.kill()
    else chunks.push(chunk)
  })
  git.stdin.end(options.input ?? '')
  const code = await git.exited
  if (size > maxBytes) throw new HubError('git_failed', 'git answered too much', { command, size })
  if (!(options.okCodes ?? [0]).includes(code))
    throw new HubError('git_failed', `git ${command} failed`, {
      command,
      code,
      stderr: git.stderr(),
    })
  return { code, stdout: Buffer.concat(chunks), stderr: git.stderr() }
}

/** Pieces of a stream between separators, as latin1-safe buffers turned to UTF-8 text. Bounded by `maxPiece` bytes each. */
export async function* splitStream(
  stream: Readable,
  separator: number,
  maxPiece = 16 * 1024 * 1024,
): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    let data = rest.length ? Buffer.concat([rest, chunk]) : chunk
    let start = 0
    for (let at = data.indexOf(separator); at >= 0; at = data.indexOf(separator, start)) {
      yield data.toString('utf8', start, at)
      start = at + 1
    }
    data = data.subarray(start)
    if (data.length > maxPiece)
      throw new HubError('git_failed', 'git answered a record that is too long')
    rest = data
  }
  if (rest.length) yield rest.toString('utf8')
}

/** Like `runGit` for output that is read piece by piece. Leaving the loop early ends git. */
export async function* gitRecords(
  command: GitCommand,
  args: readonly string[],
  options: GitOptions & { input?: string | Buffer; separator: '\n' | '\0' },
): AsyncGenerator<string> {
  const git = await startGit(command, args, options)
  git.stdin.end(options.input ?? '')
  let complete = false
  try {
    yield* splitStream(git.stdout, options.separator === '\0' ? 0 : 10)
    complete = true
  } finally {
    if (!complete) git.kill()
  }
  const code = await git.exited
  if (code !== 0)
    throw new HubError('git_failed', `git ${command} failed`, {
      command,
      code,
      stderr: git.stderr(),
    })
}
