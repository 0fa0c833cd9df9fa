import { requireSiteAdmin } from '../access/access.js'
import { HubError } from '../errors.js'
import { type Actor, makeEvent } from '../events/events.js'
import type { EventStore } from '../events/ports.js'
import type { JobStore } from '../jobs/ports.js'
import type { RepoStore } from '../repos/ports.js'
import type { RepoRegistry } from '../repos/registry.js'
import type { User } from '../types.js'
import type { AccountStore } from './ports.js'

const RETRY_MS = 2_000

/** Removes an account for good: at once when it owns nothing, else after its repositories are gone. */
export class UserRemoval {
  readonly #accounts: AccountStore
  readonly #repos: RepoStore
  readonly #jobs: JobStore
  readonly #registry: RepoRegistry
  readonly #events: EventStore

  constructor(parts: {
    accounts: AccountStore
    repos: RepoStore
    jobs: JobStore
    registry: RepoRegistry
    events: EventStore
  }) {
    this.#accounts = parts.accounts
    this.#repos = parts.repos
    this.#jobs = parts.jobs
    this.#registry = parts.registry
    this.#events = parts.events
  }

  /**
   * Throws `conflict` when the user owns repositories and `force` is not set, or is the last owner of an organisation.
   * With `force` nothing of the account works any more when this answers; bytes and row go in the background.
   */
  async remove(user: User, actor: Actor, { force }: { force: boolean }): Promise<void> {
    requireSiteAdmin(actor.caller)
    const lonely = await this.#accounts.listOrgsWithSoleOwner(user.id)
    if (lonely.length)
      throw new HubError(
        'conflict',
        `${user.name} is the only owner of ${lonely.join(', ')}. Make somebody else owner first.`,
      )
    const owned = await this.#repos.count({ namespaceId: user.id })
    if (owned > 0 && !force)
      throw new HubError('conflict', `${user.name} owns ${owned} repositories.`)
    await this.#accounts.updateUser(user.id, { isActive: false })
    await this.#events.add(makeEvent('account.delete', actor, undefined, { name: user.name }))
    await this.#accounts.deleteSessions(user.id)
    for (;;) {
      const page = await this.#repos.list({
        namespaceId: user.id,
        sort: 'createdAt',
        order: 'asc',
        limit: 100,
      })
      if (page.length === 0) break
      for (const repo of page) await this.#registry.delete(repo, actor)
    }
    await this.#jobs.enqueue({ kind: 'account.purge', key: String(user.id) })
  }

  /** The job behind it; waits for the repositories' own jobs. */
  async purge(userId: number): Promise<void> {
    try {
      await this.#accounts.deleteNamespace(userId)
    } catch (err) {
      if (!(err instanceof HubError && err.code === 'conflict')) throw err
      await this.#jobs.enqueue({ kind: 'account.purge', key: String(userId), delayMs: RETRY_MS })
    }
  }
}
