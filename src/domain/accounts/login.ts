import { createHmac, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { newTokenSecret, sameSecret, sha256Hex } from '../../lib/ids.js'
import type { SignedAction } from '../access/signed-actions.js'
import { HubError } from '../errors.js'
import type { Caller, RepoId, Token, TokenRole, User } from '../types.js'
import { LoginLimits } from './login-limits.js'
import { hashPassword, verifyPassword } from './passwords.js'
import type { AccountStore } from './ports.js'

/** Turns credentials into a caller. Wrong ones throw `bad_credentials`, too many of them `rate_limited`. */
export class Login {
  readonly #accounts: AccountStore
  readonly #limits: LoginLimits
  readonly #adminToken: string | undefined
  // a password costs tens of milliseconds to check and git sends it with every request
  readonly #verified = new LRUCache<string, true>({ max: 10_000, ttl: 5 * 60_000 })
  readonly #verifiedKey = randomBytes(32)
  readonly #running = new Map<string, Promise<boolean>>()
  #decoy: Promise<string> | undefined

  constructor(accounts: AccountStore, adminToken: string | undefined) {
    this.#accounts = accounts
    this.#limits = new LoginLimits(accounts)
    this.#adminToken = adminToken
  }

  anonymous(address: string): Caller {
    return {
      user: undefined,
      memberships: [],
      role: 'read',
      repoIds: [],
      isSiteAdmin: false,
      via: 'anonymous',
      token: undefined,
      address,
    }
  }

  /** `X-Admin-Token`: the operator, without an account. */
  async byAdminToken(secret: string, address: string): Promise<Caller> {
    if (!this.#adminToken || !sameSecret(secret, this.#adminToken)) {
      await this.#limits.countBadToken(address)
      throw new HubError('bad_credentials', 'Invalid admin token.')
    }
    return { ...this.anonymous(address), role: 'admin', isSiteAdmin: true, via: 'admin_token' }
  }

  async byToken(secret: string, address: string): Promise<Caller> {
    const caller = await this.#findByToken(secret, address)
    if (caller) return caller
    await this.#limits.countBadToken(address)
    throw new HubError('bad_credentials', 'Invalid username or password.')
  }

  /** The session of a browser's cookie; undefined when it ended or is none. API tokens do not work as cookies. */
  async findBySession(secret: string, address: string): Promise<Caller | undefined> {
    const caller = await this.#findByToken(secret, address)
    return caller?.via === 'session' ? caller : undefined
  }

  /** HTTP Basic: user + token, user or e-mail + password, token as user name. */
  async byBasic(name: string, password: string, address: string): Promise<Caller> {
    for (const secret of [password, name])
      if (/^[\w-]{20,}$/.test(secret)) {
        const caller = await this.#findByToken(secret, address)
        if (caller) return caller
      }
    return this.byPassword(name, password, address)
  }

  async byPassword(name: string, password: string, address: string): Promise<Caller> {
    const user = name.includes('@')
      ? await this.#accounts.findUserByEmail(name)
      : await this.#accounts.findUser(name)
    const hash = user?.isActive ? await this.#accounts.findPasswordHash(user.id) : undefined
    // per address: what the owner got right must not let a guesser elsewhere past the limit
    const seen = createHmac('sha256', this.#verifiedKey)
      .update([address, name, hash ?? '', password].join('\0'))
      .digest('base64')
    if (user && hash && this.#verified.has(seen))
      return this.#callerOf(user, address, 'password', 'admin', undefined)
    // the same words at the same time are one attempt: git asks in parallel
    const attempt =
      this.#running.get(seen) ??
      this.#attempt(user ? String(user.id) : unknownAccount(name), hash, password, address)
    this.#running.set(seen, attempt)
    const right = await attempt.finally(() => this.#running.delete(seen))
    if (!user || !hash || !right)
      throw new HubError(
        'bad_credentials',
        'Invalid username or password.',
        user ? { account: user.name } : {},
      )
    this.#verified.set(seen, true)
    return this.#callerOf(user, address, 'password', 'admin', undefined)
  }

  async #attempt(
    account: string,
    hash: string | undefined,
    password: string,
    address: string,
  ): Promise<boolean> {
    const succeeded = await this.#limits.takePasswordAttempt(account, address)
    // an unknown name costs the same time as a known one
    this.#decoy ??= hashPassword(randomBytes(16).toString('hex'))
    const right = await verifyPassword(password.slice(0, 1024), hash ?? (await this.#decoy))
    if (!hash || !right) return false
    await succeeded()
    return true
  }

  /** The caller that a signed action (LFS href, Xet token) acts for. */
  async byUserId(userId: number, role: TokenRole, address: string): Promise<Caller | undefined> {
    const user = await this.#accounts.findUserById(userId)
    return user?.isActive ? this.#callerOf(user, address, 'signed', role, undefined) : undefined
  }

  /** The caller behind a link that carries its own right: nobody in particular once the account is gone. */
  async byAction(
    { userId, role = 'write', siteAdmin }: Pick<SignedAction, 'userId' | 'role' | 'siteAdmin'>,
    address: string,
  ): Promise<Caller> {
    const anonymous = this.anonymous(address)
    if (siteAdmin) return { ...anonymous, role, isSiteAdmin: true, via: 'signed' }
    if (userId === null) return anonymous
    return (await this.byUserId(userId, role, address)) ?? anonymous
  }

  /** For who stays connected: the same credential as it counts now, undefined once it or its user's account has ended. */
  async again(caller: Caller): Promise<Caller | undefined> {
    const { user: before, token: used, address, via, role } = caller
    if (!before) return caller
    const user = await this.#accounts.findUserById(before.id)
    if (!user?.isActive) return undefined
    if (!used) return this.#callerOf(user, address, via, role, undefined)
    const token = await this.#accounts.findToken(used.id)
    if (!token || hasExpired(token)) return undefined
    return this.#callerOf(user, address, via, token.role, token)
  }

  /** Undefined when there is no such token; expired ones and those of inactive users count as none. */
  async #findByToken(secret: string, address: string): Promise<Caller | undefined> {
    const token = await this.#accounts.findTokenByHash(sha256Hex(secret))
    if (!token || hasExpired(token)) return undefined
    const user = await this.#accounts.findUserById(token.userId)
    if (!user?.isActive) return undefined
    // once an hour is enough for "last used", and keeps reads from writing
    if (!token.lastUsedAt || Date.now() - Date.parse(token.lastUsedAt) > 3_600_000)
      await this.#accounts.touchToken(token.id)
    return this.#callerOf(user, address, token.kind, token.role, token)
  }

  async #callerOf(
    user: User,
    address: string,
    via: Caller['via'],
    role: TokenRole,
    token: Token | undefined,
  ): Promise<Caller> {
    return {
      user,
      memberships: await this.#accounts.listMemberships(user.id),
      role,
      repoIds: token?.repoIds ?? [],
      isSiteAdmin: user.isSiteAdmin && role === 'admin' && !token?.repoIds.length,
      via,
      token,
      address,
    }
  }
}

function hasExpired({ expiresAt }: Token): boolean {
  return expiresAt !== null && expiresAt <= new Date().toISOString()
}

/** Names that nobody has are counted, too: otherwise the limit would tell who exists. */
function unknownAccount(name: string): string {
  return `unknown:${sha256Hex(name.toLowerCase()).slice(0, 32)}`
}

/** Makes a token and answers its secret, which is stored nowhere. */
export async function issueToken(
  accounts: AccountStore,
  order: {
    userId: number
    name: string
    kind?: 'token' | 'session'
    role: TokenRole
    repoIds?: readonly RepoId[]
    expiresAt?: string | null
  },
): Promise<{ token: Token; secret: string }> {
  const secret = newTokenSecret()
  const token = await accounts.createToken({
    userId: order.userId,
    name: order.name.slice(0, 200) || 'token',
    kind: order.kind ?? 'token',
    hash: sha256Hex(secret),
    role: order.role,
    repoIds: order.repoIds ?? [],
    expiresAt: order.expiresAt ?? null,
  })
  return { token, secret }
}
