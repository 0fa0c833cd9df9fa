import { type Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { HubError } from '../domain/errors.js'
import type { GitOid } from '../domain/types.js'
import { runGit, startGit } from './spawn.js'

const MAX_HEAD_BYTES = 64 * 1024 * 1024

/**
 * Makes a bundle of all branches; `take` gets its bytes. Answers the tips that its head names. Throws `git_failed`, also
 * when `take` has had all bytes: what it kept is then worth nothing.
 */
export async function writeBundle(
  directory: string,
  signal: AbortSignal,
  take: (stream: Readable) => Promise<void>,
): Promise<GitOid[]> {
  const git = await startGit('bundle', ['create', '-q', '-', '--branches'], {
    cwd: directory,
    signal,
  })
  git.stdin.end()
  let head = ''
  let inHead = true
  const passed = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (inHead) {
        head += chunk.toString('latin1')
        inHead = !head.includes('\n\n') && head.length < MAX_HEAD_BYTES
      }
      done(null, chunk)
    },
  })
  const [code] = await Promise.all([git.exited, take(passed), pipeline(git.stdout, passed)])
  signal.throwIfAborted()
  if (code !== 0)
    throw new HubError('git_failed', 'git bundle failed', { code, stderr: git.stderr() })
  return headOf(head)
}

/** gitformat-bundle(5): signature, "@capability" lines, "-prerequisite" lines, "<oid> <ref>" lines, an empty line. */
function headOf(text: string): GitOid[] {
  const end = text.indexOf('\n\n')
  if (end < 0 || !/^# v[23] git bundle\n/.test(text))
    throw new HubError('git_failed', 'git made something that is no bundle')
  const tips = text
    .slice(0, end)
    .split('\n')
    .flatMap((it) => /^([0-9a-f]{40}|[0-9a-f]{64}) refs\/heads\//.exec(it)?.[1] ?? [])
  return [...new Set(tips)]
}

/** Whether the advertised refs reach all these commits. */
export async function reachesAll(directory: string, oids: readonly GitOid[]): Promise<boolean> {
  const input = `${oids.join('\n')}\n`
  const { code, stdout } = await runGit(
    'rev-list',
    ['--max-count=1', '--stdin', '--not', '--exclude=refs/packhorse/*', '--all'],
    { cwd: directory, input, okCodes: [0, 128] },
  )
  return code === 0 && stdout.length === 0
}
