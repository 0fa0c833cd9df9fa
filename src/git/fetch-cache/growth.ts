import { type FileHandle, open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { HubError } from '../../domain/errors.js'
import type { RepoId } from '../../domain/types.js'
import { hasEnded } from '../../lib/process-instance.js'
import type { CacheFiles, Claim } from './files.js'

/** An answer that is being written, as its readers see it. */
export interface Growth {
  /**
   * Bytes there are beyond `position`, as soon as there are any, as total size; `position` itself at the end.
   * Throws when the answer will never be whole.
   */
  reach(position: number, signal: AbortSignal): Promise<number>
}

/** Written by this process. */
export class LocalGrowth implements Growth {
  #size = 0
  #end: 'open' | 'whole' | { readonly reason: unknown } = 'open'
  readonly #waiting = new Set<() => void>()

  get size(): number {
    return this.#size
  }

  get isWhole(): boolean {
    return this.#end === 'whole'
  }

  grow(bytes: number): void {
    this.#size += bytes
    this.#wake()
  }

  finish(): void {
    this.#end = 'whole'
    this.#wake()
  }

  fail(reason: unknown): void {
    if (this.#end === 'open') this.#end = { reason }
    this.#wake()
  }

  async reach(position: number, signal: AbortSignal): Promise<number> {
    for (;;) {
      signal.throwIfAborted()
      if (typeof this.#end === 'object') throw this.#end.reason
      if (this.#size > position || this.#end === 'whole') return this.#size
      await this.#change(signal)
    }
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#waiting.delete(wake)
        signal.removeEventListener('abort', wake)
        resolve()
      }
      this.#waiting.add(wake)
      signal.addEventListener('abort', wake, { once: true })
    })
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake()
  }
}

const POLL_MS = 20
/** The writer touches its part every few seconds, whatever it is waiting for. */
const SILENCE_MS = 60_000

/** Written by another process, of this machine or another one over the same directory. */
export class RemoteGrowth implements Growth {
  readonly #files: CacheFiles
  readonly #id: RepoId
  readonly #key: string
  readonly #claim: Claim
  readonly #file: FileHandle
  #lastSign = { mark: '', at: Date.now() }

  private constructor(files: CacheFiles, id: RepoId, key: string, claim: Claim, file: FileHandle) {
    this.#files = files
    this.#id = id
    this.#key = key
    this.#claim = claim
    this.#file = file
  }

  /** Undefined when nobody is writing it any more. */
  static async open(
    files: CacheFiles,
    id: RepoId,
    key: string,
  ): Promise<{ growth: RemoteGrowth; file: FileHandle } | undefined> {
    const claim = await files.readClaim(id, key)
    if (!claim || hasEnded(claim.owner)) return undefined
    const file = await open(join(files.directory(id), claim.part), 'r').catch(() => undefined)
    return file && { growth: new RemoteGrowth(files, id, key, claim, file), file }
  }

  async reach(position: number, signal: AbortSignal): Promise<number> {
    for (;;) {
      signal.throwIfAborted()
      // in this order: what the writer did last is looked at last
      const ended = await this.#isOver()
      const { size, mtimeMs } = await this.#file.stat()
      if (size > position) return size
      if (ended === 'whole') return size
      if (ended === 'failed' || this.#isSilent(`${size} ${mtimeMs}`))
        throw new HubError('git_failed', 'the answer was not made to its end', { key: this.#key })
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  async #isOver(): Promise<'whole' | 'failed' | 'open'> {
    const claim = await this.#files.readClaim(this.#id, this.#key)
    if (claim?.part === this.#claim.part) {
      if (claim.size !== undefined) return 'whole'
      return hasEnded(claim.owner) ? 'failed' : 'open'
    }
    // the claim goes after the part got its final name
    const kept = await stat(this.#files.answer(this.#id, this.#key)).catch(() => undefined)
    return kept?.ino === (await this.#file.stat()).ino ? 'whole' : 'failed'
  }

  #isSilent(mark: string): boolean {
    if (mark !== this.#lastSign.mark) this.#lastSign = { mark, at: Date.now() }
    return Date.now() - this.#lastSign.at > SILENCE_MS
  }
}
