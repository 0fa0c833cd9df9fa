import type { GitOid, RepoFile, RepoId } from '../types.js'

export interface FileStore {
  find(repoId: RepoId, path: string): Promise<RepoFile | undefined>
  findMany(repoId: RepoId, paths: readonly string[]): Promise<RepoFile[]>
  /** In byte order of the path. `head`: only while the files are those of this commit, else none. */
  list(repoId: RepoId, after: string, limit: number, head?: GitOid): Promise<RepoFile[]>
  count(repoId: RepoId): Promise<number>
}
