import { LRUCache } from 'lru-cache'
import { SingleFlight } from '../../lib/single-flight.js'
import type { GitEngine, RefSnapshot } from '../ports.js'
import type { Discussion, GitOid, Repo } from '../types.js'

export interface Conflicts {
  /** undefined: they cannot be merged at all (no common history, the base is gone). */
  readonly paths: readonly string[] | undefined
}

export interface PullDiff {
  readonly text: string
  readonly isCut: boolean
}

const MAX_DIFF_BYTES = 1024 * 1024
const NOTHING: PullDiff = { text: '', isCut: false }
const MERGEABLE: Conflicts = { paths: [] }

/** What a pull request would change, from where it left its base, and whether that can be merged. */
export class PullView {
  readonly #git: GitEngine
  /** Kept by the commits compared: those never change. */
  readonly #conflicts = new LRUCache<string, Conflicts>({
    maxSize: 4 * 1024 * 1024,
    sizeCalculation: (it) => (it.paths ?? []).reduce((sum, path) => sum + path.length + 50, 300),
  })
  readonly #diffs = new LRUCache<string, PullDiff>({
    maxSize: 16 * 1024 * 1024,
    sizeCalculation: (it) => it.text.length + 100,
  })
  readonly #flights = new SingleFlight<unknown>()

  constructor(parts: { git: GitEngine }) {
    this.#git = parts.git
  }

  async conflicts(repo: Repo, pull: Discussion): Promise<Conflicts> {
    if (pull.status === 'merged') return MERGEABLE
    const { base, head } = tipsOf(pull, await this.#git.snapshot(repo.id))
    if (!head) return MERGEABLE
    if (!base) return { paths: undefined }
    return this.#once(this.#conflicts, `conflicts ${repo.id} ${base} ${head}`, async () => ({
      paths: await this.#git.findConflicts(repo.id, base, head),
    }))
  }

  /** Of a merged one what it brought when it was merged. Empty once its commits are gone. */
  async diff(repo: Repo, pull: Discussion): Promise<PullDiff> {
    const { base, head } = tipsOf(pull, await this.#git.snapshot(repo.id))
    if (!head) return NOTHING
    const { mergeBaseOid } = pull
    const from = mergeBaseOid ?? base
    if (!from) return NOTHING
    return this.#once(this.#diffs, `diff ${repo.id} ${from} ${head}`, async () => {
      if (!(await this.#git.resolveCommit(repo.id, from))) return NOTHING
      const start = mergeBaseOid ?? (await this.#git.mergeBase(repo.id, from, head)) ?? from
      return this.#git.diffText(repo.id, start, head, MAX_DIFF_BYTES)
    })
  }

  async #once<T extends object>(
    kept: LRUCache<string, T>,
    key: string,
    make: () => Promise<T>,
  ): Promise<T> {
    const known = kept.get(key)
    if (known) return known
    const value = (await this.#flights.run(key, make)) as T
    kept.set(key, value)
    return value
  }
}

function tipsOf(
  pull: Discussion,
  { refs }: RefSnapshot,
): { base: GitOid | undefined; head: GitOid | undefined } {
  const tip = (name: string | null) => refs.find((it) => it.name === name)?.oid
  return { base: tip(pull.baseRef), head: tip(pull.headRef) }
}
