import { createHmac, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { newTokenSecret, sameSecret, sha256Hex } from '../../lib/ids.js'
import { HubError } from '../errors.js'
import type { AccountStore } from '../ports.js'
import type { Caller, RepoId, Token, TokenRole, User } from '../types.js'
import { hashPassword, verifyPassword } from './passwords.js'

const WINDOW_SECONDS = 15 * 60
const MAX_FAILURES_PER_ACCOUNT = 10
const MAX_FAILURES_PER_ADDRESS = 50

/** Turns credentials into a caller. Wrong ones throw `bad_credentials`, too many of them `rate_limited`. */
export class Login {
  readonly #accounts: AccountStore
  readonly #adminToken: string | undefined
  // a password costs tens of milliseconds to check and git sends it with every request
  readonly #verified = new LRUCache<string, true>({ max: 10_000, ttl: 5 * 60_000 })
  readonly #verifiedKey = randomBytes(32)
  #decoy: Promise<string> | undefined

  constructor(accounts: AccountStore, adminToken: string | undefined) {
    this.#accounts = accounts
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
    await this.#checkLimit(`address:${address}`, MAX_FAILURES_PER_ADDRESS)
    if (!this.#adminToken || !sameSecret(secret, this.#adminToken)) {
      await this.#accounts.addLoginFailure(`address:${address}`, WINDOW_SECONDS)
      throw new HubError('bad_credentials', 'Invalid admin token.')
    }
    return { ...this.anonymous(address), role: 'admin', isSiteAdmin: true, via: 'admin_token' }
  }

  /** Undefined when there is no such token; expired ones and those of inactive users count as none. */
  async findByToken(secret: string, address: string): Promise<Caller | undefined> {
    const token = await this.#accounts.findTokenByHash(sha256Hex(secret))
    if (!token || (token.expiresAt !== null && token.expiresAt <= new Date().toISOString()))
      return undefined
    const user = await this.#accounts.findUserById(token.userId)
    if (!user?.isActive) return undefined
    // once an hour is enough for "last used", and keeps reads from writing
    if (!token.lastUsedAt || Date.now() - Date.parse(token.lastUsedAt) > 3_600_000)
      await this.#accounts.touchToken(token.id)
    return this.#callerOf(user, address, token.kind, token.role, token)
  }

  async byToken(secret: string, address: string): Promise<Caller> {
    const caller = await this.findByToken(secret, address)
    if (!caller) throw new HubError('bad_credentials', 'Invalid username or password.')
    return caller
  }

  /** HTTP Basic: user + token, user or e-mail + password, token as user name. */
  async byBasic(name: string, password: string, address: string): Promise<Caller> {
    for (const secret of [password, name])
      if (/^[\w-]{20,}$/.test(secret)) {
        const caller = await this.findByToken(secret, address)
        if (caller) return caller
      }
    return this.byPassword(name, password, address)
  }

  async byPassword(name: string, password: string, address: string): Promise<Caller> {
    const accountKey = `account:${name.toLowerCase()}`
    const addressKey = `address:${address}`
    const user = name.includes('@')
      ? await this.#accounts.findUserByEmail(name)
      : await this.#accounts.findUser(name)
    const hash = user?.isActive ? await this.#accounts.findPasswordHash(user.id) : undefined
    const seen = createHmac('sha256', this.#verifiedKey)
      .update(`${hash ?? ''}\0${password}`)
      .digest('base64')
    if (user && hash && this.#verified.has(seen))
      return this.#callerOf(user, address, 'password', 'admin', undefined)
    await this.#checkLimit(accountKey, MAX_FAILURES_PER_ACCOUNT)
    await this.#checkLimit(addressKey, MAX_FAILURES_PER_ADDRESS)
    // an unknown name costs the same time as a known one
    this.#decoy ??= hashPassword(randomBytes(16).toString('hex'))
    const right = await verifyPassword(password.slice(0, 1024), hash ?? (await this.#decoy))
    if (!user || !hash || !right) {
      await this.#accounts.addLoginFailure(accountKey, WINDOW_SECONDS)
      await this.#accounts.addLoginFailure(addressKey, WINDOW_SECONDS)
      throw new HubError('bad_credentials', 'Invalid username or password.')
    }
    await this.#accounts.clearLoginFailures(accountKey)
    this.#verified.set(seen, true)
    return this.#callerOf(user, address, 'password', 'admin', undefined)
  }

  /** The caller that a signed action (LFS href, Xet token) acts for. */
  async byUserId(userId: number, role: TokenRole, address: string): Promise<Caller | undefined> {
    const user = await this.#accounts.findUserById(userId)
    return user?.isActive ? this.#callerOf(user, address, 'signed', role, undefined) : undefined
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

  async #checkLimit(key: string, max: number): Promise<void> {
    if ((await this.#accounts.countLoginFailures(key, WINDOW_SECONDS)) >= max)
      throw new HubError('rate_limited', 'Too many failed logins. Try again later.', {
        retryAfterSeconds: WINDOW_SECONDS,
      })
  }
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
