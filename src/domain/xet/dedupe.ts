import { createHmac } from 'node:crypto'
import { isHashHex } from '../../protocol/xet/hash-string.js'
import { encodeDedupeShard } from '../../protocol/xet/shard-encoder.js'
import type { Access } from '../access/access.js'
import { HubError } from '../errors.js'
import type { RepoStore } from '../repos/ports.js'
import type { Caller, RepoId } from '../types.js'
import type { XetStore, Xorb } from './ports.js'
import type { XetSession } from './tokens.js'
import type { Xorbs } from './xorbs.js'

/**
 * Against whose chunks a client may deduplicate: those of repositories that it may read, those of the whole hub (then an
 * answer tells that a chunk, which the asker must hold, exists somewhere), or none.
 */
export type DedupeScope = 'readable' | 'hub' | 'off'

/** How long clients may go on using an answer: less than the grace period of xorbs. */
const ANSWER_SECONDS = 7 * 24 * 3600
const MAX_CANDIDATES = 16
const MAX_XORBS = 32
const MAX_CHUNKS = 40_000
const MAX_REPOS = 200

/** Answers which stored xorbs hold a chunk, chunk hashes hidden under a key that changes weekly. */
export class Dedupe {
  readonly #xet: XetStore
  readonly #xorbs: Xorbs
  readonly #repos: RepoStore
  readonly #access: Access
  readonly #scope: DedupeScope
  readonly #secret: string

  constructor(parts: {
    xet: XetStore
    xorbs: Xorbs
    repos: RepoStore
    access: Access
    scope: DedupeScope
    secret: string
  }) {
    this.#xet = parts.xet
    this.#xorbs = parts.xorbs
    this.#repos = parts.repos
    this.#access = parts.access
    this.#scope = parts.scope
    this.#secret = parts.secret
  }

  /** A dedupe shard with the chunk's xorb and those it makes files with. Throws `object_not_found`. */
  async find(session: XetSession, chunkHash: string): Promise<Buffer> {
    const none = new HubError('object_not_found', 'No such chunk.')
    if (this.#scope === 'off' || !isHashHex(chunkHash)) throw none
    const mayUse = this.#scope === 'hub' ? async () => true : this.#readable(session)
    for (const xorb of await this.#xet.findXorbsWithChunk(chunkHash, MAX_CANDIDATES)) {
      if (!(await mayUse(xorb))) continue
      return this.#answer(await this.#withNeighbours(xorb, mayUse))
    }
    throw none
  }

  /** One xorb of what a client uploads next is rarely enough: the rest of the file is likely to be wanted, too. */
  async #withNeighbours(first: Xorb, mayUse: (xorb: Xorb) => Promise<boolean>): Promise<Xorb[]> {
    const chosen: Xorb[] = []
    let chunks = 0
    for (const xorb of await this.#xet.listNeighbours(first.hash, MAX_XORBS)) {
      chunks += xorb.chunks
      if (chosen.length > 0 && chunks > MAX_CHUNKS) break
      if (xorb.hash === first.hash || (await mayUse(xorb))) chosen.push(xorb)
    }
    return chosen
  }

  async #answer(xorbs: readonly Xorb[]): Promise<Buffer> {
    // whoever is told of a xorb may refer to it for as long as the answer is good
    await this.#xet.touch(xorbs.map((it) => it.hash))
    const indexes = await Promise.all(xorbs.map((it) => this.#xorbs.index(it)))
    const createdAt = Math.floor(Date.now() / 1000)
    const epoch = Math.floor(createdAt / ANSWER_SECONDS)
    const key = createHmac('sha256', this.#secret).update(`xet dedupe key ${epoch}`).digest()
    return encodeDedupeShard(indexes, { key, createdAt, expiresAt: createdAt + ANSWER_SECONDS })
  }

  #readable({ caller, repo: own }: XetSession): (xorb: Xorb) => Promise<boolean> {
    const known = new Map<RepoId, Promise<boolean>>([[own.id, Promise.resolve(true)]])
    return async (xorb) => {
      for (const id of await this.#xet.listReposUsing(xorb.hash, MAX_REPOS)) {
        const readable = known.get(id) ?? this.#mayRead(caller, id)
        known.set(id, readable)
        if (await readable) return true
      }
      return false
    }
  }

  async #mayRead(caller: Caller, id: RepoId): Promise<boolean> {
    const repo = await this.#repos.findById(id)
    if (repo?.state !== 'ready' || repo.disabled) return false
    const right = await this.#access.rightOn(caller, repo)
    return right ? this.#access.mayReadContent(caller, { repo, right, redirected: false }) : false
  }
}
