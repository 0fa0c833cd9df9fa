import { close, createReadStream, open as openFile, read } from 'node:fs'
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { HubError } from '../../domain/errors.js'
import { asChecksumError, readThrough } from '../../domain/lfs/checked-bytes.js'
import type { ByteRange, ObjectStore, PartUpload } from '../../domain/ports.js'
import { openFileBlocks } from '../../lib/blocks.js'
import { ByteCheck } from '../../lib/byte-check.js'
import { FileSink } from '../../lib/file-sink.js'
import { newId } from '../../lib/ids.js'
import { hasEnded, PROCESS_INSTANCE } from '../../lib/process-instance.js'
import { recoverJournals } from './journal-recovery.js'
import { JournaledWrites } from './journaled-writes.js'
import { requireParts } from './part-sizes.js'

const CHUNK_BYTES = 1024 * 1024

/**
 * Objects as files under `root`. An upload is written to `incoming/` on the same file system, hashed on its way, synced
 * and renamed: under its key an object is whole or absent. Small ones go through a journal (decision 013).
 */
export async function diskStore(root: string): Promise<ObjectStore> {
  await recoverJournals(root)
  const small = new JournaledWrites(root)
  const path = (key: string) => {
    if (!/^[a-z0-9][\w./-]*$/i.test(key) || key.includes('..'))
      throw new HubError('invalid_input', 'not an object key')
    return join(root, key)
  }
  const temporary = async () => {
    await mkdir(join(root, 'incoming'), { recursive: true })
    return join(root, 'incoming', `${PROCESS_INSTANCE}-${newId()}`)
  }

  const put: ObjectStore['put'] = async (key, body, expect, signal) => {
    const incoming = await temporary()
    const target = path(key)
    const check = new ByteCheck(expect)
    const file = new FileSink(incoming)
    try {
      await pipeline(body, check, file, { signal })
      await moveInto(incoming, target)
      return { size: check.size, sha256: check.sha256 }
    } catch (err) {
      throw asChecksumError(err)
    } finally {
      await removeClosed(file, incoming)
    }
  }

  return {
    kind: 'disk',
    put,
    async putSmall(key, bytes, sha256) {
      path(key)
      await small.put({ key, sha256, bytes })
    },
    async size(key) {
      return stat(path(key)).then((it) => it.size, ignoreMissing)
    },
    open: (key, range) => openFileBlocks(path(key), range).catch((err) => throwMissing(err, key)),
    readSmall: (key, range) => readRange(path(key), range).catch((err) => throwMissing(err, key)),
    async verify(key, expect, signal) {
      const bytes = await stat(path(key)).then((it) => it.size, ignoreMissing)
      if (bytes === undefined) throw new HubError('object_not_found', 'Object not found', { key })
      await readThrough(createReadStream(path(key), { highWaterMark: CHUNK_BYTES }), expect, signal)
    },
    async delete(key) {
      await rm(path(key), { force: true })
    },
    list: (prefix) => listFiles(root, prefix),
    async check() {
      const probe = await temporary()
      await (await open(probe, 'wx')).close()
      await rm(probe)
    },
    async sweep() {
      const parts = await readdir(join(root, 'parts')).catch(() => [])
      let count = 0
      for (const directory of ['incoming', ...parts.map((it) => join('parts', it))])
        for (const name of await readdir(join(root, directory)).catch(() => []))
          if (hasEnded(name)) {
            await rm(join(root, directory, name), { force: true })
            count += 1
          }
      return count
    },
    close: () => small.close(),
    localPath: path,
    parts: diskParts(root, put),
  }
}

