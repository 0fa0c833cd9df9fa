import type { FileHandle } from 'node:fs/promises'
import { type Readable, Writable } from 'node:stream'
import { HubError } from '../../domain/errors.js'
import { startGit } from '../spawn.js'
import type { LocalGrowth } from './growth.js'

const WRITE_AHEAD_BYTES = 4 * 1024 * 1024

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

/** Gathers what came since the last write. */
export function appendTo(file: FileHandle, growth: LocalGrowth): Writable {
  const append = async (pieces: Buffer[]) => {
    for (const piece of pieces.length > 1 ? [Buffer.concat(pieces)] : pieces)
      for (let at = 0; at < piece.length; )
        at += (await file.write(piece, at, piece.length - at, growth.size + at)).bytesWritten
    growth.grow(pieces.reduce((sum, it) => sum + it.length, 0))
  }
  return new Writable({
    highWaterMark: WRITE_AHEAD_BYTES,
    writev: (pieces, done) =>
      void append(pieces.map(({ chunk }) => chunk as Buffer)).then(() => done(), done),
    write: (chunk: Buffer, _encoding, done) => void append([chunk]).then(() => done(), done),
  })
}
