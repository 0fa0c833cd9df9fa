import { LRUCache } from 'lru-cache'
import type { AccountStore } from '../../domain/accounts/ports.js'
import type { SettingStore } from '../../domain/ports.js'
import type { Hold, HoldStore, RepoStore } from '../../domain/repos/ports.js'

const MAX_KEPT = 20_000
const MAX_KEY = 300

/**
 * What every request asks first (whose token this is, which repository stands at this address, what role somebody has
 * in it), kept exactly as long as nothing that `version` knows of was written to the database, by this process or by
 * another. So an answer from here is the one that the database would give.
 */
export class KeptReads {
  readonly #version: () => string
  readonly #kept = new LRUCache<string, { readonly value: unknown }>({ max: MAX_KEPT })
  #keptVersion = ''

  /** @param version changes with every write that the database has taken, whoever made it. */
  constructor(version: () => string) {
    this.#version = version
  }

  /** @param keeps false for answers that change by themselves. */
  async get<T>(key: string, read: () => Promise<T>, keeps = (_: T) => true): Promise<T> {
    const version = this.#version()
    if (version !== this.#keptVersion) {
      this.#kept.clear()
      this.#keptVersion = version
    }
    const known = this.#kept.get(key)
    if (known) return known.value as T
    const value = await read()
    // written to meanwhile: nobody can say which state this belongs to
    const same = this.#version() === version && this.#keptVersion === version
    if (same && key.length <= MAX_KEY && keeps(value)) this.#kept.set(key, { value })
    return value
  }
}

export function keepAccountReads(store: AccountStore, reads: KeptReads): AccountStore {
  return {
    ...store,
    findTokenByHash: (hash) => reads.get(`token ${hash}`, () => store.findTokenByHash(hash)),
    findUserById: (id) => reads.get(`user ${id}`, () => store.findUserById(id)),
    listMemberships: (id) => reads.get(`memberships ${id}`, () => store.listMemberships(id)),
  }
}

/** Rows of repositories count bytes; roles in them are rights. */
export function keepRepoReads(store: RepoStore, reads: KeptReads, rights: KeptReads): RepoStore {
  return {
    ...store,
    findById: (id) => reads.get(`id ${id}`, () => store.findById(id)),
    findByAddress: (address) =>
      reads.get(`address ${address.kind} ${address.namespace} ${address.name}`, () =>
        store.findByAddress(address),
      ),
    memberRoles: (id, accountIds) =>
      rights.get(`roles ${id} ${accountIds.join()}`, () => store.memberRoles(id, accountIds)),
  }
}

/** Holds end by the clock, so that only their absence is kept. */
export function keepHoldReads(store: HoldStore, reads: KeptReads): HoldStore {
  const isEmpty = (holds: Hold[]) => holds.length === 0
  return { ...store, find: (id) => reads.get(`holds ${id}`, () => store.find(id), isEmpty) }
}

export function keepSettingReads(store: SettingStore, reads: KeptReads): SettingStore {
  return { ...store, find: (key) => reads.get(`setting ${key}`, () => store.find(key)) }
}
