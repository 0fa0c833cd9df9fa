import { isoNow, newRepoId } from '../../lib/ids.js'
import type { Access } from '../access/access.js'
import type { AccountStore } from '../accounts/ports.js'
import type { Committer } from '../commits/committer.js'
import { checkFilePath } from '../commits/paths.js'
import { HubError } from '../errors.js'
import { type Actor, makeEvent } from '../events/events.js'
import type { JobStore } from '../jobs/ports.js'
import type { GitEngine } from '../ports.js'
import { poolOf, type Quotas } from '../quotas/quotas.js'
import type { PushPolicy } from '../refs/push-policy.js'
import { checkShortRefName } from '../refs/ref-names.js'
import type { GateMode, Namespace, ObjectFormat, Repo, RepoKind, Visibility } from '../types.js'
import { afterShortHolds } from './holds.js'
import { initialFiles } from './initial-files.js'
import { checkRepoName } from './names.js'
import type { RepoStore } from './ports.js'

/** A creation takes milliseconds; on a machine whose processes we cannot see this is how long we believe in it. */
const UNFINISHED_AFTER_MS = 10 * 60_000

export interface FirstFile {
  readonly path: string
  readonly content: Buffer
}

export interface CreateOrder {
  readonly kind: RepoKind
  readonly namespace: string
  readonly name: string
  readonly visibility: Visibility
  readonly description?: string | undefined
  readonly defaultBranch?: string | undefined
  readonly objectFormat?: ObjectFormat | undefined
  readonly sdk?: string | undefined
  /** The first commit: the kind's usual files, these files (none = an empty commit), or no commit at all. */
  readonly start: 'usual' | 'unborn' | readonly FirstFile[]
  /** On top of the usual files, or instead of those at the same paths. */
  readonly files?: readonly FirstFile[] | undefined
  /** Called before anybody sees the repository: what it throws undoes the creation. */
  readonly prepare?: ((repo: Repo) => Promise<void>) | undefined
}

/** The life of repositories: create, move, settings, delete. Squash has a file of its own. */
export class RepoRegistry {
  readonly #repos: RepoStore
  readonly #accounts: AccountStore
  readonly #git: GitEngine
  readonly #access: Access
  readonly #committer: Committer
  readonly #quotas: Quotas
  readonly #policy: PushPolicy
  readonly #jobs: JobStore
  readonly #owner: string

  constructor(parts: {
    repos: RepoStore
    accounts: AccountStore
    git: GitEngine
    access: Access
    committer: Committer
    quotas: Quotas
    policy: PushPolicy
    jobs: JobStore
    owner: string
  }) {
    this.#repos = parts.repos
    this.#accounts = parts.accounts
    this.#git = parts.git
    this.#access = parts.access
    this.#committer = parts.committer
    this.#quotas = parts.quotas
    this.#policy = parts.policy
    this.#jobs = parts.jobs
    this.#owner = parts.owner
  }

