import { createHash } from 'node:crypto'
import { type FileHandle, open, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { LRUCache } from 'lru-cache'
import { HubError } from '../../domain/errors.js'
import type { FetchAnswer, FetchClient, RefSnapshot } from '../../domain/ports.js'
import type { ObjectFormat, RepoId } from '../../domain/types.js'
import { abortable } from '../../lib/abortable.js'
import { type FetchRequest, formatFetch } from '../../protocol/git-fetch.js'
import type { Admission, Lane } from '../admission.js'
import type { Readers } from '../readers.js'
import { answerOf, keptAnswer, noteUse } from './answer.js'
import { digestOf, reachOf } from './asked.js'
import { CacheFiles } from './files.js'
import { type Growth, LocalGrowth, RemoteGrowth } from './growth.js'
import { joinedAnswer } from './joined-answer.js'
import { appendTo, runUploadPack } from './make-answer.js'
import { PackFinder } from './pack-finder.js'
import { PackSums } from './pack-sums.js'
import { Recipe, writeRecipe } from './recipe.js'
import { tipsOf } from './tips.js'

/** Raised when the shape of the files, or of what git is asked, changes. */
const FORMAT = 'packhorse fetch 2'
const HEARTBEAT_MS = 5_000
const REPEAT_WITHIN_MS = 10 * 60_000

export interface FetchCacheOptions {
  readonly root: string
  readonly maxBytes: number
  readonly gitVersion: string
  readonly admission: Admission
  readonly readers: Readers
  readonly directoryOf: (id: RepoId) => string
  readonly sizeOf: (id: RepoId) => Promise<number>
}

export interface FetchCacheCounts {
  /** Answers read from a whole file; from one that was still growing; made. */
  readonly hits: number
  readonly joined: number
  readonly made: number
  /** Of these, the ones whose largest part lay on disk as a pack. */
  readonly copied: number
}

/** Somebody else made it meanwhile, or is making it: look again. */
class LookAgain extends Error {}

/**
 * Whole answers to fetches, kept as files or as recipes for a pack of the repository. An answer holds what its wants reach, and wants are compared with the refs of
 * this moment before each use: what a repository no longer advertises is not given, however it went.
 */
export class FetchCache {
  readonly #options: FetchCacheOptions
  readonly #files: CacheFiles
  readonly #growing = new Map<string, Production>()
  readonly #tooLarge = new LRUCache<string, true>({ max: 10_000, ttl: REPEAT_WITHIN_MS })
  readonly #askedOnce = new LRUCache<string, true>({ max: 10_000, ttl: REPEAT_WITHIN_MS })
  readonly #abort = new AbortController()
  readonly #packs = new PackFinder()
  readonly #sums = new PackSums(this.#abort.signal)
  readonly #counts = { hits: 0, joined: 0, made: 0, copied: 0 }

  constructor(options: FetchCacheOptions) {
    this.#options = options
    this.#files = new CacheFiles(options.root, options.maxBytes)
  }

  get counts(): FetchCacheCounts {
    return { ...this.#counts }
  }

  /** Undefined: this fetch is not kept, git has to be asked. Throws `busy`. */
  async open(
    repo: { id: RepoId; objectFormat: ObjectFormat },
    readSnapshot: () => RefSnapshot,
    request: FetchRequest,
    client: FetchClient,
    signal: AbortSignal,
  ): Promise<FetchAnswer | undefined> {
    const tips = tipsOf(readSnapshot())
    const reach = reachOf(request, tips)
    if (this.#files.maxBytes === 0 || !reach.isPermitted) return undefined
    const { id, objectFormat } = repo
    const tags = request.includeTag ? tips.tagsDigest : '-'
    const key = await this.#key(id, tags, digestOf(request, objectFormat))
    const name = `${id}/${key}`
    if (this.#tooLarge.has(name)) return undefined
    // most fetches of a clone that is kept up to date are never asked again by anybody
    if (request.haves.length > 0 && !this.#askedOnce.has(name)) {
      this.#askedOnce.set(name, true)
      return undefined
    }
    const order: Order = {
      id,
      key,
      message: () => formatFetch(request, objectFormat),
      client,
      lane: request.haves.length > 0 ? 'small' : 'big',
      estimate: () => this.#estimate(id, request),
      everything: reach.isWhole ? { wants: request.wants, format: objectFormat } : undefined,
    }
    for (let attempt = 0; attempt < 8; attempt += 1) {
      const kept = await this.#kept(order)
      if (kept && attempt === 0) this.#counts.hits += 1
      const found = kept ?? (await this.#find(order, signal))
      if (found === 'again') continue
      if (!found) return undefined
      let isPermitted = false
      try {
        isPermitted = reachOf(request, tipsOf(readSnapshot())).isPermitted
        if (isPermitted) return found
        // the refs moved while it waited for its turn: git has the last word
        return undefined
      } finally {
        // it has its files open
        if (!isPermitted) await found.read(0, signal).close()
      }
    }
    return undefined
  }

  drop(id: RepoId): Promise<void> {
    for (const name of this.#growing.keys())
      if (name.startsWith(`${id}/`)) this.#growing.delete(name)
    return this.#files.drop(id)
  }

  sweep(): Promise<void> {
    return this.#files.sweep()
  }

  /** Ends what is being made. */
  async close(): Promise<void> {
    this.#abort.abort(new HubError('busy', 'The server is stopping.'))
    await Promise.allSettled([...this.#growing.values()].map((it) => it.ended))
    await this.#sums.close()
  }

  /** An answer that is there, as a file or as a recipe. */
  async #kept({ id, key }: Order): Promise<FetchAnswer | undefined> {
    const path = this.#files.answer(id, key)
    const whole = await open(path, 'r').catch(() => undefined)
    if (whole) return keptAnswer(whole, path)
    const recipePath = this.#files.recipe(id, key)
    const recipe = await Recipe.open(recipePath, this.#options.directoryOf(id))
    if (!recipe) return undefined
    await noteUse(recipePath, recipe.usedAt)
    const sum = this.#sums.of(recipe)
    sum.catch(() => undefined) // heard by who reads to the end
    return joinedAnswer(recipe, sum)
  }

  async #find(order: Order, signal: AbortSignal): Promise<FetchAnswer | undefined | 'again'> {
    const { id, key } = order
    const name = `${id}/${key}`
    let mine = this.#growing.get(name)
    if (!mine) {
      const other = await RemoteGrowth.open(this.#files, id, key)
      if (other) return this.#follow(other.file, other.growth, signal)
      mine = this.#growing.get(name)
    }
    if (!mine) mine = this.#start(name, order)
    else this.#counts.joined += 1
    try {
      const part = await abortable(mine.opened, signal)
      const file = await open(part, 'r')
      return await this.#follow(file, mine.growth, signal, true)
    } catch (err) {
      if (signal.aborted) throw err
      if (err instanceof LookAgain || isMissing(err)) return 'again'
      if (err instanceof HubError && err.code === 'busy') throw err
      // git says itself what is wrong with the request, or with the repository
      return undefined
    }
  }

  /** Waits for the first bytes: a failure before them can still be answered. */
  async #follow(
    file: FileHandle,
    growth: Growth,
    signal: AbortSignal,
    local = false,
  ): Promise<FetchAnswer | 'again'> {
    try {
      await growth.reach(0, signal)
    } catch (err) {
      await file.close()
      if (local || signal.aborted) throw err
      return 'again'
    }
    if (!local) this.#counts.joined += 1
    return answerOf(file, growth, undefined)
  }

  #start(name: string, order: Order): Production {
    const growth = new LocalGrowth()
    let opened: (part: string) => void = () => undefined
    let failed: (reason: unknown) => void = () => undefined
    const part = new Promise<string>((resolve, reject) => {
      opened = resolve
      failed = reject
    })
    part.catch(() => undefined)
    const ended = this.#produce(name, order, growth, opened)
      .catch((err) => {
        failed(err)
        growth.fail(err)
      })
      .finally(() => {
        if (this.#growing.get(name)?.growth === growth) this.#growing.delete(name)
      })
    const production = { growth, opened: part, ended }
    this.#growing.set(name, production)
    return production
  }

  async #produce(
    name: string,
    order: Order,
    growth: LocalGrowth,
    opened: (part: string) => void,
  ): Promise<void> {
    const { id, key } = order
    const { signal } = this.#abort
    const giveBack = await this.#options.admission.take(order.lane, order.client, id, signal)
    try {
      if (await this.#files.has(id, key)) throw new LookAgain()
      const part = await this.#files.newPart(id, key)
      const file = await open(part, 'wx')
      try {
        if (!(await this.#files.claim(id, key, part))) throw new LookAgain()
        if (await this.#join(order, part, signal)) throw new LookAgain()
        if (!(await this.#files.makeRoom(await order.estimate()))) {
          this.#tooLarge.set(name, true)
          throw new HubError('too_large', 'the answer is too large to be kept')
        }
        opened(part)
        await this.#write(name, order, { part, file, growth, signal })
      } finally {
        await file.close()
        await rm(part, { force: true })
        await this.#files.releaseClaim(id, key, part)
      }
    } finally {
      giveBack()
    }
  }

  async #write(
    name: string,
    order: Order,
    it: { part: string; file: FileHandle; growth: LocalGrowth; signal: AbortSignal },
  ): Promise<void> {
    const { part, file, growth, signal } = it
    const { id, key, message } = order
    const beat = setInterval(() => {
      const now = new Date()
      utimes(part, now, now).catch(() => undefined)
    }, HEARTBEAT_MS)
    try {
      this.#counts.made += 1
      const take = (stdout: Readable) => pipeline(stdout, appendTo(file, growth))
      await this.#options.readers.during(id, () =>
        runUploadPack(this.#options.directoryOf(id), message(), take, signal),
      )
      growth.finish()
      if (!(await this.#fits(growth.size))) {
        this.#tooLarge.set(name, true)
        return
      }
      await this.#files.publishSize(id, key, part, growth.size)
      await file.datasync()
      await rename(part, this.#files.answer(id, key))
    } catch (err) {
      // dropped with its repository while it was being written: those who read it have it open
      if (!(growth.isWhole && isMissing(err))) throw err
    } finally {
      clearInterval(beat)
    }
  }

  /** Leaves the recipe of a whole clone from what lies on disk; false when git has to make it. */
  async #join({ id, key, everything }: Order, part: string, signal: AbortSignal): Promise<boolean> {
    if (!everything) return false
    const { wants, format } = everything
    const found = await this.#packs.find(this.#options.directoryOf(id), wants, format, signal)
    if (!found || !(await this.#files.makeRoom(found.tail.length))) return false
    // not into the part: who follows that in another process would take it for the answer
    const apart = `${part}.recipe`
    try {
      await writeRecipe(apart, found)
      await rename(apart, this.#files.recipe(id, key))
    } finally {
      await rm(apart, { force: true })
    }
    this.#counts.made += 1
    this.#counts.copied += 1
    return true
  }

  /** Its own part is counted as growing already. */
  #fits(size: number): Promise<boolean> {
    return size > this.#files.maxBytes / 2 ? Promise.resolve(false) : this.#files.makeRoom(0)
  }

  /** What the answer will take at most, roughly: no pack is much larger than the repository. */
  async #estimate(id: RepoId, request: FetchRequest): Promise<number> {
    const part = request.depth ?? request.since ?? request.filter ?? request.haves[0]
    const size = await this.#options.sizeOf(id)
    if (part !== undefined) return 0
    return size > this.#files.maxBytes / 2 ? Number.POSITIVE_INFINITY : size
  }

  async #key(id: RepoId, tags: string, request: string): Promise<string> {
    // its own configuration can change what git answers
    const { mtimeMs, size } = await stat(join(this.#options.directoryOf(id), 'config'))
    return createHash('sha256')
      .update(`${FORMAT}\n${this.#options.gitVersion}\n${id} ${mtimeMs} ${size}\n${tags}\n`)
      .update(request)
      .digest('hex')
  }
}

interface Order {
  readonly id: RepoId
  readonly key: string
  /** To git. */
  readonly message: () => Buffer
  readonly client: FetchClient
  readonly lane: Lane
  readonly estimate: () => Promise<number>
  /** Of a clone of all branches and tags. */
  readonly everything:
    | { readonly wants: readonly string[]; readonly format: ObjectFormat }
    | undefined
}

interface Production {
  readonly growth: LocalGrowth
  /** Path of the part, once there is one. */
  readonly opened: Promise<string>
  readonly ended: Promise<void>
}

function isMissing(err: unknown): boolean {
  return (err as NodeJS.ErrnoException)?.code === 'ENOENT'
}
