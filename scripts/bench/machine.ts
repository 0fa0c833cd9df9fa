import { cpus, totalmem } from 'node:os'
import { run } from './lib/process.js'

const first = (text: string) => text.trim().split('\n')[0] ?? ''

async function version(command: string, ...args: string[]): Promise<string> {
  try {
    const { stdout, stderr } = await run(command, args, {
      env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
    })
    return first(stdout || stderr)
  } catch {
    return 'missing'
  }
}

/** What the figures were taken on: without it they mean nothing. */
export async function describeMachine(): Promise<Record<string, string>> {
  return {
    processor: `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 1e9)} GB`,
    system: await version('uname', '-sr'),
    node: process.version,
    git: await version('git', '--version'),
    'git-lfs': await version('git-lfs', '--version'),
    nginx: await version('nginx', '-v'),
    apache: await version('apache2', '-v'),
  }
}
