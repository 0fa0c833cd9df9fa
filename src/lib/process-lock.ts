import { randomBytes } from 'node:crypto'
import { link, readFile, rm, writeFile } from 'node:fs/promises'
import { hasEnded, PROCESS_INSTANCE } from './process-instance.js'

/**
 * Runs the task while `path` is this process's lock file, naming it; one holder at a time, whichever process it is. False,
 * and the task did not run, while another one holds it. The lock of a process that ended is nobody's and is taken over.
 */
export async function withProcessLock(path: string, task: () => Promise<void>): Promise<boolean> {
  if (!(await take(path))) return false
  try {
    await task()
  } finally {
    await rm(path, { force: true })
  }
  return true
}

async function take(path: string): Promise<boolean> {
  // a second name of a file that is whole: nobody ever reads a lock that does not name its holder yet
  const mine = `${path}.${PROCESS_INSTANCE}-${randomBytes(6).toString('hex')}.lock`
  await writeFile(mine, PROCESS_INSTANCE, { flag: 'wx' })
  try {
    for (;;) {
      if (await isLinked(mine, path)) return true
      if (!(await isDead(path))) return false
      if (!(await removeDead(path))) return false
    }
  } finally {
    await rm(mine, { force: true })
  }
}

/**
 * Under a lock of its own: one who looked earlier would otherwise remove what another one, faster, has taken since. So
 * nobody but the holder of that removes a dead lock, and what is dead under it stays so until it is removed.
 */
function removeDead(path: string): Promise<boolean> {
  return withProcessLock(`${path}.over.lock`, async () => {
    if (await isDead(path)) await rm(path, { force: true })
  })
}

async function isDead(path: string): Promise<boolean> {
  return hasEnded(await readFile(path, 'utf8').catch(() => ''))
}

async function isLinked(file: string, path: string): Promise<boolean> {
  try {
    await link(file, path)
    return true
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw err
  }
}
