import { randomBytes } from 'node:crypto'
import { link, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const FILE = 'secret.key'

/**
 * The key under which secrets are kept, when the operator gave none: made on the first start, readable by the hub's user
 * only. Losing it loses the stored secrets, nothing else; backups must have it.
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

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw err
  }
}
