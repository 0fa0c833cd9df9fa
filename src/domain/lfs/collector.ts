import { isoNow } from '../../lib/ids.js'
import { HubError } from '../errors.js'
import type { GitEngine, ObjectStore, RefSnapshot } from '../ports.js'
import type { HoldStore, RepoStore } from '../repos/ports.js'
import type { LfsOid, Repo, RepoId } from '../types.js'
import { emptyDiscards } from './discards.js'
import type { LfsStore } from './ports.js'

const PAGE = 1_000
/** How long writers under way are waited for. Links that are still marked then go the next time. */
const DRAIN_MS = 10_000

export interface CollectReport {
  /** Links that no commit of their repository names. */
  unlinked: number
  /** Objects that no repository is linked to. */
  objects: number
  bytes: number
  /** Repositories that git could not read: all of their links stay. */
  unreadable: number
}

/**
 * Frees LFS objects by reachability over all repositories: a link goes when no ref of its repository reaches a pointer
 * to it, an object goes when it has no link. Leases (fresh uploads, offered objects) keep both until the push came.
 *
 * A link goes in two steps, so that no writer is locked out and none is overlooked. First it is marked. Whoever is about
 * to name the object in a commit leases it, which lifts the mark; so every writer that begins after the mark is safe.
 * Then the writers that were under way are waited for, and the refs are looked at once more: whatever is still marked
 * and still unreached cannot be on its way into a commit.
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

  /** A dry run changes nothing and reports what a run right after it would do. */
  async collect(options: {
    dryRun: boolean
    graceSeconds: number
    onProgress?: (done: number, repo: Repo) => void
  }): Promise<CollectReport> {
    const report: CollectReport = { unlinked: 0, objects: 0, bytes: 0, unreadable: 0 }
    const before = isoNow(-options.graceSeconds * 1000)
    const wouldLose = new Map<LfsOid, number>()
    let done = 0
    for await (const repo of this.#everyRepo()) {
      try {
        if (options.dryRun)
          for (const oid of await this.#listUnreached(repo)) {
            report.unlinked += 1
            wouldLose.set(oid, (wouldLose.get(oid) ?? 0) + 1)
          }
        else report.unlinked += await this.releaseUnreachable(repo)
      } catch (err) {
        // one that is damaged, or deleted right now, must not keep the others' garbage alive
        if (!(err instanceof HubError && err.code === 'git_failed')) throw err
        report.unreadable += 1
      }
      done += 1
      options.onProgress?.(done, repo)
    }
    await this.#collectOrphans(before, options.dryRun, report)
    if (options.dryRun) await this.#countFutureOrphans(before, wouldLose, report)
    else await this.#tidy()
    return report
  }

  /** After a delete or squash: only objects that already lost their last link, without a look at every repository. */
  async sweep(graceSeconds: number): Promise<void> {
    const report: CollectReport = { unlinked: 0, objects: 0, bytes: 0, unreadable: 0 }
    await this.#collectOrphans(isoNow(-graceSeconds * 1000), false, report)
    await this.#tidy()
  }

  async *#everyRepo(): AsyncGenerator<Repo> {
    for (let after = 0; ; ) {
      const page = await this.#repos.scan(after, PAGE)
      yield* page
      const last = page.at(-1)
      if (!last) return
      after = last.seq
    }
  }

  /** Drops this repository's links to objects that none of its refs reaches and nobody leased. Answers how many. */
  async releaseUnreachable(repo: Repo): Promise<number> {
    const links = await this.#listLinks(repo.id)
    if (links.size === 0) return 0
    const first = await this.#unreached(repo.id, [...links.keys()])
    const marked = await this.#lfs.condemn(repo.id, first.oids)
    const unreached = new Set(first.oids)
    const reached = [...links].filter(([oid, was]) => was && !unreached.has(oid))
    await this.#lfs.pardon(
      repo.id,
      reached.map(([oid]) => oid),
    )
    if (marked.length === 0 || !(await this.#drain(repo.id))) return 0
    // while a mirror copies the repository nothing of it goes; the next run takes it
    if ((await this.#holds.find(repo.id)).length > 0) return 0
    const { oids, digest } = await this.#unreached(repo.id, marked, first.digest)
    return this.#lfs.unlinkCondemned(repo.id, oids, digest)
  }

  /** Oid -> whether it is marked. */
  async #listLinks(repoId: RepoId): Promise<Map<LfsOid, boolean>> {
    const links = new Map<LfsOid, boolean>()
    for (let after = ''; ; ) {
      const page = await this.#lfs.listLinks(repoId, after, PAGE)
      for (const { oid, condemned } of page) links.set(oid, condemned)
      const last = page.at(-1)
      if (!last) return links
      after = last.oid
    }
  }

  /** Of these, those that no ref reaches; all of them when the refs still are the ones with the digest `known`. */
  async #unreached(
    repoId: RepoId,
    oids: readonly LfsOid[],
    known?: string,
  ): Promise<{ oids: LfsOid[]; digest: string }> {
    const { refs, digest }: RefSnapshot = await this.#git.snapshot(repoId)
    if (digest === known) return { oids: [...oids], digest }
    const left = new Set(oids)
    const tips = [...new Set(refs.map((it) => it.oid))]
    for await (const pointer of this.#git.newPointers(repoId, tips, { not: 'nothing' }))
      left.delete(pointer.oid)
    return { oids: [...left], digest }
  }

  /** Waits until no writer is at work that may have begun before now; false when that takes too long. */
  async #drain(repoId: RepoId): Promise<boolean> {
    const deadline = Date.now() + DRAIN_MS
    while ((await this.#git.pushesInFlight(repoId)) > 0) {
      if (Date.now() > deadline) return false
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    return true
  }

  async #listUnreached(repo: Repo): Promise<LfsOid[]> {
    const links = await this.#listLinks(repo.id)
    if (links.size === 0 || (await this.#holds.find(repo.id)).length > 0) return []
    const { oids } = await this.#unreached(repo.id, [...links.keys()])
    return this.#lfs.listUnleased(repo.id, oids)
  }

  async #collectOrphans(before: string, dryRun: boolean, report: CollectReport): Promise<void> {
    for (let after = ''; ; ) {
      const page = await this.#lfs.listOrphans(before, after, PAGE)
      for (const { oid, size } of page) {
        if (!dryRun && !(await this.#lfs.takeOrphan(oid))) continue
        report.objects += 1
        report.bytes += size
      }
      const last = page.at(-1)
      if (!last) return
      after = last.oid
    }
  }

  async #countFutureOrphans(
    before: string,
    wouldLose: ReadonlyMap<LfsOid, number>,
    report: CollectReport,
  ): Promise<void> {
    for (const { oid, size, links } of await this.#lfs.countLinks([...wouldLose.keys()], before)) {
      if (links !== wouldLose.get(oid)) continue
      report.objects += 1
      report.bytes += size
    }
  }

  async #tidy(): Promise<void> {
    await this.#lfs.purgeExpiredLeases()
    await this.#lfs.expireUploads()
    await this.finishDeletions()
  }

  /** Also what a crash cut off. */
  finishDeletions(): Promise<void> {
    return emptyDiscards(this.#lfs, this.#store)
  }
}
