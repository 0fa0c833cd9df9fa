import { LRUCache } from 'lru-cache'
import { HubError } from '../domain/errors.js'
import type { Quarantine } from '../domain/ports.js'
import type { GitOid } from '../domain/types.js'
import { type GitProcess, startGit } from './spawn.js'

export interface ObjectInfo {
  readonly oid: GitOid
  readonly type: 'blob' | 'tree' | 'commit' | 'tag'
  readonly size: number
}

const KEPT_TREE_BYTES = 32 * 1024 * 1024
/** Half a megabyte of a push may unpack to half a gigabyte of tree, or of commit message. */
const MAX_CONTENT_BYTES = 128 * 1024 * 1024
const MAX_COMMIT_BYTES = 1024 * 1024

interface Waiting {
  readonly wantsContent: boolean
  readonly resolve: (it: { info: ObjectInfo; content: Buffer | undefined } | undefined) => void
  readonly reject: (err: unknown) => void
}

/**
 * One `git cat-file --batch-command` (git 2.36+): "info <object>" and "contents <object>" lines in,
 * "<oid> <type> <size>\n[<bytes>\n]" or "<object> missing\n" out, in order. Content is held in memory: ask for size first.
 * Above 128 MiB it is not given (`too_large`); of commits and tags, whose header comes first, so much as fits into 1 MiB.
 */
export class CatFile {
  readonly #git: Promise<GitProcess>
  readonly #waiting: Waiting[] = []
  #chunks: Buffer[] = []
  #buffered = 0
  #need = 0
  #pending: { info: ObjectInfo; waiting: Waiting } | undefined
  /** Bytes on their way that nobody gets. */
  #skip = 0
  #ended = false

  constructor(cwd: string, quarantine?: Quarantine) {
    this.#git = startGit('cat-file', ['--batch-command'], { cwd, quarantine })
    this.#git.then(
      (git) => {
        git.stdout.on('data', (chunk: Buffer) => this.#take(chunk))
        const fail = () => this.#fail(git.stderr())
        git.exited.then(fail, fail)
      },
      (err) => this.#fail(String(err)),
    )
  }

  get busy(): boolean {
    return this.#waiting.length > 0 || this.#pending !== undefined
  }

  get ended(): boolean {
    return this.#ended
  }

  async info(object: string): Promise<ObjectInfo | undefined> {
    return (await this.#ask('info', object))?.info
  }

  async contents(object: string): Promise<{ info: ObjectInfo; content: Buffer } | undefined> {
    const got = await this.#ask('contents', object)
    return got && { info: got.info, content: got.content ?? Buffer.alloc(0) }
  }

  close(): void {
    this.#git.then(
      (git) => {
        git.stdin.end()
        if (!this.busy) git.kill()
      },
      () => undefined,
    )
  }

  #ask(command: 'info' | 'contents', object: string) {
    if (/[\n\0]/.test(object) || object.length > 8192)
      return Promise.resolve(undefined) as Promise<undefined>
    if (this.#ended)
      return Promise.reject(new HubError('git_failed', 'git cat-file ended')) as Promise<undefined>
    return new Promise<{ info: ObjectInfo; content: Buffer | undefined } | undefined>(
      (resolve, reject) => {
        this.#waiting.push({ wantsContent: command === 'contents', resolve, reject })
        // one that could not be started has failed them all already
        this.#git.then(
          (git) => git.stdin.write(`${command} ${object}\n`),
          () => undefined,
        )
      },
    )
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#buffered += chunk.length
    if (this.#buffered < this.#need) return
    let data = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks)
    for (;;) {
      if (this.#skip > 0) {
        this.#need = 0
        const skipped = Math.min(this.#skip, data.length)
        data = data.subarray(skipped)
        this.#skip -= skipped
        if (this.#skip > 0) break
      } else if (this.#pending) {
        const { info, waiting } = this.#pending
        const bytes = Math.min(info.size, maxContent(info))
        this.#need = bytes
        if (data.length < this.#need) break
        // copied, so that a small blob does not keep a large chunk alive
        waiting.resolve({ info, content: Buffer.from(data.subarray(0, bytes)) })
        data = data.subarray(bytes)
        this.#skip = info.size - bytes + 1
        this.#pending = undefined
      } else {
        this.#need = 0
        const end = data.indexOf(10)
        if (end < 0) break
        this.#takeHeader(data.toString('utf8', 0, end))
        data = data.subarray(end + 1)
      }
    }
    this.#chunks = data.length ? [data] : []
    this.#buffered = data.length
  }

  #takeHeader(line: string): void {
    const waiting = this.#waiting.shift()
    if (!waiting) return
    const match = /^([0-9a-f]{40,64}) (blob|tree|commit|tag) (\d+)$/.exec(line)
    if (!match) {
      waiting.resolve(undefined)
      return
    }
    const info = { oid: match[1], type: match[2], size: Number(match[3]) } as ObjectInfo
    if (!waiting.wantsContent) waiting.resolve({ info, content: undefined })
    else if (info.size > maxContent(info) && !isHeaded(info)) {
      waiting.reject(new HubError('too_large', `The ${info.type} ${info.oid} is too large.`))
      this.#skip = info.size + 1
    } else this.#pending = { info, waiting }
  }

  #fail(stderr: string): void {
    this.#ended = true
    const err = new HubError('git_failed', 'git cat-file ended', { stderr })
    this.#pending?.waiting.reject(err)
    for (const it of this.#waiting.splice(0)) it.reject(err)
  }
}

function isHeaded({ type }: ObjectInfo): boolean {
  return type === 'commit' || type === 'tag'
}

function maxContent(info: ObjectInfo): number {
  return isHeaded(info) ? MAX_COMMIT_BYTES : MAX_CONTENT_BYTES
}

/** Keeps one reader per repository alive for a while; the oldest idle one goes first. */
export class CatFilePool {
  /** Trees by oid, which say the same for ever: folders of many files are read page after page. */
  readonly trees = new LRUCache<GitOid, Buffer>({
    maxSize: KEPT_TREE_BYTES,
    sizeCalculation: (it) => it.length + 200,
  })
  readonly #readers: LRUCache<string, CatFile>

  constructor(max: number) {
    this.#readers = new LRUCache<string, CatFile>({
      max,
      ttl: 60_000,
      ttlAutopurge: true,
      updateAgeOnGet: true,
      dispose: (reader) => reader.close(),
    })
  }

  get(directory: string): CatFile {
    const kept = this.#readers.get(directory)
    if (kept && !kept.ended) return kept
    const fresh = new CatFile(directory)
    this.#readers.set(directory, fresh)
    return fresh
  }

  forget(directory: string): void {
    this.#readers.delete(directory)
  }

  close(): void {
    this.#readers.clear()
  }
}
