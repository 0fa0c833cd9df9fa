import { requireActiveUser } from '../access/access.js'
import { HubError } from '../errors.js'
import { type Actor, makeEvent } from '../events/events.js'
import type { EventStore } from '../events/ports.js'
import type { Caller, Org, OrgRole, User } from '../types.js'
import type { AccountStore } from './ports.js'

/** Each role and those before it. */
export const ORG_ROLES: readonly OrgRole[] = [
  'reader',
  'contributor',
  'maintainer',
  'admin',
  'owner',
]

export interface Member {
  readonly user: User
  readonly role: OrgRole
  readonly since: string
}

/**
 * Who belongs to an organisation. Admins and owners manage members; nobody gives or takes a role above their own, so
 * only owners make and unmake owners. An organisation always keeps one.
 */
export class Organizations {
  readonly #accounts: AccountStore
  readonly #events: EventStore

  constructor(parts: { accounts: AccountStore; events: EventStore }) {
    this.#accounts = parts.accounts
    this.#events = parts.events
  }

  async read(name: string): Promise<Org> {
    const org = await this.#accounts.findOrg(name)
    if (!org) throw new HubError('account_not_found', 'Organization not found')
    return org
  }

  members(org: Org): Promise<Member[]> {
    return this.#accounts.listMembers(org.id)
  }

  /** Throws `conflict` when the user already belongs to it. */
  async add(org: Org, username: string, role: OrgRole, actor: Actor): Promise<User> {
    this.requireManager(actor.caller, org, role)
    const user = await this.#user(username)
    if (await this.#roleOf(org, user))
      throw new HubError('conflict', `${user.name} is a member already.`)
    await this.#set(org, user, role, actor)
    return user
  }

  /** Throws `not_found` for somebody who is no member, `conflict` for the last owner. */
  async changeRole(org: Org, username: string, role: OrgRole, actor: Actor): Promise<void> {
    this.requireManager(actor.caller, org, role)
    const { user, role: before } = await this.#member(org, username)
    this.requireManager(actor.caller, org, before)
    await this.#set(org, user, role, actor)
  }

  /** Whoever belongs to it may leave. */
  async remove(org: Org, username: string, actor: Actor): Promise<void> {
    const leaves = requireSomebody(actor.caller).name.toLowerCase() === username.toLowerCase()
    if (!leaves) this.requireManager(actor.caller, org, 'reader')
    else if (!actor.caller.isSiteAdmin) requireActiveUser(actor.caller)
    const { user, role } = await this.#member(org, username)
    if (!leaves) this.requireManager(actor.caller, org, role)
    await this.#set(org, user, null, actor)
  }

  /** Throws unless the caller may give or take `role` in this organisation. */
  requireManager(caller: Caller, org: Org, role: OrgRole): void {
    if (caller.isSiteAdmin) return
    requireActiveUser(caller)
    const own = caller.memberships.find((it) => it.orgId === org.id)?.role
    if (own !== 'admin' && own !== 'owner')
      throw new HubError('forbidden', `You do not manage the organization ${org.name}.`)
    if (ORG_ROLES.indexOf(role) > ORG_ROLES.indexOf(own))
      throw new HubError('forbidden', 'Only an owner can do this to an owner.')
  }

  async #set(org: Org, user: User, role: OrgRole | null, actor: Actor): Promise<void> {
    await this.#accounts.setMember(org.id, user.id, role)
    await this.#events.add(
      makeEvent('org.member', actor, undefined, { org: org.name, user: user.name, role }),
    )
  }

  async #user(name: string): Promise<User> {
    const user = await this.#accounts.findUser(name)
    if (!user) throw new HubError('account_not_found', 'User not found')
    return user
  }

  async #member(org: Org, username: string): Promise<{ user: User; role: OrgRole }> {
    const user = await this.#user(username)
    const role = await this.#roleOf(org, user)
    if (!role) throw new HubError('not_found', `${user.name} is not a member.`)
    return { user, role }
  }

  async #roleOf(org: Org, user: User): Promise<OrgRole | undefined> {
    return (await this.#accounts.listMemberships(user.id)).find((it) => it.orgId === org.id)?.role
  }
}

/** The operator's token has no name to leave by. */
function requireSomebody(caller: Caller): { name: string } {
  if (caller.user) return caller.user
  if (caller.isSiteAdmin) return { name: '' }
  throw new HubError('not_authenticated', 'Invalid username or password.')
}
