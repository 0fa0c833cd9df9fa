import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'

/** Bytes that were kept; may be read more than once until the spool is closed. */
export interface Spooled {
  readonly size: number
  /** Present while the bytes are in memory. */
  readonly bytes: Buffer | undefined
  open(): Readable
}

/**
 * Keeps pieces of a long request until all of it was checked: small pieces in memory up to `memoryBytes` altogether,
 * the others one after another in a temporary file. The file has no name, so a killed process leaves nothing behind.
 */
export class Spool {
  readonly #directory: string
  readonly #pieceBytes: number
  #memoryLeft: number
  #file: FileHandle | undefined
  #fileSize = 0

  constructor(directory: string, limits: { memoryBytes: number; pieceBytes: number }) {
    this.#directory = directory
    this.#memoryLeft = limits.memoryBytes
    this.#pieceBytes = limits.pieceBytes
  }

  begin(): SpoolPiece {
    return new SpoolPiece(this)
  }

  /** Bytes that a piece may hold in memory now. */
  get memoryForPiece(): number {
    return Math.min(this.#memoryLeft, this.#pieceBytes)
  }

  keep(bytes: Buffer): Spooled {
    this.#memoryLeft -= bytes.length
    return { size: bytes.length, bytes, open: () => Readable.from([bytes]) }
  }

  get fileSize(): number {
    return this.#fileSize
  }

  async append(bytes: Buffer): Promise<void> {
    this.#file ??= await this.#create()
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, at, bytes.length - at, this.#fileSize)
      at += bytesWritten
      this.#fileSize += bytesWritten
    }
  }

  range(start: number, size: number): Spooled {
    const fd = this.#file?.fd
    const open = () =>
      size === 0 || fd === undefined
        ? Readable.from([])
        : createReadStream('', { fd, start, end: start + size - 1, autoClose: false })
    return { size, bytes: undefined, open }
  }

  async close(): Promise<void> {
    await this.#file?.close()
    this.#file = undefined
  }

  async #create(): Promise<FileHandle> {
    await mkdir(this.#directory, { recursive: true })
    const path = join(this.#directory, `spool-${randomBytes(8).toString('hex')}`)
    const file = await open(path, 'wx+', 0o600)
    await rm(path)
    return file
  }
}

/** One piece while it comes in; pieces of a spool are written one at a time. */
export class SpoolPiece {
  readonly #spool: Spool
  #chunks: Buffer[] = []
  #size = 0
  #start: number | undefined

  constructor(spool: Spool) {
    this.#spool = spool
  }

  async write(chunk: Buffer): Promise<void> {
    this.#size += chunk.length
    if (this.#start === undefined) {
      // copied: a few bytes must not keep a whole network buffer alive
      this.#chunks.push(Buffer.from(chunk))
      if (this.#size <= this.#spool.memoryForPiece) return
      this.#start = this.#spool.fileSize
      await this.#spool.append(Buffer.concat(this.#chunks))
      this.#chunks = []
    } else await this.#spool.append(chunk)
  }

  end(): Spooled {
    if (this.#start !== undefined) return this.#spool.range(this.#start, this.#size)
    return this.#spool.keep(Buffer.concat(this.#chunks))
  }
}
