import type { JobStore } from '../jobs/ports.js'
import type { GitEngine } from '../ports.js'
import type { PushPolicy } from '../refs/push-policy.js'
import type { RefRecorder } from '../refs/recorder.js'
import type { RepoId } from '../types.js'
import type { RepoStore } from './ports.js'

const PAGE = 500

/** Keeps repositories quick to serve: packs, bitmaps, commit-graphs, packed refs. Never while somebody holds one. */
export class Upkeep {
  readonly #git: GitEngine
  readonly #repos: RepoStore
  readonly #jobs: JobStore
  readonly #policy: PushPolicy
  readonly #recorder: RefRecorder

  constructor(parts: {
    git: GitEngine
    repos: RepoStore
    jobs: JobStore
    policy: PushPolicy
    recorder: RefRecorder
  }) {
    this.#git = parts.git
    this.#repos = parts.repos
    this.#jobs = parts.jobs
    this.#policy = parts.policy
    this.#recorder = parts.recorder
  }

  /** Throws `repo_locked` or `busy`: the job comes round again. */
  async maintain(id: RepoId): Promise<void> {
    const repo = await this.#repos.findById(id)
    if (repo?.state !== 'ready') return
    await this.#policy.requireWritable(repo)
    await this.#git.maintain(id)
    await this.#recorder.measure(repo)
  }

  /** Leaves a job for every repository that needs it, for what no push asked for: pushes on the server's disk, old versions. */
  async planAll(signal: AbortSignal): Promise<void> {
    for (let after = 0; !signal.aborted; ) {
      const page = await this.#repos.scan(after, PAGE)
      for (const repo of page)
        if (
          repo.state === 'ready' &&
          (await this.#git.needsMaintenance(repo.id).catch(() => false))
        )
          await this.#jobs.enqueue({ kind: 'repo.maintain', key: repo.id })
      const last = page.at(-1)
      if (!last) return
      after = last.seq
    }
  }
}
