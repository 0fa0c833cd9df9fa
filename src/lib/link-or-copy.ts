import { copyFile, link, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { PROCESS_INSTANCE } from './process-instance.js'

/**
 * Brings a file that never changes to another place, by a second name for the same bytes where the file system allows,
 * else by a synced copy. A target of the same size is taken to be it already. Answers whether anything was done.
 */
export async function linkOrCopy(
  from: string,
  to: string,
  options: { link: boolean },
): Promise<boolean> {
  const { size } = await stat(from)
  const there = await stat(to).catch(() => undefined)
  if (there?.size === size) return false
  await mkdir(dirname(to), { recursive: true })
  if (there) await rm(to)
  if (options.link && (await tryLink(from, to))) return true
  const temporary = `${to}.${PROCESS_INSTANCE}`
  try {
    await copyFile(from, temporary)
    const file = await open(temporary, 'r+')
    await file.sync().finally(() => file.close())
    await rename(temporary, to)
  } finally {
    await rm(temporary, { force: true })
  }
  return true
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (err) {
    const { code } = err as NodeJS.ErrnoException
    if (code === 'EEXIST') return true
    if (code === 'EXDEV' || code === 'EPERM' || code === 'EMLINK' || code === 'ENOTSUP')
      return false
    throw err
  }
}
