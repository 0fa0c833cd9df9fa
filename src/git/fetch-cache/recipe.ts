import { randomBytes } from 'node:crypto'
import { constants, type FileHandle, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ObjectFormat } from '../../domain/types.js'
import type { SumOrder } from './pack-sum-worker.js'

/*
 * A recipe says how the pack of an answer is put together from a pack of the repository, instead of holding it:
 *   a line of JSON (`Head`), the entries that the pack on disk lacks, and as soon as it is known the sum of all
 * The pack put together (gitformat-pack(5)) = "PACK" version count, the entries of the pack on disk, those, the sum.
 * Entries name their bases by distance or by id, so they may stand behind any others.
 */
interface Head {
  /** Of this file's bytes: no other recipe has it. */
  readonly id: string
  readonly format: ObjectFormat
  /** File name of the pack on disk, and what tells that it is still the same one. */
  readonly pack: string
  readonly packBytes: number
  readonly packSum: string
  /** Entries of it and of what it lacks. */
  readonly objects: number
  readonly tailBytes: number
}

/** What a recipe is made of. */
export interface FoundPack {
  readonly format: ObjectFormat
  /** File name of the pack, and what tells that it is still the same one. */
  readonly pack: string
  readonly packBytes: number
  readonly packSum: string
  /** Entries of the pack and of the tail. */
  readonly objects: number
  /** The entries that the pack lacks. */
  readonly tail: Buffer
}

export const PACK_HEAD_BYTES = 12
const MAX_HEAD_BYTES = 1024

export function sumBytes(format: ObjectFormat): number {
  return format === 'sha256' ? 32 : 20
}

/** Into a new file; on disk for good when it returns. */
export async function writeRecipe(path: string, found: FoundPack): Promise<void> {
  const { tail, ...rest } = found
  const head: Head = {
    id: randomBytes(12).toString('hex'),
    ...rest,
    tailBytes: tail.length,
  }
  const file = await open(path, 'wx')
  try {
    await file.appendFile(`${JSON.stringify(head)}\n`)
    await file.appendFile(tail)
    await file.datasync()
  } finally {
    await file.close()
  }
}

/** A recipe and its pack, both open, so that they can be read whatever becomes of their names. */
export class Recipe {
  readonly head: Head
  /** When it was asked for last, milliseconds since 1970. */
  readonly usedAt: number
  readonly #file: FileHandle
  readonly #pack: FileHandle
  readonly #sumFrom: number
  /** Of the pack put together, its sum included. */
  readonly bytes: number
  /** The pack put together in order, but for its sum. */
  readonly pieces: readonly (Buffer | FileRange)[]
  #users = 1

  private constructor({ head, headBytes, usedAt, pack }: Read, file: FileHandle) {
    this.head = head
    this.usedAt = usedAt
    this.#file = file
    this.#pack = pack
    this.#sumFrom = headBytes + head.tailBytes
    const begin = Buffer.alloc(PACK_HEAD_BYTES)
    begin.write('PACK')
    begin.writeUInt32BE(2, 4)
    begin.writeUInt32BE(head.objects, 8)
    const entryBytes = head.packBytes - PACK_HEAD_BYTES - sumBytes(head.format)
    this.pieces = [
      begin,
      { file: pack, from: PACK_HEAD_BYTES, bytes: entryBytes },
      { file, from: headBytes, bytes: head.tailBytes },
    ]
    this.bytes = head.packBytes + head.tailBytes
  }

  /** Undefined when there is none. One whose pack the repository has no longer, or that is damaged, is removed. */
  static async open(path: string, directory: string): Promise<Recipe | undefined> {
    const file = await open(path, constants.O_RDWR).catch(() => undefined)
    if (!file) return undefined
    const read = await readRecipe(file, directory).catch(() => undefined)
    if (read) return new Recipe(read, file)
    await file.close()
    await rm(path, { force: true })
    return undefined
  }

  /** What a worker has to hash. */
  sumOrder(): SumOrder {
    const pieces = this.pieces.map((it) =>
      'file' in it ? { fd: it.file.fd, from: it.from, to: it.from + it.bytes } : new Uint8Array(it),
    )
    return { hash: this.head.format, pieces }
  }

  /** As it was noted; undefined when it was not. */
  async notedSum(): Promise<Buffer | undefined> {
    const wanted = sumBytes(this.head.format)
    const sum = Buffer.alloc(wanted)
    const { bytesRead } = await this.#file.read(sum, 0, wanted, this.#sumFrom)
    return bytesRead === wanted ? sum : undefined
  }

  async noteSum(sum: Uint8Array): Promise<void> {
    await this.#file.write(sum, 0, sum.length, this.#sumFrom)
    await this.#file.datasync()
  }

  /** For one more reader, which calls `close` too. */
  share(): this {
    this.#users += 1
    return this
  }

  async close(): Promise<void> {
    this.#users -= 1
    if (this.#users === 0) await Promise.all([this.#file.close(), this.#pack.close()])
  }
}

export interface FileRange {
  readonly file: FileHandle
  readonly from: number
  readonly bytes: number
}

interface Read {
  readonly head: Head
  readonly headBytes: number
  readonly usedAt: number
  readonly pack: FileHandle
}

async function readRecipe(file: FileHandle, directory: string): Promise<Read | undefined> {
  const begin = Buffer.alloc(MAX_HEAD_BYTES)
  const { bytesRead } = await file.read(begin, 0, MAX_HEAD_BYTES, 0)
  const headBytes = begin.subarray(0, bytesRead).indexOf('\n') + 1
  const head = JSON.parse(begin.toString('utf8', 0, headBytes)) as Head
  const { size, mtimeMs: usedAt } = await file.stat()
  if (size < headBytes + head.tailBytes) return undefined
  const pack = await open(join(directory, 'objects/pack', head.pack), 'r')
  try {
    const { bytes, sum } = await identityOf(pack, head.format)
    if (bytes === head.packBytes && sum === head.packSum) return { head, headBytes, usedAt, pack }
  } catch {
    // as if it were not there
  }
  await pack.close()
  return undefined
}

/** The sum at its end is one of all that stands before it. */
export async function identityOf(
  pack: FileHandle,
  format: ObjectFormat,
): Promise<{ bytes: number; sum: string }> {
  const { size } = await pack.stat()
  const sum = Buffer.alloc(sumBytes(format))
  await pack.read(sum, 0, sum.length, size - sum.length)
  return { bytes: size, sum: sum.toString('hex') }
}
