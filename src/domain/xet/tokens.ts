import { createSecretKey, type KeyObject } from 'node:crypto'
import jwt from 'jsonwebtoken'
import type { Access } from '../access/access.js'
import type { Login } from '../accounts/login.js'
import { HubError } from '../errors.js'
import type { RepoStore } from '../repos/ports.js'
import type { Caller, Repo, RepoId, TokenRole } from '../types.js'

/** Clients refresh 30 to 60 seconds early and never on a 401: long enough not to be asked for with each request. */
const SECONDS = 3600

export type XetRight = 'read' | 'write'

interface Claims {
  readonly right: XetRight
  readonly repoId: RepoId
  readonly userId: number | null
  /** What the credential permits for which the token was given. */
  readonly role: TokenRole
  readonly repoIds: readonly RepoId[]
  /** A write token for a pull request: its holder needs to read only. */
  readonly proposal: boolean
}

/** Who speaks to the content-addressed store, and for which repository. */
export interface XetSession {
  readonly repo: Repo
  readonly caller: Caller
}

/**
 * Short-lived tokens of the content-addressed store (JWT, HS256), bound to user, repository, right and expiry. The user
 * must still have the right when the token is used.
 */
export class XetTokens {
  readonly #secret: KeyObject
  readonly #login: Login
  readonly #repos: RepoStore
  readonly #access: Access

  constructor(parts: { secret: string; login: Login; repos: RepoStore; access: Access }) {
    // as text it would be tried as a public and a private key first, for milliseconds, each time
    this.#secret = createSecretKey(parts.secret, 'utf8')
    this.#login = parts.login
    this.#repos = parts.repos
    this.#access = parts.access
  }

  /**
   * A token for a repository that the caller was found to have the right on. Proposals (pull requests) are open to
   * everybody who may read and is logged in. Throws `not_authenticated`, `forbidden`.
   */
  issue(
    caller: Caller,
    repo: Repo,
    right: XetRight,
    options: { proposal?: boolean } = {},
  ): { token: string; expiresAt: number } {
    if (right === 'write' && !caller.user)
      throw new HubError('not_authenticated', 'Invalid username or password.')
    if (right === 'write' && caller.role === 'read')
      throw new HubError('forbidden', 'Your token is read-only.')
    const claims: Claims = {
      right,
      repoId: repo.id,
      userId: caller.user?.id ?? null,
      role: caller.role,
      repoIds: caller.repoIds,
      proposal: options.proposal ?? false,
    }
    const expiresAt = Math.floor(Date.now() / 1000) + SECONDS
    const token = jwt.sign({ ...claims, exp: expiresAt }, this.#secret, {
      algorithm: 'HS256',
      audience: 'xet',
      noTimestamp: true,
    })
    return { token, expiresAt }
  }

  /** Throws `not_authenticated`, `forbidden`, or what access to the repository throws now. */
  async open(token: string, right: XetRight, address: string): Promise<XetSession> {
    const claims = this.#verify(token)
    if (right === 'write' && claims.right !== 'write')
      throw new HubError('forbidden', 'This token permits reading only.')
    const repo = await this.#repos.findById(claims.repoId)
    if (!repo) throw new HubError('repo_not_found', 'Repository not found')
    const caller = await this.#callerOf(claims, address)
    const needed = right === 'write' && !claims.proposal ? 'write' : 'read'
    const opened = await this.#access.openRepo(caller, repo, needed)
    if (right === 'read') await this.#access.requireContent(caller, opened)
    return { repo: opened.repo, caller }
  }

  #verify(token: string): Claims {
    try {
      const options = { algorithms: ['HS256' as const], audience: 'xet' }
      return jwt.verify(token, this.#secret, options) as unknown as Claims
    } catch (err) {
      throw new HubError('not_authenticated', 'The token is not valid (any more).', {}, err)
    }
  }

  async #callerOf({ userId, role, repoIds }: Claims, address: string): Promise<Caller> {
    if (userId === null) return this.#login.anonymous(address)
    const caller = await this.#login.byUserId(userId, role, address)
    if (!caller) throw new HubError('not_authenticated', 'The token is not valid (any more).')
    return { ...caller, repoIds, isSiteAdmin: caller.isSiteAdmin && repoIds.length === 0 }
  }
}
