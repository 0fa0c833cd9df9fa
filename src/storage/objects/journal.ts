import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { newId } from '../../lib/ids.js'
import { PROCESS_INSTANCE } from '../../lib/process-instance.js'
import { syncFileSystem } from '../../lib/sync-file-system.js'
import type { Placed } from './journal-records.js'

/** A journal that has grown so large is replaced by a new one while it is brought in. */
const MAX_BYTES = 64 * 1024 * 1024
const MAX_OBJECTS = 20_000

interface Segment {
  readonly path: string
  readonly file: number
  readonly keys: string[]
  bytes: number
}

/**
 * Small objects of one process on their way to the disk (decision 013). One sync of the journal stands for all objects of
 * a group; their files are written at once, too, for whoever reads them, but synced later and together. A journal is
 * removed when everything that it names is on the disk.
 *
 * Blocks while it waits for the disk: it belongs into a thread of its own.
 */
export class Journal {
  readonly #root: string
  #segment: Segment | undefined
  #settling: Promise<void> = Promise.resolve()

  constructor(root: string) {
    this.#root = root
  }

  /** When it returns the objects survive a power cut, and are files under their keys. */
  append(records: Uint8Array, placed: readonly Placed[]): void {
    const segment = this.#segment ?? this.#begin()
    this.#segment = segment
    try {
      writeAll(segment.file, records)
      fdatasyncSync(segment.file)
    } catch (err) {
      this.#giveUp(segment)
      throw err
    }
    segment.bytes += records.length
    for (const { key } of placed) segment.keys.push(key)
    for (const { key, at, size } of placed)
      writeObject(this.#root, key, records.subarray(at, at + size))
    if (segment.bytes >= MAX_BYTES || segment.keys.length >= MAX_OBJECTS) void this.settle()
  }

  /** Brings the objects so far to the disk as files and removes their journal; the next ones begin another. */
  settle(): Promise<void> {
    const segment = this.#segment
    this.#segment = undefined
    if (segment)
      this.#settling = this.#settling
        .then(() => bringIn(this.#root, segment.keys))
        .then(
          () => rmSync(segment.path, { force: true }),
          () => undefined, // the journal stays: the next start tries again
        )
        .finally(() => closeSync(segment.file))
    return this.#settling
  }

  #begin(): Segment {
    const directory = join(this.#root, 'journal')
    mkdirSync(directory, { recursive: true })
    const path = join(directory, `${PROCESS_INSTANCE}-${newId()}`)
    const file = openSync(path, 'wx', 0o600)
    syncPath(directory)
    syncPath(this.#root)
    return { path, file, keys: [], bytes: 0 }
  }

  /** After a failed write or sync nothing more goes in; what was acknowledged before is brought in. */
  #giveUp(segment: Segment): void {
    try {
      ftruncateSync(segment.file, segment.bytes)
    } catch {
      // the end is no whole record, or one of an object that nobody was told of
    }
    void this.settle()
  }
}

/** Syncs these files and the directories that lead to them. Rejects when one cannot be. */
export async function bringIn(root: string, keys: readonly string[]): Promise<void> {
  const tops = new Set(keys.map((key) => key.split('/', 1)[0] ?? ''))
  let done = true
  for (const top of tops) done = (await syncFileSystem(join(root, top))) && done
  if (done) return
  const directories = new Set<string>()
  for (const key of keys) {
    ignoreMissing(() => syncPath(join(root, key)))
    for (let at = dirname(key); at !== '.'; at = dirname(at)) directories.add(at)
  }
  for (const directory of [...directories, '.'])
    ignoreMissing(() => syncPath(join(root, directory)))
}

function writeObject(root: string, key: string, bytes: Uint8Array): void {
  const target = join(root, key)
  try {
    writeNew(target, bytes)
  } catch (err) {
    // sent twice: the other may be at it right now, or was killed in the middle
    if ((err as NodeJS.ErrnoException).code !== 'EEXIST') throw err
    const incoming = join(root, 'incoming', `${PROCESS_INSTANCE}-${newId()}`)
    try {
      writeNew(incoming, bytes)
      renameSync(incoming, target)
    } finally {
      rmSync(incoming, { force: true })
    }
  }
}

function writeNew(path: string, bytes: Uint8Array): void {
  const file = openNew(path)
  try {
    writeAll(file, bytes)
  } finally {
    closeSync(file)
  }
}

function openNew(path: string): number {
  // mostly it is not there yet, and an attempt that fails costs more than the directory
  mkdirSync(dirname(path), { recursive: true })
  return openSync(path, 'wx')
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let from = 0; from < bytes.length; ) from += writeSync(file, bytes, from)
}

/** Collected or discarded meanwhile: there is nothing left to sync. */
function ignoreMissing(act: () => void): void {
  try {
    act()
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'ENOENT') throw err
  }
}

function syncPath(path: string): void {
  const file = openSync(path, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}
