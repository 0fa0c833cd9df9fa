import { LRUCache } from 'lru-cache'
import type { Caller, Repo } from '../types.js'

/** A caller who may read a repository's content, as `Login` and `Access` decided it. */
export interface KeptRight {
  readonly caller: Caller
  readonly repo: Repo
}

const MAX_KEPT = 20_000
/** What goes by the clock rather than by a write (that a token was used is noted once an hour) is looked at this often. */
const MAX_AGE_MS = 60_000

/**
 * Decisions that somebody may read, kept exactly as long as nothing at all was written to the database, by this process or
 * by another: whatever takes a right away is such a write, and so bites on the next request. A refusal is never kept, nor
 * what a password opened.
 */
export class KeptRights {
  readonly #version: () => string
  readonly #kept = new LRUCache<string, KeptRight & { readonly until: number }>({ max: MAX_KEPT })
  #keptVersion = ''

  /** @param version changes with every write that the database has taken, whoever made it. */
  constructor(version: () => string) {
    this.#version = version
  }

  /** To be asked before the deciding begins, and given to `keep` after it. */
  version(): string {
    return this.#version()
  }

  /** `key` names the credential as it was sent, the address it came from and the repository as it was asked for. */
  find(key: string): KeptRight | undefined {
    if (this.#version() !== this.#keptVersion) return undefined
    const right = this.#kept.get(key)
    return right && right.until > Date.now() ? right : undefined
  }

  keep(key: string, version: string, { caller, repo }: KeptRight): void {
    // written to meanwhile: nobody can say which state was decided on
    if (caller.via === 'password' || this.#version() !== version) return
    if (version !== this.#keptVersion) {
      this.#kept.clear()
      this.#keptVersion = version
    }
    const expiresAt = caller.token?.expiresAt
    const until = Math.min(Date.now() + MAX_AGE_MS, expiresAt ? Date.parse(expiresAt) : Infinity)
    this.#kept.set(key, { caller, repo, until })
  }
}
