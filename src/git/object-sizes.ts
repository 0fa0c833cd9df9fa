import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { LRUCache } from 'lru-cache'

/*
 * What a repository's object store weighs: packs with their indexes, and loose objects, in 256 directories. Objects
 * never change, so a directory's sum holds while its stat is the same. As with refs, one that changed within the last
 * granule of the file system's clock is not trusted a second time.
 */
const CLOCK_GRANULE_NS = 20_000_000n
const KEPT_BYTES = 16 * 1024 * 1024
const BYTES_OF_A_SUM = 200
const COUNTED = /^([0-9a-f]{2}|pack)$/

interface Sum {
  readonly mark: string
  readonly bytes: number
}

export class ObjectSizes {
  readonly #kept = new LRUCache<string, Map<string, Sum>>({
    maxSize: KEPT_BYTES,
    sizeCalculation: (it) => 300 + it.size * BYTES_OF_A_SUM,
  })

  bytes(directory: string): number {
    const objects = join(directory, 'objects')
    const before = this.#kept.get(directory)
    const now = new Map<string, Sum>()
    let total = 0
    for (const name of names(objects)) {
      if (!COUNTED.test(name)) continue
      const path = join(objects, name)
      const settledBefore = BigInt(Date.now()) * 1_000_000n - CLOCK_GRANULE_NS
      const it = lstatSync(path, { bigint: true, throwIfNoEntry: false })
      if (!it) continue
      const mark = `${it.ino}:${it.mtimeNs}:${it.ctimeNs}`
      const kept = before?.get(name)
      const bytes = kept?.mark === mark ? kept.bytes : bytesIn(path)
      if (it.ctimeNs < settledBefore) now.set(name, { mark, bytes })
      total += bytes
    }
    this.#kept.set(directory, now)
    return total
  }

  forget(directory: string): void {
    this.#kept.delete(directory)
  }
}

function bytesIn(path: string): number {
  let total = 0
  for (const name of names(path))
    total += lstatSync(join(path, name), { throwIfNoEntry: false })?.size ?? 0
  return total
}

function names(path: string): string[] {
  try {
    return readdirSync(path)
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw err
  }
}
