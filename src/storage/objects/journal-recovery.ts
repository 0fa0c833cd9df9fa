import { createHash } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { newId } from '../../lib/ids.js'
import { hasEnded, isOfThisMachine, PROCESS_INSTANCE } from '../../lib/process-instance.js'
import { bringIn } from './journal.js'
import { decodeRecords, type SmallObject } from './journal-records.js'

/** A journal that lives is written or removed more often than this. */
const DEAD_MS = 10 * 60_000

/**
 * Completes what journals of other processes promise, and removes the journals of dead ones. What a process wrote on
 * this boot is still there, however it ended, and only has to be synced. After a power cut (or on another machine) each
 * object is compared, and written again where its file is missing or different.
 */
export async function recoverJournals(root: string): Promise<void> {
  const directory = join(root, 'journal')
  for (const name of await readdir(directory).catch(() => [])) {
    const ended = hasEnded(name)
    if (isOfThisMachine(name) && !ended) continue
    const path = join(directory, name)
    const file = await open(path, 'r').catch(ignoreMissing)
    if (!file) continue // another process that starts was faster
    try {
      const dead = ended || Date.now() - (await file.stat()).mtimeMs > DEAD_MS
      const keys: string[] = []
      for await (const object of decodeRecords(readerOf(file))) {
        keys.push(object.key)
        if (!ended) await complete(root, object)
      }
      await bringIn(root, keys)
      if (dead) await rm(path, { force: true })
    } finally {
      await file.close()
    }
  }
}

async function complete(root: string, { key, sha256, bytes }: SmallObject): Promise<void> {
  const target = join(root, key)
  if ((await digestOf(target, bytes.length)) === sha256) return
  const incoming = join(root, 'incoming', `${PROCESS_INSTANCE}-${newId()}`)
  for (const path of [incoming, target]) await mkdir(dirname(path), { recursive: true })
  const file = await open(incoming, 'wx')
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(incoming, target)
}

/** Undefined when there is no such file of that size. */
async function digestOf(path: string, size: number): Promise<string | undefined> {
  const bytes = await stat(path).then((it) => it.size, ignoreMissing)
  if (bytes !== size) return undefined
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
}

function readerOf(file: FileHandle): (bytes: number) => Promise<Buffer | undefined> {
  let at = 0
  return async (bytes) => {
    const buffer = Buffer.alloc(bytes)
    const { bytesRead } = await file.read(buffer, 0, bytes, at)
    at += bytesRead
    return bytesRead === bytes ? buffer : undefined
  }
}

function ignoreMissing(err: NodeJS.ErrnoException): undefined {
  if (err.code !== 'ENOENT') throw err
}