/** Parts wait as files `parts/<upload>/<number>` until `complete` streams them, in order, through the same checked put. */
function diskParts(root: string, put: ObjectStore['put']): PartUpload {
  const directory = (uploadId: string) => {
    if (!/^[0-9a-f]{24}$/.test(uploadId)) throw new HubError('invalid_input', 'not an upload id')
    return join(root, 'parts', uploadId)
  }
  return {
    minPartBytes: 1,
    async begin() {
      const id = newId()
      await mkdir(directory(id), { recursive: true })
      return id
    },
    async putPart(_key, uploadId, number, body, size, signal) {
      const incoming = join(directory(uploadId), `${PROCESS_INSTANCE}-${number}.${newId()}`)
      const check = new ByteCheck({ size })
      const file = new FileSink(incoming)
      try {
        await pipeline(body, check, file, { signal })
        await rename(incoming, join(directory(uploadId), String(number)))
        return check.sha256
      } catch (err) {
        if ((err as NodeJS.ErrnoException).code === 'ENOENT')
          throw new HubError('object_not_found', 'The upload has ended or expired.')
        throw asChecksumError(err)
      } finally {
        await removeClosed(file, incoming)
      }
    },
    async complete(key, uploadId, expect, signal) {
      const from = directory(uploadId)
      const held = await partSizes(from)
      if (!held) {
        // only a checked put makes a file under a key: when it is there, an earlier call has done the work
        const bytes = await stat(join(root, key)).then((it) => it.size, ignoreMissing)
        if (bytes === expect.size) return
        throw new HubError('object_not_found', 'The upload has ended or expired.')
      }
      requireParts(held, expect)
      const numbers = [...held.keys()].sort((a, b) => a - b)
      try {
        await put(key, joinFiles(numbers.map((it) => join(from, String(it)))), expect, signal)
      } catch (err) {
        if (err instanceof HubError && err.code === 'checksum_mismatch')
          await rm(from, { recursive: true, force: true })
        throw err
      }
      await rm(from, { recursive: true, force: true })
    },
    async abort(_key, uploadId) {
      await rm(directory(uploadId), { recursive: true, force: true })
    },
  }
}

function joinFiles(paths: readonly string[]): Readable {
  async function* chunks() {
    for (const path of paths) yield* createReadStream(path, { highWaterMark: CHUNK_BYTES })
  }
  return Readable.from(chunks(), { objectMode: false })
}

/** Number -> bytes of the parts that are whole; undefined when there is no such upload. */
async function partSizes(directory: string): Promise<Map<number, number> | undefined> {
  const names = await readdir(directory).catch(ignoreMissing)
  if (!names) return undefined
  const held = new Map<number, number>()
  for (const name of names)
    if (/^\d+$/.test(name)) held.set(Number(name), (await stat(join(directory, name))).size)
  return held
}

/** A pipeline may fail while the file is still being opened: removed before that, it would appear again. */
async function removeClosed(file: FileSink, path: string): Promise<void> {
  if (!file.closed) await new Promise<void>((resolve) => file.once('close', () => resolve()))
  await rm(path, { force: true })
}

/** The rename itself, and directories made for it, must survive a power cut before anybody is told that the object is there. */
async function moveInto(incoming: string, target: string): Promise<void> {
  const made = await mkdir(dirname(target), { recursive: true })
  await rename(incoming, target)
  const last = made ? dirname(made) : dirname(target)
  const changed: string[] = []
  for (let at = dirname(target); ; at = dirname(at)) {
    changed.push(at)
    if (at === last) break
  }
  // side by side the file system makes one journal commit of them
  await Promise.all(
    changed.map(async (path) => {
      const directory = await open(path, 'r')
      await directory.sync().finally(() => directory.close())
    }),
  )
}

/** By plain descriptors: what a file handle costs besides is more than a small object takes. */
function readRange(path: string, { first, last }: ByteRange): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(last - first + 1)
  return new Promise((resolve, reject) => {
    openFile(path, 'r', (failed, file) => {
      if (failed) return reject(failed)
      // nobody waits for it to be closed
      const end = () => close(file, () => undefined)
      const fill = (from: number) =>
        read(file, bytes, from, bytes.length - from, first + from, (err, count) => {
          if (!err && count > 0 && from + count < bytes.length) return fill(from + count)
          end()
          if (err) reject(err)
          else if (count === 0) reject(new Error('the file is shorter than its object'))
          else resolve(bytes)
        })
      fill(0)
    })
  })
}

function throwMissing(err: NodeJS.ErrnoException, key: string): never {
  if (err.code === 'ENOENT') throw new HubError('object_not_found', 'Object not found', { key })
  throw err
}

function ignoreMissing(err: NodeJS.ErrnoException): undefined {
  if (err.code !== 'ENOENT') throw err
}

async function* listFiles(
  root: string,
  prefix: string,
): AsyncGenerator<{ key: string; size: number; modifiedAt: Date }> {
  for (const entry of await readdir(join(root, prefix), { withFileTypes: true }).catch(() => [])) {
    const key = join(prefix, entry.name)
    if (entry.isDirectory()) yield* listFiles(root, key)
    else {
      const it = await stat(join(root, key)).catch(() => undefined)
      if (it) yield { key, size: it.size, modifiedAt: it.mtime }
    }
  }
}
