import { isoNow } from '../../lib/ids.js'
import type { AccountStore } from '../accounts/ports.js'
import type { LfsPointer, Namespace, Repo, Visibility } from '../types.js'
import type { NamespaceUsage, QuotaStore } from './ports.js'
import { quotaExceeded } from './quota-exceeded.js'

export type Pool = 'private' | 'public'

export function poolOf(visibility: Visibility): Pool {
  return visibility === 'public' ? 'public' : 'private'
}

/** A push's bytes become the repository's within seconds of its acceptance; the reservation outlives that, not more. */
const PUSH_RESERVATION_MS = 5 * 60_000

/**
 * A repository's storage as KohakuHub tells it to logged-in callers (seed 000, `storage`): bytes, null = no limit.
 * `effective_quota_bytes` is the repository's own limit or, when it inherits, all it could come to use before its
 * namespace is full.
 */
export interface StorageBlock {
  readonly quota_bytes: number | null
  readonly used_bytes: number
  readonly available_bytes: number | null
  readonly percentage_used: number | null
  readonly effective_quota_bytes: number | null
  readonly is_inheriting: boolean
}

/**
 * Limits in bytes, null = none: two pools per namespace (public, everything else), one over both, one per repository.
 * A namespace is charged its git bytes plus every LFS object once, however many of its repositories hold it;
 * a repository is charged its git bytes plus its LFS objects. What uploads under way have leased counts, too.
 */
export class Quotas {
  readonly #store: QuotaStore
  readonly #accounts: AccountStore

  constructor(parts: { quotas: QuotaStore; accounts: AccountStore }) {
    this.#store = parts.quotas
    this.#accounts = parts.accounts
  }

  /** Throws `quota_exceeded` when `extraBytes` more do not fit now. Nothing is kept free: `reserve` does that. */
  requireRoom(repo: Repo, extraBytes: number): Promise<void> {
    return this.#store.requireRoom(repo.id, extraBytes)
  }

  /** Throws `quota_exceeded` when the pool is full, so that nothing new should be begun in it. */
  async requireNamespaceRoom(namespace: Namespace, pool: Pool): Promise<void> {
    const { poolLimit, totalLimit } = limitsOf(namespace, pool)
    if (poolLimit === null && totalLimit === null) return
    const usage = await this.#store.charged(namespace.id)
    const used = pool === 'public' ? usage.publicBytes : usage.privateBytes
    if (poolLimit !== null && used > poolLimit)
      throw quotaExceeded(`${pool} storage of ${namespace.name}`, {
        used,
        extra: 0,
        limit: poolLimit,
      })
    const all = usage.privateBytes + usage.publicBytes
    if (totalLimit !== null && all > totalLimit)
      throw quotaExceeded(`storage of ${namespace.name}`, {
        used: all,
        extra: 0,
        limit: totalLimit,
      })
  }

  /** Leases LFS objects that are about to come and with them the room for them, or throws `quota_exceeded`. */
  async reserveObjects(
    repo: Repo,
    objects: readonly LfsPointer[],
    expiresAt: string,
  ): Promise<void> {
    await this.#store.reserve({ repoId: repo.id, objects, bytes: 0, expiresAt })
  }

  /**
   * Keeps room for git bytes that are about to be stored, or throws `quota_exceeded`. Call what it answers once the
   * repository was measured (or nothing came of it); otherwise the reservation ends by itself after some minutes.
   */
  async reserveBytes(repo: Repo, bytes: number): Promise<() => Promise<void>> {
    const expiresAt = isoNow(PUSH_RESERVATION_MS)
    const { id } = await this.#store.reserve({ repoId: repo.id, objects: [], bytes, expiresAt })
    return async () => {
      if (id) await this.#store.settle(id)
    }
  }

  usage(namespaceId: number): Promise<NamespaceUsage> {
    return this.#store.usage(namespaceId)
  }

  /** Bytes that the namespace has left for a repository of this visibility; null = no limit. */
  async available(namespace: Namespace, pool: Pool): Promise<number | null> {
    const { poolLimit, totalLimit } = limitsOf(namespace, pool)
    if (poolLimit === null && totalLimit === null) return null
    const usage = await this.#store.usage(namespace.id)
    const used = pool === 'public' ? usage.publicBytes : usage.privateBytes
    const left = [
      ...(poolLimit === null ? [] : [poolLimit - used]),
      ...(totalLimit === null ? [] : [totalLimit - usage.privateBytes - usage.publicBytes]),
    ]
    return Math.max(0, Math.min(...left))
  }

  /** Every logged-in reader may see it, so the limit over both pools, which would tell of private bytes, is not in a public one's. */
  async storageBlock(repo: Repo): Promise<StorageBlock> {
    const namespace = await this.#accounts.findNamespaceById(repo.namespaceId)
    if (!namespace) return storageBlockOf(repo, null)
    const pool = poolOf(repo.visibility)
    const known = pool === 'public' ? { ...namespace, totalQuotaBytes: null } : namespace
    return storageBlockOf(repo, await this.available(known, pool))
  }
}

/** `left` = what the namespace leaves, in bytes; null = no limit. */
export function storageBlockOf(repo: Repo, left: number | null): StorageBlock {
  const used = repo.gitBytes + repo.lfsBytes
  const own = repo.quotaBytes
  const inherited = left === null ? null : used + left
  const available =
    own === null ? left : Math.max(0, left === null ? own - used : Math.min(own - used, left))
  const effective = own ?? inherited
  return {
    quota_bytes: own,
    used_bytes: used,
    available_bytes: available,
    percentage_used: percentage(used, effective),
    effective_quota_bytes: effective,
    is_inheriting: own === null,
  }
}

/** Two decimals; null without a limit. */
export function percentage(used: number, limit: number | null): number | null {
  if (limit === null) return null
  if (limit === 0) return used > 0 ? 100 : 0
  return Math.round((used / limit) * 10_000) / 100
}

function limitsOf(
  namespace: Namespace,
  pool: Pool,
): { poolLimit: number | null; totalLimit: number | null } {
  return {
    poolLimit: pool === 'public' ? namespace.publicQuotaBytes : namespace.privateQuotaBytes,
    totalLimit: namespace.totalQuotaBytes,
  }
}
