import { isoNow } from '../../lib/ids.js'
import type { Access } from '../access/access.js'
import type { AccountStore } from '../accounts/ports.js'
import { HubError } from '../errors.js'
import { type Actor, makeEvent } from '../events/events.js'
import type { JobStore } from '../jobs/ports.js'
import type { LfsStore } from '../lfs/ports.js'
import type { GitEngine } from '../ports.js'
import type { Quotas } from '../quotas/quotas.js'
import type { RefRecorder } from '../refs/recorder.js'
import type { Ref, Repo } from '../types.js'
import { checkRepoName } from './names.js'
import type { RepoStore } from './ports.js'
import type { RepoRegistry } from './registry.js'

const LEASE_MS = 60 * 60 * 1000
const LINK_PAGE = 2_000

/** Repositories made out of others: copies with their whole history, and second addresses. */
export class Forks {
  readonly #git: GitEngine
  readonly #lfs: LfsStore
  readonly #repos: RepoStore
  readonly #jobs: JobStore
  readonly #accounts: AccountStore
  readonly #access: Access
  readonly #quotas: Quotas
  readonly #registry: RepoRegistry
  readonly #recorder: RefRecorder

  constructor(parts: {
    git: GitEngine
    lfs: LfsStore
    repos: RepoStore
    jobs: JobStore
    accounts: AccountStore
    access: Access
    quotas: Quotas
    registry: RepoRegistry
    recorder: RefRecorder
  }) {
    this.#git = parts.git
    this.#lfs = parts.lfs
    this.#repos = parts.repos
    this.#jobs = parts.jobs
    this.#accounts = parts.accounts
    this.#access = parts.access
    this.#quotas = parts.quotas
    this.#registry = parts.registry
    this.#recorder = parts.recorder
  }

  /**
   * Branches and tags with all that they reach; LFS objects are linked, no byte is copied where the file system can link
   * files. The caller needs the source's content and the right to create. Throws as `RepoRegistry.create` does.
   */
  async fork(source: Repo, to: { namespace: string; name: string }, actor: Actor): Promise<Repo> {
    await this.#access.requireContent(
      actor.caller,
      await this.#access.openRepo(actor.caller, source, 'read'),
    )
    const snapshot = await this.#git.snapshot(source.id)
    const refs = snapshot.refs.filter((it) => /^refs\/(heads|tags)\//.test(it.name))
    const { kind, visibility, description, objectFormat } = source
    const copy = await this.#registry.create(
      {
        ...{ kind, ...to, visibility, description, objectFormat },
        defaultBranch: snapshot.defaultBranch,
        sdk: source.sdk ?? undefined,
        start: 'unborn',
        prepare: (made) => this.#fill(made, source, refs, actor),
      },
      actor,
    )
    // what came along that no branch or tag reaches (pull requests, leftovers) was not the caller's to have
    await this.#jobs.enqueue({ kind: 'repo.prune', key: copy.id })
    return copy
  }

  async #fill(copy: Repo, source: Repo, refs: readonly Ref[], actor: Actor): Promise<void> {
    if (refs.length === 0) return
    const settle = await this.#quotas.reserveBytes(copy, await this.#git.sizeBytes(source.id))
    try {
      await this.#linkObjects(copy, source, refs)
      await this.#git.copyInto(source.id, copy.id, refs)
      await this.#recorder.recordRefUpdates(copy.id, actor)
    } finally {
      await settle()
    }
  }

  async #linkObjects(copy: Repo, source: Repo, refs: readonly Ref[]): Promise<void> {
    const tips = [...new Set(refs.map((it) => it.oid))]
    let page = new Map<string, { oid: string; size: number }>()
    const link = async () => {
      const wanted = [...page.values()]
      page = new Map()
      const served = await this.#lfs.findLinked(
        source.id,
        wanted.map((it) => it.oid),
      )
      const objects = wanted.filter((it) => served.get(it.oid)?.size === it.size)
      await this.#quotas.reserveObjects(copy, objects, isoNow(LEASE_MS))
      await this.#lfs.link(copy.id, objects)
    }
    for await (const it of this.#git.newPointers(source.id, tips, { not: 'nothing' })) {
      page.set(it.oid, it)
      if (page.size >= LINK_PAGE) await link()
    }
    if (page.size > 0) await link()
  }

  /**
   * A second address of the same repository: whoever may use it is led on from there, until somebody takes the name. The
   * caller needs to read the repository and to be let create in the namespace. Throws `repo_exists` when the name is taken.
   */
  async alias(repo: Repo, to: { namespace: string; name: string }, actor: Actor): Promise<void> {
    checkRepoName(to.name)
    await this.#access.openRepo(actor.caller, repo, 'read')
    const namespace = await this.#accounts.findNamespace(to.namespace)
    if (!namespace) throw new HubError('account_not_found', `There is no account ${to.namespace}.`)
    this.#access.requireNamespace(actor.caller, namespace, 'write')
    const address = { kind: repo.kind, namespace: namespace.name, name: to.name }
    const event = makeEvent('repo.alias', actor, repo, { alias: `${namespace.name}/${to.name}` })
    await this.#repos.addAlias(repo.id, address, event)
  }
}
