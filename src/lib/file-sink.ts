import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { Writable } from 'node:stream'
import { BLOCK_BYTES, giveBack, lend } from './blocks.js'

/** So much is on its way to the disk before it is sent after: the sync at the end then has little left to wait for. */
const SYNC_BYTES = 32 * 1024 * 1024
/**
 * From here on whole blocks go past the page cache, which spares a copy and the kernel's writing back: a fifth of the
 * processor time and twice the speed. Shorter files are likely to be read soon and stay in the cache.
 */
const DIRECT_FROM = 64 * 1024 * 1024
/** Absent where the system has no such thing. */
const { O_DIRECT } = constants as { O_DIRECT?: number }

/**
 * Writes a new file (it may not exist) in large blocks, one being written while the next one fills. What has ended is
 * synced; `close` comes when the file is closed, whatever happened.
 */
export class FileSink extends Writable {
  readonly #path: string
  #file: FileHandle | undefined
  /** The same file, for writes past the page cache; null where the file system takes none. */
  #direct: FileHandle | null | undefined = O_DIRECT === undefined ? null : undefined
  #block: Buffer | undefined
  #fill = 0
  #at = 0
  #synced = 0
  /** Rejections are heard by whoever writes next, or at the end. */
  #writing: Promise<void> = Promise.resolve()
  #syncing: Promise<void> | undefined

  constructor(path: string) {
    super({ highWaterMark: BLOCK_BYTES })
    this.#path = path
  }

  override _construct(done: (err?: Error | null) => void): void {
    open(this.#path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL).then((file) => {
      this.#file = file
      done()
    }, done)
  }

  override _write(chunk: Buffer, _encoding: string, done: (err?: Error | null) => void): void {
    const rest = this.#take(chunk)
    if (rest.length === 0) done()
    else
      this.#writing.then(() => {
        this.#flush()
        this._write(rest, _encoding, done)
      }, done)
  }

  override _final(done: (err?: Error | null) => void): void {
    this.#finish().then(() => done(), done)
  }

  override _destroy(err: Error | null, done: (err?: Error | null) => void): void {
    this.#close().then(
      () => done(err),
      (failure) => done(err ?? failure),
    )
  }

  /** Fills the block; what has no room in it. */
  #take(chunk: Buffer): Buffer {
    this.#block ??= lend(BLOCK_BYTES)
    const room = Math.min(BLOCK_BYTES - this.#fill, chunk.length)
    this.#block.set(chunk.subarray(0, room), this.#fill)
    this.#fill += room
    return chunk.subarray(room)
  }

  #flush(): void {
    const block = this.#block
    if (!block || this.#fill === 0) return
    this.#writing = this.#writeBlock(block, this.#fill)
    this.#writing.catch(() => undefined)
    this.#block = undefined
    this.#fill = 0
  }

  async #writeBlock(block: Buffer, bytes: number): Promise<void> {
    const file = this.#opened()
    if (await this.#writeDirect(block, bytes)) {
      giveBack(block)
      return
    }
    for (let from = 0; from < bytes; ) {
      const { bytesWritten } = await file.write(block, from, bytes - from, this.#at)
      from += bytesWritten
      this.#at += bytesWritten
    }
    giveBack(block)
    if (this.#syncing || this.#at - this.#synced < SYNC_BYTES) return
    this.#synced = this.#at
    this.#syncing = file.datasync().finally(() => {
      this.#syncing = undefined
    })
    this.#syncing.catch((err) => this.destroy(err))
  }

  /** False when the block has to go the usual way: a short one, or a file system that wants it otherwise. */
  async #writeDirect(block: Buffer, bytes: number): Promise<boolean> {
    if (this.#direct === null || bytes !== BLOCK_BYTES || this.#at < DIRECT_FROM) return false
    try {
      this.#direct ??= await open(this.#path, constants.O_WRONLY | (O_DIRECT ?? 0))
      const { bytesWritten } = await this.#direct.write(block, 0, bytes, this.#at)
      if (bytesWritten === bytes) {
        this.#at += bytes
        return true
      }
    } catch (err) {
      const { code = '' } = err as NodeJS.ErrnoException
      if (!['EINVAL', 'EOPNOTSUPP', 'ENOTSUP'].includes(code)) throw err
    }
    await this.#direct?.close()
    this.#direct = null
    return false
  }

  async #finish(): Promise<void> {
    await this.#writing
    this.#flush()
    await this.#writing
    await this.#opened().sync()
  }

  /** The kernel has let go of the file before its number can be another one's. */
  async #close(): Promise<void> {
    await this.#writing.catch(() => undefined)
    await this.#syncing?.catch(() => undefined)
    await Promise.all([this.#direct?.close(), this.#file?.close()])
  }

  #opened(): FileHandle {
    if (!this.#file) throw new Error('the file is not open')
    return this.#file
  }
}
