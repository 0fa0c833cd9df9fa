import type { Readable } from 'node:stream'
import { HubError } from '../../domain/errors.js'
import { startGit } from '../spawn.js'

/** Has git answer a v2 fetch; `take` gets the bytes. Throws `git_failed` unless git ended well. */
export async function runUploadPack(
  directory: string,
  request: Buffer,
  take: (stdout: Readable) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const git = await startGit('upload-pack', ['--stateless-rpc', '.'], {
    cwd: directory,
    env: { GIT_PROTOCOL: 'version=2' },
    signal,
  })
  git.stdin.end(request)
  const [code] = await Promise.all([git.exited, take(git.stdout)])
  signal.throwIfAborted()
  if (code !== 0)
    throw new HubError('git_failed', 'git upload-pack failed', { code, stderr: git.stderr() })
}
