import { LRUCache } from 'lru-cache'
import { newId } from '../../lib/ids.js'
import type { GitEngine, ObjectStore, RefSnapshot, SettingStore } from '../ports.js'
import type { RepoStore } from '../repos/ports.js'
import type { GitOid, Repo, RepoId } from '../types.js'

/** A bundle with the branches of a repository (gitformat-bundle(5)), for clients that fetch it before they clone. */
export interface Bundle {
  readonly id: string
  readonly key: string
  readonly size: number
  /** ISO-8601 UTC. */
  readonly madeAt: string
  readonly tips: readonly GitOid[]
}

const PREFIX = 'bundles/'
/** A bundle that lacks the newest pushes still saves most of a clone. */
const RENEW_AFTER_MS = 24 * 3600_000

/**
 * Bundles of large public repositories. What a bundle holds was public when it was made; it is offered as long as the
 * repository is public and its refs reach all that it holds.
 */
export class Bundles {
  readonly #settings: SettingStore
  readonly #store: ObjectStore
  readonly #repos: RepoStore
  readonly #git: GitEngine
  readonly #minBytes: number
  readonly #reached = new LRUCache<string, boolean>({ max: 1_000 })

  /** `minBytes` of git data make a repository large; 0 = no bundles. */
  constructor(parts: {
    settings: SettingStore
    store: ObjectStore
    repos: RepoStore
    git: GitEngine
    minBytes: number
  }) {
    this.#settings = parts.settings
    this.#store = parts.store
    this.#repos = parts.repos
    this.#git = parts.git
    this.#minBytes = parts.minBytes
  }

  /** What a client may be told of now. The caller's right to read the repository is checked before. */
  async find(repo: Repo, snapshot: () => Promise<RefSnapshot>): Promise<Bundle | undefined> {
    if (!this.#mayHave(repo)) return undefined
    const bundle = await this.#kept(repo.id)
    if (!bundle) return undefined
    const mark = `${bundle.id} ${(await snapshot()).digest}`
    let reached = this.#reached.get(mark)
    if (reached === undefined) {
      reached = await this.#git.reachesAll(repo.id, bundle.tips)
      this.#reached.set(mark, reached)
    }
    return reached ? bundle : undefined
  }

  /** Makes a bundle where there is none that may be offered, or only one of yesterday that has fallen behind. */
  async refresh(repo: Repo, signal: AbortSignal): Promise<void> {
    const before = await this.#kept(repo.id)
    if (!this.#mayHave(repo)) return before && this.drop(repo.id)
    const snapshot = await this.#git.snapshot(repo.id)
    const offered = await this.find(repo, async () => snapshot)
    if (before && !offered) await this.drop(repo.id)
    const behind = snapshot.refs.some(
      (it) => it.name.startsWith('refs/heads/') && !offered?.tips.includes(it.oid),
    )
    if (!behind || (offered && Date.parse(offered.madeAt) + RENEW_AFTER_MS > Date.now())) return
    const id = newId()
    const key = `${PREFIX}${repo.id}/${id}`
    let size = 0
    try {
      const tips = await this.#git.writeBundle(repo.id, signal, async (stream) => {
        size = (await this.#store.put(key, stream, {}, signal)).size
      })
      const bundle: Bundle = { id, key, size, madeAt: new Date().toISOString(), tips }
      await this.#settings.put(nameOf(repo.id), JSON.stringify(bundle))
    } catch (err) {
      await this.#store.delete(key)
      throw err
    }
    if (offered) await this.#store.delete(offered.key)
  }

  /** Takes a bundle away at once that may not be offered any more; links that were given out end with its bytes. */
  async dropHidden(repo: Repo): Promise<void> {
    if (!this.#mayHave(repo)) await this.drop(repo.id)
  }

  async drop(id: RepoId): Promise<void> {
    const bundle = await this.#kept(id)
    await this.#settings.remove(nameOf(id))
    if (bundle) await this.#store.delete(bundle.key)
  }

  /** The job: brings all bundles up to date and removes what no repository has any more. */
  async refreshAll(
    signal: AbortSignal,
    onError: (err: unknown, repo: Repo) => void,
  ): Promise<void> {
    for (let after = 0; ; ) {
      const page = await this.#repos.scan(after, 500)
      for (const repo of page) {
        signal.throwIfAborted()
        await this.refresh(repo, signal).catch((err) => onError(err, repo))
      }
      const last = page.at(-1)
      if (!last) break
      after = last.seq
    }
    for await (const { key, modifiedAt } of this.#store.list(PREFIX)) {
      const id = key.split('/')[1] ?? ''
      const old = Date.now() - modifiedAt.getTime() > RENEW_AFTER_MS
      if (old && (await this.#kept(id))?.key !== key) await this.#store.delete(key)
    }
  }

  #mayHave(repo: Repo): boolean {
    return (
      this.#minBytes > 0 &&
      repo.gitBytes >= this.#minBytes &&
      repo.visibility === 'public' &&
      repo.gate === 'none' &&
      !repo.disabled
    )
  }

  async #kept(id: RepoId): Promise<Bundle | undefined> {
    const text = await this.#settings.find(nameOf(id))
    return text === undefined ? undefined : (JSON.parse(text) as Bundle)
  }
}

function nameOf(id: RepoId): string {
  return `bundle:${id}`
}
