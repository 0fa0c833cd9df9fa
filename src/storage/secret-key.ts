import { randomBytes } from 'node:crypto'
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const FILE = 'secret.key'

/**
 * The key under which secrets are kept, when the operator gave none: made on the first start, readable by the hub's user
 * only. Losing it loses the stored secrets, nothing else; backups hold it.
 */
export async function readSecretKey(dataDir: string): Promise<string> {
  const file = join(dataDir, FILE)
  const known = await readIfThere(file)
  if (known !== undefined) return known
  // written whole under another name and then linked: of two processes that start at once one wins, nobody reads half
  const draft = `${file}.${randomBytes(6).toString('hex')}`
  await writeFile(draft, `${randomBytes(32).toString('hex')}\n`, {
    mode: 0o600,
    flag: 'wx',
    flush: true,
  })
  try {
    await link(draft, file)
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'EEXIST') throw err
  } finally {
    await rm(draft, { force: true })
  }
  return (await readFile(file, 'utf8')).trim()
}

/** Into or out of a backup. Nothing is copied where the operator gave the key and there is no file. */
export async function copySecretKey(from: string, to: string): Promise<void> {
  const key = await readIfThere(join(from, FILE))
  if (key === undefined) return
  const target = join(to, FILE)
  const draft = `${target}.${randomBytes(6).toString('hex')}`
  await writeFile(draft, `${key}\n`, { mode: 0o600, flag: 'wx', flush: true })
  await rename(draft, target)
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw err
  }
}
