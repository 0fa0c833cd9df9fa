import { pipeline } from 'node:stream/promises'
import { HubError } from '../domain/errors.js'
import type { GitOid } from '../domain/types.js'
import { runGit, startGit } from './spawn.js'

/**
 * Brings the files of a commit into another repository of the same object format, byte for byte, names and all, as one
 * pack without the history behind it; answers their tree. No ref names it yet: the caller marks itself a writer.
 */
export async function copyTree(
  from: string,
  commit: GitOid,
  to: string,
  signal: AbortSignal,
): Promise<GitOid> {
  const { stdout } = await runGit('rev-parse', ['--verify', `${commit}^{tree}`], { cwd: from })
  const tree = stdout.toString().trim()
  const maker = await startGit(
    'pack-objects',
    ['--revs', '--stdout', '-q', '--delta-base-offset'],
    {
      cwd: from,
      signal,
    },
  )
  maker.stdin.end(`${tree}\n`)
  try {
    const taker = await startGit('index-pack', ['--stdin'], { cwd: to, signal })
    taker.stdout.resume()
    // a pack ends with its checksum: index-pack knows whether it got all of it, and may close the line before we do
    await pipeline(maker.stdout, taker.stdin).catch(() => undefined)
    const code = await taker.exited
    if (code !== 0)
      throw new HubError('git_failed', 'git could not copy a tree', {
        code,
        stderr: `${maker.stderr()}${taker.stderr()}`,
      })
    signal.throwIfAborted()
  } finally {
    maker.kill()
    await maker.exited.catch(() => undefined)
  }
  return tree
}
