import type {
  Namespace,
  Org,
  OrgMembership,
  OrgRole,
  RepoId,
  Token,
  TokenRole,
  User,
} from '../types.js'

export interface AccountStore extends TokenStore, InvitationStore, LoginAttemptStore {
  findNamespace(name: string): Promise<Namespace | undefined>
  /** As a new name would meet it: equal without case, `-` and `_`. */
  findNamespaceLike(name: string): Promise<Namespace | undefined>
  findNamespaceById(id: number): Promise<Namespace | undefined>
  findUser(name: string): Promise<User | undefined>
  findUserById(id: number): Promise<User | undefined>
  findUserByEmail(email: string): Promise<User | undefined>
  findPasswordHash(userId: number): Promise<string | undefined>
  findOrg(name: string): Promise<Org | undefined>
  countUsers(): Promise<number>
  listUsers(afterId: number, limit: number): Promise<User[]>
  listOrgs(afterId: number, limit: number): Promise<Org[]>
  /** Users and organisations whose name holds this text, without case. */
  searchNamespaces(text: string, limit: number): Promise<Namespace[]>
  /**
   * Throws `conflict` when the name (compared without case, `-`, `_`) or the e-mail address is taken. With an invitation
   * the account uses it and joins its organisation, or is not made (`invalid_input`).
   */
  createUser(user: {
    invitationHash?: string
    name: string
    email: string | null
    fullname: string | null
    passwordHash: string | null
    isSiteAdmin: boolean
    quotas: { privateBytes: number | null; publicBytes: number | null }
  }): Promise<User>
  /** The organisation and its first owner, or `conflict`. */
  createOrg(org: {
    name: string
    description: string | null
    ownerId: number
    quotas: { privateBytes: number | null; publicBytes: number | null }
  }): Promise<Org>
  updateUser(
    id: number,
    change: Partial<{
      email: string | null
      fullname: string | null
      passwordHash: string
      isSiteAdmin: boolean
      isActive: boolean
    }>,
  ): Promise<void>
  updateOrg(
    id: number,
    change: Partial<{ description: string | null; fullname: string | null }>,
  ): Promise<void>
  readProfile(id: number): Promise<Record<string, unknown>>
  /** Sets these keys and leaves the others; null removes one. */
  updateProfile(id: number, change: Record<string, unknown>): Promise<void>
  setNamespaceQuotas(
    id: number,
    quotas: {
      privateBytes?: number | null
      publicBytes?: number | null
      totalBytes?: number | null
    },
  ): Promise<void>
  /** Throws `conflict` while the namespace still owns repositories. */
  deleteNamespace(id: number): Promise<void>
  listMemberships(userId: number): Promise<OrgMembership[]>
  listMembers(orgId: number): Promise<{ user: User; role: OrgRole; since: string }[]>
  /** Names of the organisations that would be left without an owner. */
  listOrgsWithSoleOwner(userId: number): Promise<string[]>
  /** role null removes. Throws `conflict` when the organisation would be left without an owner. */
  setMember(orgId: number, userId: number, role: OrgRole | null): Promise<void>
}

export interface TokenStore {
  createToken(token: {
    userId: number
    name: string
    kind: 'token' | 'session'
    hash: string
    role: TokenRole
    repoIds: readonly RepoId[]
    expiresAt: string | null
  }): Promise<Token>
  findTokenByHash(hash: string): Promise<Token | undefined>
  /** Sessions, too. */
  findToken(id: string): Promise<Token | undefined>
  listTokens(userId: number): Promise<Token[]>
  touchToken(id: string): Promise<void>
  deleteToken(userId: number, id: string): Promise<boolean>
  /** All but one, where given. */
  deleteSessions(userId: number, exceptTokenId?: string): Promise<void>
  /** Every user's, newest first; secrets are not among it. */
  scanTokens(kind: Token['kind'], limit: number, offset: number): Promise<Token[]>
  deleteExpiredTokens(): Promise<void>
}

export interface InvitationStore {
  createInvitation(invitation: {
    tokenHash: string
    orgId: number | null
    role: OrgRole
    email: string | null
    createdBy: number | null
    maxUsage: number
    expiresAt: string
  }): Promise<void>
  findInvitation(tokenHash: string): Promise<Invitation | undefined>
  listInvitations(orgId: number | null): Promise<Invitation[]>
  /** Joins the organisation and counts one use; false when it is used up, expired or gone. Members stay as they are. */
  acceptInvitation(tokenHash: string, userId: number): Promise<boolean>
  deleteInvitation(tokenHash: string): Promise<boolean>
}

export interface LoginAttemptStore {
  /** Counts an attempt under this key; answers how many there were in its window, this one included, and when that ends. */
  takeLoginAttempt(
    key: string,
    windowSeconds: number,
  ): Promise<{ count: number; retryAfterSeconds: number }>
  /** One attempt turned out to be rightful. */
  returnLoginAttempt(key: string): Promise<void>
  clearLoginAttempts(key: string): Promise<void>
}

export interface Invitation {
  readonly tokenHash: string
  readonly orgId: number | null
  readonly role: OrgRole
  readonly email: string | null
  /** -1 = without limit. */
  readonly maxUsage: number
  readonly usageCount: number
  readonly createdAt: string
  readonly expiresAt: string
}
