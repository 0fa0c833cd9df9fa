import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { ByteRange } from '../domain/ports.js'

const OBJECT_FILE =
  /^objects\/(?:[0-9a-f]{2}\/[0-9a-f]{38}(?:[0-9a-f]{24})?|pack\/pack-[0-9a-f]{40}(?:[0-9a-f]{24})?\.(?:pack|idx))$/

export async function listPacks(directory: string): Promise<string[]> {
  const names = await readdir(join(directory, 'objects/pack')).catch(() => [])
  return names.filter((it) => /^pack-[0-9a-f]+\.pack$/.test(it)).sort()
}

/** Loose objects and packs by the names git gives them, nothing else of the directory. */
export async function openObjectFile(
  directory: string,
  relative: string,
): Promise<{ size: number; etag: string; open(range?: ByteRange): Promise<Readable> } | undefined> {
  if (!OBJECT_FILE.test(relative)) return undefined
  const path = join(directory, relative)
  const it = await stat(path).catch(() => undefined)
  if (!it) return undefined
  return {
    size: it.size,
    etag: relative.replace(/\W/g, '-'),
    open: async (range) =>
      createReadStream(path, range ? { start: range.first, end: range.last } : {}),
  }
}
