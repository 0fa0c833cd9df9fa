import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { HubError } from '../domain/errors.js'
import type { GitServiceRun } from '../domain/ports.js'
import { serveHooks } from './hooks.js'
import { startGit } from './spawn.js'

/**
 * Runs upload-pack or receive-pack between two byte streams (gitprotocol-http(5), stateless).
 * The output is not ended: the caller ends it only after git exited well, so a crash never looks like a complete reply.
 */
export async function runService(directory: string, run: GitServiceRun): Promise<void> {
  const push = run.service === 'receive-pack' && !run.advertise
  const git = startGit(
    run.service,
    ['--stateless-rpc', ...(run.advertise ? ['--http-backend-info-refs'] : []), '.'],
    {
      cwd: directory,
      env: {
        ...(run.protocol ? { GIT_PROTOCOL: run.protocol } : {}),
        ...(push ? { PACKHORSE_HOOK_FD: '3' } : {}),
      },
      config: run.maxInputBytes ? [`receive.maxInputSize=${run.maxInputBytes}`] : [],
      channel: push,
      // a fetch that nobody reads is wasted work; a push whose client left is still decided by git
      ...(push ? {} : { signal: run.signal }),
    },
  )
  const release = push ? await markPush(directory, git.pid) : undefined
  if (git.channel && run.onHook) serveHooks(git.channel, directory, run.onHook, run.onHookError)
  try {
    const [code] = await Promise.all([
      git.exited,
      pipeline([run.input, git.stdin], { signal: run.signal }).catch(ignoreClosedInput),
      pipeline(git.stdout, run.output as Writable, { end: false }).catch((err) => {
        // nobody listens any more: let git finish what it decided, without filling its pipe
        git.stdout.resume()
        ignoreClientGone(err)
      }),
    ])
    if (code !== 0 && !run.signal.aborted)
      throw new HubError('git_failed', `git ${run.service} failed`, { code, stderr: git.stderr() })
  } finally {
    git.channel?.destroy()
    await release?.()
  }
}

/*
 * A push in flight is a file named by the pid of its receive-pack: it outlives this process when it dies,
 * so whoever wants to prune can tell whether a push past pre-receive may still be writing.
 */
async function markPush(directory: string, pid: number): Promise<() => Promise<void>> {
  const file = join(directory, 'packhorse-pushes', String(pid))
  await mkdir(join(directory, 'packhorse-pushes'), { recursive: true })
  await writeFile(file, '')
  return () => rm(file, { force: true })
}

export async function pushesInFlight(directory: string): Promise<number> {
  let names: string[]
  try {
    names = await readdir(join(directory, 'packhorse-pushes'))
  } catch {
    return 0
  }
  let alive = 0
  for (const name of names) {
    if (await isReceivePack(name)) alive += 1
    else await rm(join(directory, 'packhorse-pushes', name), { force: true })
  }
  return alive
}

async function isReceivePack(pid: string): Promise<boolean> {
  try {
    // a pid may have been given out again since; the command line tells
    return (await readFile(`/proc/${Number(pid)}/cmdline`, 'latin1')).includes('receive-pack')
  } catch {
    try {
      process.kill(Number(pid), 0)
      return process.platform !== 'linux'
    } catch {
      return false
    }
  }
}

function ignoreClosedInput(): void {
  // git may stop reading early, or the client left: git's exit code is the verdict
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
