import { isoNow } from '../../lib/ids.js'
import { isAnonymous, requireAccountHolder, requireUser } from '../access/access.js'
import { HubError } from '../errors.js'
import { type Actor, makeEvent } from '../events/events.js'
import type { EventStore } from '../events/ports.js'
import type { Caller, RepoId, Token, TokenRole, User } from '../types.js'
import { issueToken } from './login.js'
import type { AccountStore } from './ports.js'

export const SESSION_SECONDS = 7 * 24 * 3600
const MAX_TOKENS = 1_000

/** A user's API tokens and sessions. A token's secret is answered once and kept nowhere. */
export class Tokens {
  readonly #accounts: AccountStore
  readonly #events: EventStore

  constructor(parts: { accounts: AccountStore; events: EventStore }) {
    this.#accounts = parts.accounts
    this.#events = parts.events
  }

  list(caller: Caller): Promise<Token[]> {
    return this.#accounts.listTokens(requireAccountHolder(caller).id)
  }

  /** `repoIds`: found and readable by the caller, or empty for all. Throws `invalid_input`, `forbidden`. */
  async create(
    order: {
      name: string
      role: TokenRole
      repoIds: readonly RepoId[]
      expiresAt: string | null
    },
    actor: Actor,
  ): Promise<{ token: Token; secret: string }> {
    const user = requireAccountHolder(actor.caller)
    if (order.role === 'admin' && order.repoIds.length > 0)
      throw new HubError(
        'invalid_input',
        'A token for some repositories has the role read or write.',
      )
    if (order.expiresAt !== null && order.expiresAt <= isoNow())
      throw new HubError('invalid_input', 'The token would have expired already.')
    if ((await this.#accounts.listTokens(user.id)).length >= MAX_TOKENS)
      throw new HubError('conflict', `A user has at most ${MAX_TOKENS} tokens. Delete old ones.`)
    const made = await issueToken(this.#accounts, { userId: user.id, ...order })
    const { id, name, role, repoIds, expiresAt } = made.token
    await this.#events.add(
      makeEvent('account.token', actor, undefined, { id, name, role, repoIds, expiresAt }),
    )
    return made
  }

  /** A token may always give itself up; to delete others it takes the account. Throws `not_found`. */
  async revoke(id: string, actor: Actor): Promise<void> {
    const { caller } = actor
    const user = caller.token?.id === id ? requireUser(caller) : requireAccountHolder(caller)
    if (!(await this.#accounts.deleteToken(user.id, id)))
      throw new HubError('not_found', 'There is no such token.')
    await this.#events.add(makeEvent('account.token', actor, undefined, { id, deleted: true }))
  }

  /** For a user who just proved the password. `browser` sessions have all of the account's rights, others write ones. */
  async startSession(user: User, use: 'browser' | 'client'): Promise<string> {
    const { secret } = await issueToken(this.#accounts, {
      userId: user.id,
      name: 'session',
      kind: 'session',
      role: use === 'browser' ? 'admin' : 'write',
      expiresAt: isoNow(SESSION_SECONDS * 1000),
    })
    return secret
  }

  /** Ends the session or token that the caller came with; a password or nothing has nothing to end. */
  async endSession(caller: Caller): Promise<void> {
    if (isAnonymous(caller) || !caller.user || !caller.token) return
    await this.#accounts.deleteToken(caller.user.id, caller.token.id)
  }
}
