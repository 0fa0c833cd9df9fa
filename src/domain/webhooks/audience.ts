import type { Access } from '../access/access.js'
import type { AccountStore } from '../accounts/ports.js'
import type { RepoStore } from '../repos/ports.js'
import type { Caller, OrgMembership, User } from '../types.js'
import type { ClaimedDelivery } from './ports.js'

/**
 * Whether a webhook's owner may still hear of an event. Who could not read the repository when it happened was not queued
 * for it; this is asked again before each attempt, since rights may have gone meanwhile.
 */
export class Audience {
  readonly #accounts: AccountStore
  readonly #repos: RepoStore
  readonly #access: Access

  constructor(parts: { accounts: AccountStore; repos: RepoStore; access: Access }) {
    this.#accounts = parts.accounts
    this.#repos = parts.repos
    this.#access = parts.access
  }

  async mayHear(delivery: ClaimedDelivery): Promise<boolean> {
    const owner = await this.#accounts.findUserById(delivery.webhook.ownerId)
    if (!owner?.isActive) return false
    const repo = await this.#repos.findById(delivery.repoId)
    const now = repo?.state === 'ready' ? repo : undefined
    if (now?.disabled) return false
    if (delivery.webhook.isSite) {
      // what left is told by a name that was public
      if (!owner.isSiteAdmin) return false
      return delivery.siteChange?.change === 'remove' || !now || now.visibility === 'public'
    }
    const memberships = await this.#accounts.listMemberships(owner.id)
    if (now) return (await this.#access.rightOn(asReader(owner, memberships), now)) !== undefined
    const { namespaceId, visibility } = delivery.event.repo
    return (
      visibility !== 'private' ||
      namespaceId === owner.id ||
      memberships.some((it) => it.orgId === namespaceId) ||
      // its own members went with it
      delivery.wasMember
    )
  }
}

/** What the account reaches by itself: a webhook carries nobody's site administration. */
function asReader(user: User, memberships: readonly OrgMembership[]): Caller {
  return {
    user,
    memberships,
    role: 'read',
    repoIds: [],
    isSiteAdmin: false,
    via: 'token',
    token: undefined,
    address: '',
  }
}
