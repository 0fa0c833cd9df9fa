import type { LfsPointer, RepoId } from '../types.js'

export interface NamespaceUsage {
  /** Unique stored bytes: git bytes of every repository plus each LFS object once. */
  readonly privateBytes: number
  readonly publicBytes: number
}

export interface QuotaStore {
  usage(namespaceId: number): Promise<NamespaceUsage>
  /** Sizes of its repositories added up, what several of them hold counted for each. */
  nominal(namespaceId: number): Promise<number>
  /** What counts against the limits: `usage` and whatever uploads and pushes under way have reserved. */
  charged(namespaceId: number): Promise<NamespaceUsage>
  /** Throws `quota_exceeded` when `extraBytes` more do not fit into the repository, its pool or its namespace. */
  requireRoom(repoId: RepoId, extraBytes: number): Promise<void>
  /**
   * Leases these LFS objects for the repository and reserves `bytes` for what is not LFS, or throws `quota_exceeded` and
   * leaves nothing: checked and taken in one transaction, so parallel uploads cannot overshoot together.
   */
  reserve(order: {
    repoId: RepoId
    objects: readonly LfsPointer[]
    bytes: number
    expiresAt: string
  }): Promise<{ id: string | undefined }>
  /** What was reserved has become stored bytes, or nothing. */
  settle(id: string): Promise<void>
  /** Recounts `lfsBytes` of a repository from its links. */
  recountRepo(repoId: RepoId): Promise<number>
}
