import { HubError } from '../errors.js'
import type { AccountStore } from '../ports.js'
import { checkNamespaceName } from '../repos/names.js'
import type { Org, User } from '../types.js'
import { hashPassword } from './passwords.js'

export interface NamespaceQuotas {
  readonly privateBytes: number | null
  readonly publicBytes: number | null
}

/** Makes users and organisations, with names and passwords checked. */
export class Registry {
  readonly #accounts: AccountStore
  readonly #quotas: NamespaceQuotas

  constructor(accounts: AccountStore, defaultQuotas: NamespaceQuotas) {
    this.#accounts = accounts
    this.#quotas = defaultQuotas
  }

  /** Throws `invalid_input` (name, e-mail, password) or `conflict` (taken). Without a password only tokens log in. */
  async createUser(order: {
    name: string
    password?: string | undefined
    email?: string | undefined
    fullname?: string | undefined
    isSiteAdmin?: boolean
  }): Promise<User> {
    checkNamespaceName(order.name)
    const email = order.email?.trim()
    if (email !== undefined && !/^[^\s@]{1,64}@[^\s@]{1,190}$/.test(email))
      throw new HubError('invalid_input', 'This is not an e-mail address.')
    if (email && (await this.#accounts.findUserByEmail(email)))
      throw new HubError('conflict', 'This e-mail address is taken.')
    return this.#accounts.createUser({
      name: order.name,
      email: email ?? null,
      fullname: order.fullname ?? null,
      passwordHash: order.password === undefined ? null : await checkedHash(order.password),
      isSiteAdmin: order.isSiteAdmin ?? false,
      quotas: this.#quotas,
    })
  }

  async setPassword(userId: number, password: string): Promise<void> {
    await this.#accounts.updateUser(userId, { passwordHash: await checkedHash(password) })
  }

  async createOrg(order: {
    name: string
    description?: string | undefined
    owner: User
  }): Promise<Org> {
    checkNamespaceName(order.name)
    return this.#accounts.createOrg({
      name: order.name,
      description: order.description ?? null,
      ownerId: order.owner.id,
      quotas: this.#quotas,
    })
  }
}

async function checkedHash(password: string): Promise<string> {
  if (password.length < 8 || password.length > 1024)
    throw new HubError('invalid_input', 'A password has 8 to 1024 characters.')
  return hashPassword(password)
}
