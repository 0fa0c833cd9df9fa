import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { HubError } from '../domain/errors.js'
import type { GitServiceRun } from '../domain/ports.js'
import { hasEnded, isOfThisMachine, PROCESS_INSTANCE } from '../lib/process-instance.js'
import { guardFanout } from './fanout-guard.js'
import { serveHooks } from './hooks.js'
import { type GitProcess, startGit } from './spawn.js'

/**
 * Runs upload-pack or receive-pack between two byte streams (gitprotocol-http(5), stateless).
 * The output is not ended: the caller ends it only after git exited well, so a crash never looks like a complete reply.
 * Throws `invalid_input` for a request that git cannot read, `git_failed` for anything else.
 */
export async function runService(directory: string, run: GitServiceRun): Promise<void> {
  const push = run.service === 'receive-pack' && !run.advertise
  const nonce = randomBytes(12).toString('hex')
  const git = await startGit(
    run.service,
    ['--stateless-rpc', ...(run.advertise ? ['--http-backend-info-refs'] : []), '.'],
    {
      cwd: directory,
      env: {
        ...(run.protocol ? { GIT_PROTOCOL: run.protocol } : {}),
        ...(push ? { PACKHORSE_HOOK_FD: '3', PACKHORSE_HOOK_NONCE: nonce } : {}),
      },
      config: run.maxInputBytes ? [`receive.maxInputSize=${run.maxInputBytes}`] : [],
      channel: push,
      // a fetch that nobody reads is wasted work; a push whose client left is still decided by git
      ...(push ? {} : { signal: run.signal }),
    },
  )
  const mark = push ? await markPush(directory, git.pid) : undefined
  const guards: (() => Promise<void>)[] = []
  if (git.channel && run.onHook)
    serveHooks(
      git.channel,
      { directory, nonce },
      guarded(run.onHook, guards, async () => mark?.moving()),
      run.onHookError,
    )
  try {
    const said = watch(git.stdout)
    const [code, unread] = await Promise.all([
      git.exited,
      feed(run.input, git),
      deliver(git.stdout, run),
    ])
    if (run.signal.aborted) return
    if (unread && (code !== 0 || said.bytes === 0)) throw unread
    // git put its reason into the reply, as an error packet: that is a complete answer
    if (code !== 0 && !said.endsWithError()) throw verdict(run.service, code, git.stderr())
  } finally {
    git.channel?.destroy()
    for (const letGo of guards) await letGo()
    await mark?.release()
  }
}

/** `moving` is over before the policy looks whether somebody holds the repository, who then waits for this push. */
function guarded(
  onHook: NonNullable<GitServiceRun['onHook']>,
  guards: (() => Promise<void>)[],
  moving: () => Promise<void>,
): NonNullable<GitServiceRun['onHook']> {
  return async (call) => {
    if (call.hook === 'pre-receive') await moving()
    const answer = await onHook(call)
    if (answer.accept && call.hook === 'pre-receive' && call.quarantine)
      guards.push(await guardFanout(call.quarantine))
    return answer
  }
}

/** Hands the request to git. Answers why it could not be read to its end, if so; git's leaving early is no reason. */
async function feed(input: Readable, git: GitProcess): Promise<HubError | undefined> {
  const { stdin } = git
  const closed = once(stdin, 'close').catch(() => undefined)
  try {
    // not by pipeline(): it would destroy the request, and with it the socket, when git stops reading
    for await (const chunk of input.iterator({ destroyOnReturn: false })) {
      if (stdin.destroyed) break
      if (!stdin.write(chunk)) await Promise.race([drained(stdin), closed])
    }
    return undefined
  } catch (err) {
    if (err instanceof HubError) return err
    return new HubError('invalid_input', 'The request body cannot be read to its end.', {}, err)
  } finally {
    if (!stdin.destroyed) stdin.end()
  }
}

function drained(stdin: Writable): Promise<void> {
  return new Promise((resolve) => void stdin.once('drain', resolve))
}

async function deliver(stdout: Readable, run: GitServiceRun): Promise<void> {
  const output = run.output as Writable
  const { prologue } = run
  if (prologue) stdout.once('data', () => output.write(prologue))
  try {
    await pipeline(stdout, output, { end: false })
  } catch (err) {
    // nobody listens any more: let git finish what it decided, without filling its pipe
    stdout.resume()
    ignoreClientGone(err as NodeJS.ErrnoException)
  }
}

