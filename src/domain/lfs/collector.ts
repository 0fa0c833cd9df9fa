import { isoNow } from '../../lib/ids.js'
import type { GitEngine, HoldStore, LfsStore, ObjectStore, RepoStore } from '../ports.js'
import type { LfsOid, Repo } from '../types.js'
import { lfsKey } from './objects.js'

const PAGE = 1_000

export interface CollectReport {
  /** Links that no commit of their repository names. */
  unlinked: number
  /** Objects that no repository is linked to. */
  objects: number
  bytes: number
}

/**
 * Frees LFS objects by reachability over all repositories: a link goes when no ref of its repository reaches a pointer
 * to it, an object goes when it has no link. Leases (fresh uploads, offered objects) keep both until the push came.
 */
export class LfsCollector {
  readonly #holds: HoldStore
  readonly #lfs: LfsStore
  readonly #repos: RepoStore
  readonly #git: GitEngine
  readonly #store: ObjectStore

  constructor(parts: {
    lfs: LfsStore
    repos: RepoStore
    holds: HoldStore
    git: GitEngine
    store: ObjectStore
  }) {
    this.#holds = parts.holds
    this.#lfs = parts.lfs
    this.#repos = parts.repos
    this.#git = parts.git
    this.#store = parts.store
  }

  async collect(options: {
    dryRun: boolean
    graceSeconds: number
    onProgress?: (done: number, repo: Repo) => void
  }): Promise<CollectReport> {
    const report: CollectReport = { unlinked: 0, objects: 0, bytes: 0 }
    await this.#lfs.purgeExpiredLeases()
    let after = 0
    let done = 0
    for (;;) {
      const page = await this.#repos.scan(after, PAGE)
      for (const repo of page) {
        report.unlinked += await this.releaseUnreachable(repo, options.dryRun)
        done += 1
        options.onProgress?.(done, repo)
      }
      const last = page.at(-1)
      if (!last) break
      after = last.seq
    }
    await this.#sweepObjects(options, report)
    if (!options.dryRun) await this.#sweepUploads()
    return report
  }

  /** Drops this repository's links to objects that none of its refs reaches and nobody leased. Answers how many. */
  async releaseUnreachable(repo: Repo, dryRun = false): Promise<number> {
    const links: LfsOid[] = []
    for (let after = ''; ; ) {
      const page = await this.#lfs.listLinks(repo.id, after, PAGE)
      links.push(...page.map((it) => it.oid))
      const last = page.at(-1)
      if (!last) break
      after = last.oid
    }
    if (links.length === 0) return 0
    const { refs, digest } = await this.#git.snapshot(repo.id)
    const unreached = new Set(links)
    const tips = [...new Set(refs.map((it) => it.oid))]
    for await (const pointer of this.#git.newPointers(repo.id, tips, { not: 'nothing' }))
      unreached.delete(pointer.oid)
    if (dryRun || unreached.size === 0) return unreached.size
    // while a mirror copies it, nothing goes; a later run takes it
    if ((await this.#holds.find(repo.id)).length > 0) return 0
    // refs that moved meanwhile may reach them again: the next run looks anew
    return (await this.#lfs.unlinkUnleased(repo.id, [...unreached], digest)) ?? 0
  }

  async #sweepObjects(
    options: { dryRun: boolean; graceSeconds: number },
    report: CollectReport,
  ): Promise<void> {
    if (!options.dryRun) await this.finishDeletions()
    const before = isoNow(-options.graceSeconds * 1000)
    for (let after = ''; ; ) {
      const page = await this.#lfs.listOrphans(before, after, PAGE)
      for (const object of page) {
        if (!options.dryRun) {
          if (!(await this.#lfs.claimOrphan(object.oid))) continue
          await this.#delete(object.oid)
        }
        report.objects += 1
        report.bytes += object.size
      }
      const last = page.at(-1)
      if (!last) return
      after = last.oid
    }
  }

  /** Deletions that a crash cut off. */
  async finishDeletions(): Promise<void> {
    for (const { oid } of await this.#lfs.listDeleting()) await this.#delete(oid)
  }

  async #delete(oid: LfsOid): Promise<void> {
    await this.#store.delete(lfsKey(oid))
    await this.#lfs.dropOrphan(oid)
  }

  async #sweepUploads(): Promise<void> {
    for (const upload of await this.#lfs.listExpiredUploads()) {
      if (upload.storeUploadId)
        await this.#store.parts.abort(lfsKey(upload.oid), upload.storeUploadId)
      await this.#lfs.deleteUpload(upload.id)
    }
  }
}
