import { LRUCache } from 'lru-cache'
import { SingleFlight } from '../../lib/single-flight.js'
import { HUB_ACTOR } from '../events/events.js'
import type { JobStore } from '../jobs/ports.js'
import type { LfsCollector } from '../lfs/collector.js'
import type { GitEngine, ObjectStore } from '../ports.js'
import type { RefRecorder } from '../refs/recorder.js'
import type { Repo, RepoId } from '../types.js'
import type { HoldStore, RepoStore } from './ports.js'
import type { RepoRegistry } from './registry.js'

/** Who is not among these is compared with git once more: 100,000 repositories. */
const KEPT_IDS_BYTES = 16 * 1024 * 1024
const ID_BYTES = 160

/** A writer moves refs first and records them right after; only a difference that lasts has nobody to mend it. */
const LASTING_MS = 1_000

/**
 * Mends what a crash, or a change that nobody told us of, left behind. Three moments: before the first request what the
 * database alone can tell; in the background one repository after the other; and each repository when it is opened.
 */
export class Recovery {
  readonly #git: GitEngine
  readonly #store: ObjectStore
  readonly #repos: RepoStore
  readonly #holds: HoldStore
  readonly #jobs: JobStore
  readonly #registry: RepoRegistry
  readonly #recorder: RefRecorder
  readonly #collector: LfsCollector
  readonly #hasEnded: (owner: string) => boolean
  readonly #onError: (err: unknown, repo?: Repo) => void
  /** Repositories that were compared with git since this process started. */
  readonly #mended = new LRUCache<RepoId, true>({
    maxSize: KEPT_IDS_BYTES,
    sizeCalculation: () => ID_BYTES,
  })
  readonly #mending = new SingleFlight<Repo>()
  readonly #doubted = new Map<RepoId, NodeJS.Timeout>()

  constructor(parts: {
    git: GitEngine
    store: ObjectStore
    repos: RepoStore
    holds: HoldStore
    jobs: JobStore
    registry: RepoRegistry
    recorder: RefRecorder
    collector: LfsCollector
    /** Whether the process that calls itself so has ended. */
    hasEnded: (owner: string) => boolean
    onError: (err: unknown, repo?: Repo) => void
  }) {
    this.#git = parts.git
    this.#store = parts.store
    this.#repos = parts.repos
    this.#holds = parts.holds
    this.#jobs = parts.jobs
    this.#registry = parts.registry
    this.#recorder = parts.recorder
    this.#collector = parts.collector
    this.#hasEnded = parts.hasEnded
    this.#onError = parts.onError
  }

  /** Quick whatever the number of repositories: locks, jobs and creations of dead processes, deletions they had begun. */
  async beforeServing(): Promise<void> {
    for (const owner of await this.#holds.listOwners())
      if (this.#hasEnded(owner)) await this.#holds.releaseOwner(owner)
    for (const owner of await this.#jobs.listOwners())
      if (this.#hasEnded(owner)) await this.#jobs.releaseOwner(owner)
    await this.#registry.sweepUnfinished(HUB_ACTOR, this.#hasEnded)
    await this.#collector.finishDeletions()
  }

  /** Everything else, beside the requests. Ends early when told to. */
  async sweep(signal: AbortSignal): Promise<void> {
    await this.#store.sweep().catch((err) => this.#onError(err))
    for (let after = 0; !signal.aborted; ) {
      const page = await this.#repos.scan(after, 200)
      for (const repo of page) {
        if (signal.aborted) return
        if (!this.#mended.has(repo.id))
          await this.#mend(repo).catch((err) => this.#onError(err, repo))
        // the requests come first
        await new Promise((resolve) => setImmediate(resolve))
      }
      const last = page.at(-1)
      if (!last) break
      after = last.seq
    }
    if (!signal.aborted) await this.#git.sweepTrash().catch((err) => this.#onError(err))
  }

  /**
   * The repository as git has it: mended on the first access after a start, later only compared, which costs a few
   * `stat`s. A damaged repository is answered as it is, so that it can still be deleted.
   */
  async onOpen(repo: Repo): Promise<Repo> {
    try {
      if (!this.#mended.has(repo.id)) return await this.#mend(repo)
      const { digest } = await this.#git.snapshot(repo.id)
      if (digest !== repo.refsDigest) this.#doubt(repo)
    } catch (err) {
      this.#onError(err, repo)
    }
    return repo
  }

  close(): void {
    for (const timer of this.#doubted.values()) clearTimeout(timer)
    this.#doubted.clear()
  }

  #mend(repo: Repo): Promise<Repo> {
    return this.#mending.run(repo.id, async () => {
      const left = await this.#sweep(repo.id)
      const mended = await this.#recorder.sync(repo)
      this.#mended.set(repo.id, true)
      if (left > 0) this.#doubt(repo)
      return mended
    })
  }

  /** Files whose owner may live, and pushes that outlived the process before us and may be about to move refs. */
  async #sweep(id: RepoId): Promise<number> {
    return (await this.#git.sweepLeftovers(id)) + (await this.#git.pushesInFlight(id))
  }

  /** Looks again after a while, and again while something is left whose owner may live. */
  #doubt({ id }: Repo, delayMs = LASTING_MS): void {
    if (this.#doubted.has(id)) return
    const again = async () => {
      this.#doubted.delete(id)
      const repo = await this.#repos.findById(id)
      if (repo?.state !== 'ready') return
      const left = await this.#sweep(id)
      await this.#recorder.sync(repo)
      if (left > 0) this.#doubt(repo, Math.min(delayMs * 2, 600_000))
    }
    const timer = setTimeout(() => void again().catch((err) => this.#onError(err)), delayMs)
    this.#doubted.set(id, timer.unref())
  }
}
