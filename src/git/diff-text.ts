import { HubError } from '../domain/errors.js'
import type { GitOid } from '../domain/types.js'
import { startGit } from './spawn.js'

/** Longer than this a diff is not waited for; what came until then is shown. */
const PATIENCE_MS = 20_000

/** Unified diff between two commits as git prints it, cut behind the last line that fits. */
export async function diffText(
  directory: string,
  from: GitOid,
  to: GitOid,
  maxBytes: number,
): Promise<{ text: string; isCut: boolean }> {
  const signal = AbortSignal.timeout(PATIENCE_MS)
  const args = ['--no-color', '--no-ext-diff', '--no-textconv', '--end-of-options', from, to]
  const git = await startGit('diff', args, { cwd: directory, signal })
  git.stdin.end()
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of git.stdout as AsyncIterable<Buffer>) {
    size += chunk.length
    chunks.push(chunk)
    if (size > maxBytes) break
  }
  const isCut = size > maxBytes || signal.aborted
  if (isCut) git.kill()
  const code = await git.exited
  if (code !== 0 && !isCut && !signal.aborted)
    throw new HubError('git_failed', 'git diff failed', { code, stderr: git.stderr() })
  const all = Buffer.concat(chunks)
  if (!isCut && code === 0) return { text: all.toString('utf8'), isCut: false }
  const end = all.subarray(0, maxBytes).lastIndexOf(10) + 1
  return { text: all.toString('utf8', 0, end), isCut: true }
}
