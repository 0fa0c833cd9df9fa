import { type FileHandle, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { HubError } from '../domain/errors.js'
import type { GitOid } from '../domain/types.js'

/**
 * Moves one branch that exists, as git's files backend does it: `<ref>.lock` made exclusively, the value compared under
 * the lock, fsync, rename. Throws `conflict` when somebody holds the lock or the ref is not at `oldOid`. Anything else
 * (new and deleted refs, several at once) is `git update-ref`'s.
 */
export async function moveRefFile(
  directory: string,
  ref: string,
  oldOid: GitOid,
  newOid: GitOid,
): Promise<boolean> {
  const path = join(directory, ref)
  const lock = `${path}.lock`
  let file: FileHandle
  try {
    file = await open(lock, 'wx', 0o644)
  } catch (err) {
    const { code } = err as NodeJS.ErrnoException
    if (code === 'EEXIST') throw new HubError('conflict', 'the reference is being changed', { ref })
    if (code === 'ENOENT' || code === 'ENOTDIR') return false // only in packed-refs, its folder gone
    throw err
  }
  let moved = false
  try {
    const now = await readLoose(path)
    if (now === undefined) return false // only in packed-refs
    if (now !== oldOid) throw new HubError('conflict', 'the reference changed meanwhile', { ref })
    await file.writeFile(`${newOid}\n`)
    await file.sync()
    await file.close()
    await rename(lock, path)
    moved = true
    return true
  } finally {
    await file.close().catch(() => undefined)
    // once renamed, a lock of this name is somebody else's
    if (!moved) await rm(lock, { force: true })
  }
}

async function readLoose(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'latin1')).trim()
  } catch (err) {
    if (['ENOENT', 'EISDIR'].includes((err as NodeJS.ErrnoException).code ?? '')) return undefined
    throw err
  }
}