/** Remembers how much was said and the last two pieces of it. */
function watch(stdout: Readable): { readonly bytes: number; endsWithError(): boolean } {
  let bytes = 0
  let before: Buffer = Buffer.alloc(0)
  let last: Buffer = Buffer.alloc(0)
  stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    before = last
    last = chunk
  })
  return {
    get bytes() {
      return bytes
    },
    endsWithError() {
      const end = Buffer.concat([before, last])
      const at = end.lastIndexOf('ERR ')
      return (
        at >= 4 && Number.parseInt(end.toString('latin1', at - 4, at), 16) === end.length - at + 4
      )
    },
  }
}

/** What git dies of when the request makes no sense; its line says what, and nothing about this machine. */
const UNREADABLE =
  /fatal: ((?:protocol error|the remote end hung up|expected |unknown (?:capability|object format)|invalid |unexpected|git upload-pack: |bad |mode must|Invalid (?:deepen|filter)|expecting |no command requested).*)/

function verdict(service: string, code: number, stderr: string): HubError {
  const line = UNREADABLE.exec(stderr)?.[1]
  const facts = { code, stderr }
  return line && !/(^|[\s'"])\//.test(line)
    ? new HubError('invalid_input', `The request cannot be understood: ${line}`, facts)
    : new HubError('git_failed', `git ${service} failed`, facts)
}

/*
 * A push in flight is a file named by the pid of its receive-pack: it outlives this process when it dies,
 * so whoever wants to prune can tell whether a push past pre-receive may still be writing. From pre-receive on there is
 * `<pid>-moving` as well.
 */
interface PushMark {
  moving(): Promise<void>
  release(): Promise<void>
}

async function markPush(directory: string, pid: number): Promise<PushMark> {
  const file = join(directory, 'packhorse-pushes', String(pid))
  await mkdir(join(directory, 'packhorse-pushes'), { recursive: true })
  await writeFile(file, '')
  return {
    moving: () => writeFile(`${file}-moving`, ''),
    async release() {
      await Promise.all([file, `${file}-moving`].map((it) => rm(it, { force: true })))
    },
  }
}

let writers = 0

/** The same mark for what the hub itself writes: `hub-<process instance>-<n>`. */
export async function markWriter(directory: string): Promise<() => Promise<void>> {
  writers += 1
  const file = join(directory, 'packhorse-pushes', `hub-${PROCESS_INSTANCE}-${writers}`)
  await writeFile(file, '').catch(async () => {
    await mkdir(join(directory, 'packhorse-pushes'), { recursive: true })
    await writeFile(file, '')
  })
  return () => rm(file, { force: true })
}

/** `moving`: without the pushes that are still being received. */
export async function pushesInFlight(
  directory: string,
  which: 'all' | 'moving' = 'all',
): Promise<number> {
  let names: string[]
  try {
    names = await readdir(join(directory, 'packhorse-pushes'))
  } catch {
    return 0
  }
  let alive = 0
  for (const name of names) {
    if (which === 'moving' && /^\d+$/.test(name)) continue
    const mark = join(directory, 'packhorse-pushes', name)
    if (await isAtWork(name, mark)) alive += 1
    else await rm(mark, { force: true })
  }
  return alive
}

/** Of a mark whose process cannot be looked at: another machine's, or of this one before it was started anew. */
const FOREIGN_MARK_MS = 60 * 60_000

async function isAtWork(name: string, mark: string): Promise<boolean> {
  if (!name.startsWith('hub-')) return isReceivePack(name.replace(/-moving$/, ''))
  const instance = name.slice('hub-'.length)
  if (isOfThisMachine(instance)) return !hasEnded(instance)
  const it = await stat(mark).catch(() => undefined)
  return it !== undefined && Date.now() - it.mtimeMs < FOREIGN_MARK_MS
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function isReceivePack(pid: string): Promise<boolean> {
  try {
    // a pid may have been given out again since; the command line tells
    return (await readFile(`/proc/${Number(pid)}/cmdline`, 'latin1')).includes('receive-pack')
  } catch {
    return process.platform !== 'linux' && isAlive(Number(pid))
  }
}

function ignoreClientGone(err: NodeJS.ErrnoException): void {
  const quiet = [
    'ERR_STREAM_PREMATURE_CLOSE',
    'ERR_STREAM_DESTROYED',
    'EPIPE',
    'ECONNRESET',
    'ABORT_ERR',
  ]
  if (!quiet.includes(err.code ?? '')) throw err
}
