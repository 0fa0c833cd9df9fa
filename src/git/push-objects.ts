import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { constants, inflateSync } from 'node:zlib'
import type { Quarantine } from '../domain/ports.js'
import type { GitOid } from '../domain/types.js'
import type { CatFile, ObjectInfo } from './cat-file.js'

/*
 * A small push is unpacked by git into loose objects (receive.unpackLimit), a few files in its quarantine. Reading
 * those here, and all else through the reader that the repository has open anyway, saves the processes that would
 * otherwise be the larger part of what a small push costs.
 *
 * Loose object (gitrepository-layout(5)): zlib of "<type> <size>\0<content>" in objects/ab/cdef….
 */
const MAX_FILES = 200
/** Of a commit, tree or tag, in its file and out of it. */
const MAX_OBJECT_BYTES = 1024 * 1024
const SNIFF_BYTES = 8 * 1024
/** Holds the header, behind the code table that zlib may put first. */
const START_BYTES = 1024

export interface PushObject {
  readonly type: ObjectInfo['type']
  readonly size: number
  /** Undefined for blobs above `SNIFF_BYTES`, and for anything else above `MAX_OBJECT_BYTES`. */
  readonly content: Buffer | undefined
}

export class PushObjects {
  readonly #files: ReadonlyMap<GitOid, string>
  readonly #reader: CatFile

  private constructor(files: ReadonlyMap<GitOid, string>, reader: CatFile) {
    this.#files = files
    this.#reader = reader
  }

  /** Undefined when the push is not small: it came as a pack, or holds many or large objects besides blobs. */
  static open(quarantine: Quarantine | undefined, reader: CatFile): PushObjects | undefined {
    const files = quarantine ? looseFiles(quarantine.objectDirectory) : new Map<GitOid, string>()
    return files && new PushObjects(files, reader)
  }

  /** Whether the push itself brought the object. */
  has(oid: GitOid): boolean {
    return this.#files.has(oid)
  }

  /** Undefined when there is no such object, in the push or in the repository. */
  async read(oid: GitOid): Promise<PushObject | undefined> {
    const file = this.#files.get(oid)
    if (file !== undefined) return readLoose(file)
    const info = await this.#reader.info(oid)
    if (!info) return undefined
    const content =
      info.type === 'blob' && info.size > SNIFF_BYTES
        ? undefined
        : (await this.#reader.contents(oid))?.content
    return { type: info.type, size: info.size, content }
  }
}

function looseFiles(directory: string): Map<GitOid, string> | undefined {
  const files = new Map<GitOid, string>()
  for (const fan of readdirSync(directory)) {
    if (fan === 'info') continue
    const names = readdirSync(join(directory, fan))
    if (fan === 'pack') {
      if (names.length > 0) return undefined
      continue
    }
    for (const name of names) files.set(`${fan}${name}`, join(directory, fan, name))
    if (files.size > MAX_FILES) return undefined
  }
  return files
}

function readLoose(path: string): PushObject | undefined {
  const bytes = statSync(path).size
  const start = inflateStart(path)
  const nul = start.indexOf(0)
  const [, type, digits] =
    /^(blob|tree|commit|tag) (\d+)$/.exec(start.toString('latin1', 0, Math.max(nul, 0))) ?? []
  if (!type) return undefined
  const size = Number(digits)
  const head = { type: type as ObjectInfo['type'], size }
  if (start.length === nul + 1 + size) return { ...head, content: start.subarray(nul + 1) }
  // a few bytes of a file may stand for a thousand times as many
  const limit = type === 'blob' ? SNIFF_BYTES : MAX_OBJECT_BYTES
  if (size > limit || bytes > MAX_OBJECT_BYTES) return { ...head, content: undefined }
  const whole = inflateSync(readFileSync(path), { maxOutputLength: nul + 1 + size })
  return { ...head, content: whole.subarray(nul + 1) }
}

/** As much of the object as the file's first bytes hold, its header in any case. */
function inflateStart(path: string): Buffer {
  const buffer = Buffer.alloc(START_BYTES)
  const file = openSync(path, 'r')
  try {
    const read = readSync(file, buffer, 0, START_BYTES, 0)
    return inflateSync(buffer.subarray(0, read), { finishFlush: constants.Z_SYNC_FLUSH })
  } finally {
    closeSync(file)
  }
}