  /** Throws `invalid_input`, `account_not_found`, `forbidden`, `repo_exists`, `quota_exceeded`. */
  async create(order: CreateOrder, actor: Actor): Promise<Repo> {
    checkRepoName(order.name)
    if (order.defaultBranch !== undefined) checkShortRefName(order.defaultBranch)
    for (const { path } of order.files ?? []) checkFilePath(path)
    const namespace = await this.#namespace(order.namespace)
    this.#access.requireNamespace(actor.caller, namespace, 'write')
    await this.#quotas.requireNamespaceRoom(namespace, poolOf(order.visibility))
    const id = newRepoId()
    const options = {
      objectFormat: order.objectFormat ?? 'sha1',
      defaultBranch: order.defaultBranch ?? 'main',
    } as const
    const repo = await this.#repos.create({
      id,
      kind: order.kind,
      namespaceId: namespace.id,
      name: order.name,
      visibility: order.visibility,
      description: order.description ?? '',
      sdk: order.sdk ?? null,
      owner: this.#owner,
      ...options,
    })
    try {
      await this.#git.create(id, options)
      if (order.start !== 'unborn') await this.#firstCommit(repo, order, actor)
      await order.prepare?.(repo)
      await this.#repos.markReady(id, makeEvent('repo.create', actor, repo))
    } catch (err) {
      await this.#repos.markDeleting(
        id,
        makeEvent('repo.delete', actor, repo, { why: 'creation failed' }),
      )
      throw err
    }
    return (await this.#repos.findById(id)) ?? repo
  }

  async #firstCommit(repo: Repo, order: CreateOrder, actor: Actor): Promise<void> {
    const start =
      order.start === 'usual' ? initialFiles(order.kind, repo) : (order.start as FirstFile[])
    const files = new Map([...start, ...(order.files ?? [])].map((it) => [it.path, it.content]))
    const bytes = [...files.values()].reduce((sum, it) => sum + it.length, 0)
    const settle = await this.#quotas.reserveBytes(repo, bytes)
    const at = new Date().toISOString()
    try {
      await this.#committer.commit(
        repo,
        `refs/heads/${repo.defaultBranch}`,
        actor,
        async () => ({
          message: 'initial commit',
          author: { name: 'system', email: 'system@users.noreply.packhorse', at },
          steps: [...files].map(([path, content]) => ({
            type: 'put' as const,
            path,
            mode: '100644',
            content,
            size: content.length,
          })),
        }),
        new AbortController().signal,
      )
    } finally {
      await settle()
    }
  }

  /** One metadata transaction, whatever the size. `redirect`: the old address keeps leading here. */
  async move(
    repo: Repo,
    to: { namespace: string; name: string },
    actor: Actor,
    options: { redirect: boolean },
  ): Promise<Repo> {
    checkRepoName(to.name)
    const namespace = await this.#namespace(to.namespace)
    if (namespace.id !== repo.namespaceId)
      this.#access.requireNamespace(actor.caller, namespace, 'write')
    await afterShortHolds(() => this.#policy.requireWritable(repo))
    const target = `${namespace.name}/${to.name}`
    return this.#repos.move(
      repo.id,
      { namespaceId: namespace.id, name: to.name },
      {
        ...options,
        requireRoom: !actor.caller.isSiteAdmin,
        event: makeEvent('repo.move', actor, repo, { to: target }),
      },
    )
  }

  async changeSettings(
    repo: Repo,
    change: {
      visibility?: Visibility | undefined
      gate?: GateMode | undefined
      description?: string | undefined
      defaultBranch?: string | undefined
      quotaBytes?: number | null | undefined
    },
    actor: Actor,
  ): Promise<Repo> {
    const { defaultBranch } = change
    if (defaultBranch !== undefined && defaultBranch !== repo.defaultBranch) {
      const { refs } = await this.#git.snapshot(repo.id)
      if (!refs.some((it) => it.name === `refs/heads/${defaultBranch}`))
        throw new HubError('revision_not_found', `Invalid rev id: ${defaultBranch.slice(0, 200)}`)
      await afterShortHolds(() => this.#policy.requireWritable(repo))
      await this.#git.setHead(repo.id, defaultBranch)
    }
    const set = Object.fromEntries(
      Object.entries(change).filter(([, value]) => value !== undefined),
    )
    return this.#repos.updateSettings(repo.id, set, makeEvent('repo.settings', actor, repo, set), {
      requireRoom: !actor.caller.isSiteAdmin,
    })
  }

  /** The name is free at once; the bytes go in the background. */
  async delete(repo: Repo, actor: Actor): Promise<void> {
    await afterShortHolds(() => this.#policy.requireWritable(repo))
    await this.#repos.markDeleting(repo.id, makeEvent('repo.delete', actor, repo))
  }

  /** The job behind `delete`; safe to run again after a crash. */
  async purge(id: string): Promise<void> {
    await this.#git.remove(id)
    await this.#repos.purge(id)
    await this.#jobs.enqueue({ kind: 'lfs.sweep', key: 'all' })
  }

  /** Creations that a crash cut off never became visible; their names are free again. */
  async sweepUnfinished(actor: Actor, hasEnded: (owner: string) => boolean): Promise<void> {
    const before = isoNow(-UNFINISHED_AFTER_MS)
    for (const { repo, owner } of await this.#repos.listUnfinished())
      if (owner === null || hasEnded(owner) || repo.createdAt <= before)
        await this.#repos.markDeleting(
          repo.id,
          makeEvent('repo.delete', actor, repo, { why: 'unfinished' }),
        )
  }

  async #namespace(name: string): Promise<Namespace> {
    const namespace = await this.#accounts.findNamespace(name)
    if (!namespace)
      throw new HubError(
        'account_not_found',
        `The namespace "${name.slice(0, 100)}" does not exist.`,
      )
    return namespace
  }
}
