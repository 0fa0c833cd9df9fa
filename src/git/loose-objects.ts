import { createHash, randomBytes } from 'node:crypto'
import { type FileHandle, link, mkdir, open, rename, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { deflate } from 'node:zlib'
import type { GitOid, ObjectFormat } from '../domain/types.js'

/*
 * A loose object (gitformat-loose, gitrepository-layout(5)): zlib over "<type> <size>\0<bytes>", at objects/ab/cdef…, its
 * name the hash of the same bytes. Written like git does: a temporary file beside it, fsync, then into place, never over
 * an object that is there.
 */
const compress = promisify(deflate)

export interface NewObject {
  readonly oid: GitOid
  readonly raw: Buffer
}

export function encodeObject(
  type: 'blob' | 'tree' | 'commit',
  content: Buffer,
  format: ObjectFormat,
): NewObject {
  const raw = Buffer.concat([Buffer.from(`${type} ${content.length}\0`), content])
  return { raw, oid: createHash(format).update(raw).digest('hex') }
}

/** Durable when it answers. */
export async function writeLooseObjects(
  directory: string,
  objects: readonly NewObject[],
): Promise<void> {
  await Promise.all(objects.map((it) => writeLoose(join(directory, 'objects'), it)))
}

async function writeLoose(objects: string, { oid, raw }: NewObject): Promise<void> {
  const folder = join(objects, oid.slice(0, 2))
  const path = join(folder, oid.slice(2))
  if (await exists(path)) return
  const bytes = await compress(raw, { level: 1 })
  const temporary = join(folder, `tmp_obj_${randomBytes(6).toString('hex')}`)
  const file = await openIn(folder, temporary)
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
  try {
    await link(temporary, path)
    await unlink(temporary)
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'EEXIST') await unlink(temporary)
    // a file system without hard links
    else await rename(temporary, path)
  }
}

async function openIn(folder: string, path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx', 0o444)
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'ENOENT') throw err
    await mkdir(folder, { recursive: true })
    return open(path, 'wx', 0o444)
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
