import { sha256Hex } from '../../lib/ids.js'
import { requireActiveUser, requireSiteAdmin } from '../access/access.js'
import { HubError } from '../errors.js'
import { type Actor, makeEvent } from '../events/events.js'
import type { EventStore } from '../events/ports.js'
import { checkNamespaceName } from '../repos/names.js'
import type { Org, User } from '../types.js'
import { hashPassword } from './passwords.js'
import type { AccountStore } from './ports.js'

export interface NamespaceQuotas {
  readonly privateBytes: number | null
  readonly publicBytes: number | null
}

export type RegistrationMode = 'open' | 'closed' | 'invite'

export interface UserOrder {
  readonly name: string
  readonly password?: string | undefined
  readonly email?: string | undefined
  readonly fullname?: string | undefined
  readonly isSiteAdmin?: boolean | undefined
}

/** Makes users and organisations, with names and passwords checked. */
export class Registry {
  readonly #accounts: AccountStore
  readonly #events: EventStore
  readonly #quotas: NamespaceQuotas
  readonly #registration: RegistrationMode

  constructor(parts: {
    accounts: AccountStore
    events: EventStore
    quotas: NamespaceQuotas
    registration: RegistrationMode
  }) {
    this.#accounts = parts.accounts
    this.#events = parts.events
    this.#quotas = parts.quotas
    this.#registration = parts.registration
  }

  get registration(): RegistrationMode {
    return this.#registration
  }

  /** Throws `invalid_input` (name, e-mail, password) or `conflict` (taken). Without a password only tokens log in. */
  async createUser(order: UserOrder, invitation?: string): Promise<User> {
    checkNamespaceName(order.name)
    const email = order.email === undefined ? null : checkEmail(order.email)
    return this.#accounts.createUser({
      name: order.name,
      email,
      fullname: order.fullname ?? null,
      passwordHash: order.password === undefined ? null : await checkedHash(order.password),
      isSiteAdmin: order.isSiteAdmin ?? false,
      quotas: this.#quotas,
      ...(invitation === undefined ? {} : { invitationHash: sha256Hex(invitation) }),
    })
  }

  /**
   * Somebody makes an account: whoever comes when registration is open, with an invitation when it is by invitation,
   * only through site administrators when it is closed. A used-up or unknown invitation is `invalid_input`.
   */
  async register(
    order: UserOrder & { password: string },
    invitation: string | undefined,
    actor: Actor,
  ): Promise<User> {
    const admin = actor.caller.isSiteAdmin
    if (!admin && this.#registration === 'closed')
      throw new HubError(
        'forbidden',
        'Registration is closed. Ask an administrator for an account.',
      )
    if (!admin && this.#registration === 'invite' && !invitation)
      throw new HubError('forbidden', 'Registration needs an invitation.')
    const user = await this.createUser({ ...order, isSiteAdmin: false }, invitation)
    await this.#events.add(makeEvent('account.create', actor, undefined, { name: user.name }))
    return user
  }

  async createUserAs(order: UserOrder, actor: Actor): Promise<User> {
    requireSiteAdmin(actor.caller)
    const user = await this.createUser(order)
    await this.#events.add(makeEvent('account.create', actor, undefined, { name: user.name }))
    return user
  }

  async setPassword(userId: number, password: string): Promise<void> {
    await this.#accounts.updateUser(userId, { passwordHash: await checkedHash(password) })
  }

  /** Every session but the caller's ends; who knew the old password is out. */
  async changePassword(
    user: User,
    password: string,
    actor: Actor,
    keepTokenId?: string,
  ): Promise<void> {
    await this.setPassword(user.id, password)
    await this.#events.add(makeEvent('account.password', actor, undefined, { name: user.name }))
    await this.#accounts.deleteSessions(user.id, keepTokenId)
  }

  async changeEmail(user: User, email: string | null): Promise<void> {
    await this.#accounts.updateUser(user.id, { email: email === null ? null : checkEmail(email) })
  }

  async createOrg(order: {
    name: string
    description?: string | undefined
    owner: User
  }): Promise<Org> {
    checkNamespaceName(order.name)
    return this.#accounts.createOrg({
      name: order.name,
      description: order.description?.slice(0, 2_000) ?? null,
      ownerId: order.owner.id,
      quotas: this.#quotas,
    })
  }

  /** The caller becomes its owner. */
  async createOrgAs(
    order: { name: string; description?: string | undefined },
    actor: Actor,
  ): Promise<Org> {
    const org = await this.createOrg({ ...order, owner: requireActiveUser(actor.caller) })
    await this.#events.add(makeEvent('org.create', actor, undefined, { name: org.name }))
    return org
  }
}

function checkEmail(text: string): string {
  const email = text.trim()
  if (!/^[^\s@]{1,64}@[^\s@]{1,190}$/.test(email))
    throw new HubError('invalid_input', 'This is not an e-mail address.')
  return email
}

async function checkedHash(password: string): Promise<string> {
  if (password.length < 8 || password.length > 1024)
    throw new HubError('invalid_input', 'A password has 8 to 1024 characters.')
  return hashPassword(password)
}
