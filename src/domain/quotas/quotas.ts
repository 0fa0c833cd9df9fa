import { HubError } from '../errors.js'
import type { AccountStore, LfsStore, QuotaStore } from '../ports.js'
import type { Namespace, Repo, Visibility } from '../types.js'

export type Pool = 'private' | 'public'

export function poolOf(visibility: Visibility): Pool {
  return visibility === 'public' ? 'public' : 'private'
}

/**
 * Limits in bytes: two pools per namespace (public, everything else) and one per repository; null = none.
 * A namespace is charged its git bytes plus every LFS object once, however many of its repositories hold it;
 * a repository is charged its git bytes plus its LFS objects.
 */
export class Quotas {
  readonly #store: QuotaStore
  readonly #accounts: AccountStore
  readonly #lfs: LfsStore

  constructor(parts: { quotas: QuotaStore; accounts: AccountStore; lfs: LfsStore }) {
    this.#store = parts.quotas
    this.#accounts = parts.accounts
    this.#lfs = parts.lfs
  }

  /** Throws `quota_exceeded` when `extraBytes` more do not fit into the repository or its namespace's pool. */
  async requireRoom(repo: Repo, extraBytes: number): Promise<void> {
    if (repo.quotaBytes !== null)
      check('repository', repo.gitBytes + repo.lfsBytes, extraBytes, repo.quotaBytes)
    const namespace = await this.#accounts.findNamespaceById(repo.namespaceId)
    if (namespace) await this.requireNamespaceRoom(namespace, poolOf(repo.visibility), extraBytes)
  }

  async requireNamespaceRoom(namespace: Namespace, pool: Pool, extraBytes: number): Promise<void> {
    const limit = pool === 'public' ? namespace.publicQuotaBytes : namespace.privateQuotaBytes
    if (limit === null) return
    const leased = await this.#lfs.leasedBytes(namespace.id, pool)
    const pick = (it: { privateBytes: number; publicBytes: number }) =>
      pool === 'public' ? it.publicBytes : it.privateBytes
    // the exact figure costs a walk over the links: only when the upper bound does not settle it
    if (pick(await this.#store.roughUsage(namespace.id)) + leased + extraBytes <= limit) return
    const used = pick(await this.#store.usage(namespace.id))
    check(`${pool} storage of ${namespace.name}`, used + leased, extraBytes, limit)
  }

  /** Throws unless the repository, as it is, fits into a pool that it is about to enter. */
  async requireRoomFor(repo: Repo, namespace: Namespace, pool: Pool): Promise<void> {
    const bytes = await this.#store.bytesNewTo(repo.id, namespace.id, pool)
    await this.requireNamespaceRoom(namespace, pool, bytes)
  }

  usage(namespaceId: number) {
    return this.#store.usage(namespaceId)
  }
}

function check(what: string, used: number, extra: number, limit: number): void {
  if (used + extra > limit)
    throw new HubError(
      'quota_exceeded',
      `Quota exceeded: the ${what} uses ${gigabytes(used)} of ${gigabytes(limit)} and ${gigabytes(extra)} more were asked for. Delete or squash what is not needed, or ask an administrator for more.`,
      { used, extra, limit },
    )
}

function gigabytes(bytes: number): string {
  return bytes < 1e6 ? `${bytes} bytes` : `${(bytes / 1e9).toFixed(3)} GB`
}
