import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

export interface HubProcess {
  readonly url: string
  readonly pid: number
  /** Everything printed so far. */
  readonly stdout: () => string
  readonly stderr: () => string
  signal(name: NodeJS.Signals): void
  /** Exit code, or the signal that ended it. */
  readonly exited: Promise<number | string | null>
}

function launch(words: readonly string[], env: Record<string, string>) {
  return spawn(process.execPath, ['--import', 'tsx', MAIN, ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH ?? '', ...env },
  })
}

function collect(stream: Readable): () => string {
  let text = ''
  stream.setEncoding('utf8').on('data', (piece: string) => {
    text += piece
  })
  return () => text
}

type Child = ChildProcessByStdio<null, Readable, Readable>

const endOf = async (child: Child) => {
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  return code ?? signal
}

/** `packhorse <words>` as a process, to its end. */
export async function packhorse(
  words: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number | string | null; stdout: string; stderr: string }> {
  const child = launch(words, env)
  const stdout = collect(child.stdout)
  const stderr = collect(child.stderr)
  const code = await endOf(child)
  return { code, stdout: stdout(), stderr: stderr() }
}

/** `packhorse serve` as a process, once it listens; killed when the test is over. */
export async function startProcess(
  words: readonly string[],
  env: Record<string, string> = {},
): Promise<HubProcess> {
  const child = launch(['serve', ...words], env)
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  const stdout = collect(child.stdout)
  const stderr = collect(child.stderr)
  const exited = endOf(child)
  for (;;) {
    const url = /^listening on (\S+)$/m.exec(stdout())?.[1]
    if (url)
      return {
        url,
        pid: child.pid ?? 0,
        stdout,
        stderr,
        signal: (name) => void child.kill(name),
        exited,
      }
    if (child.exitCode !== null)
      throw new Error(`serve ended with ${child.exitCode}: ${stderr()}${stdout()}`)
    await Promise.race([once(child.stdout, 'data'), exited])
  }
}
