import { HubError } from '../errors.js'
import type { AccessRequestStore } from '../gating/ports.js'
import type { RepoListQuery, RepoStore } from '../repos/ports.js'
import type { Caller, Namespace, OrgRole, Repo, RepoAddress, Right } from '../types.js'

const RANK = { read: 1, write: 2, admin: 3 } as const

/** What a role in an organisation, or as a member of one repository, permits. */
export const ROLE_RIGHT: Readonly<Record<OrgRole, Right>> = {
  reader: 'read',
  contributor: 'write',
  maintainer: 'write',
  admin: 'admin',
  owner: 'admin',
}

export interface OpenedRepo {
  readonly repo: Repo
  readonly right: Right
  /** The address was an old one of this repository: answer with a redirect to the new one where the dialect promises it. */
  readonly redirected: boolean
}

/**
 * Who may do what with a repository, and who may know that it exists. The one place where a hidden repository becomes
 * an absent one: anonymous callers get `repo_needs_login` for both, others `repo_not_found`.
 */
export class Access {
  readonly #repos: RepoStore
  readonly #requests: AccessRequestStore
  #refresh: (repo: Repo) => Promise<Repo> = async (repo) => repo
  readonly #opened = new WeakMap<Caller, Repo>()

  constructor(repos: RepoStore, requests: AccessRequestStore) {
    this.#repos = repos
    this.#requests = requests
  }

  /** Called with every repository that is about to be used; answers it as git has it. */
  onOpen(refresh: (repo: Repo) => Promise<Repo>): void {
    this.#refresh = refresh
  }

  /** The right that `caller` has on `repo`, undefined for none (not even to know of it). */
  async rightOn(caller: Caller, repo: Repo): Promise<Right | undefined> {
    if (caller.repoIds.length > 0 && !caller.repoIds.includes(repo.id))
      return repo.visibility === 'public' ? 'read' : undefined
    const own = await this.#ownRight(caller, repo)
    const open =
      repo.visibility === 'public' || (repo.visibility === 'internal' && caller.user !== undefined)
    const right = own ?? (open ? 'read' : undefined)
    return right && caller.role === 'read' ? 'read' : right
  }

  async #ownRight(caller: Caller, repo: Repo): Promise<Right | undefined> {
    if (caller.isSiteAdmin) return 'admin'
    if (!caller.user) return undefined
    if (caller.user.id === repo.namespaceId) return 'admin'
    const org = caller.memberships.find((it) => it.orgId === repo.namespaceId)
    const accounts = [caller.user.id, ...caller.memberships.map((it) => it.orgId)]
    const roles = (await this.#repos.memberRoles(repo.id, accounts)) as OrgRole[]
    const rights = [org && ROLE_RIGHT[org.role], ...roles.map((it) => ROLE_RIGHT[it])]
    return rights.reduce<Right | undefined>(
      (best, it) => (it && (!best || RANK[it] > RANK[best]) ? it : best),
      undefined,
    )
  }

  /**
   * The repository at an address, for a caller who needs `right`. Throws `repo_needs_login`, `repo_not_found`,
   * `not_authenticated` (anonymous on a readable repository), `forbidden`, `repo_disabled`.
   */
  async open(caller: Caller, address: RepoAddress, right: Right): Promise<OpenedRepo> {
    const direct = await this.#repos.findByAddress(address)
    const repo = direct ?? (await this.#repos.findRedirect(address))
    if (!repo) throw absent(caller)
    const opened = await this.openRepo(caller, repo, right)
    return { ...opened, redirected: direct === undefined }
  }

  /** As `open`, for a repository already found by its id. */
  async openRepo(caller: Caller, repo: Repo, right: Right): Promise<OpenedRepo> {
    const opened = await this.openStored(caller, repo, right)
    return { ...opened, repo: await this.#refresh(repo) }
  }

  /** As `openRepo`, for what has nothing to do with git: nobody looks whether the refs moved. */
  async openStored(caller: Caller, repo: Repo, right: Right): Promise<OpenedRepo> {
    const has = repo.state === 'ready' ? await this.rightOn(caller, repo) : undefined
    if (!has) throw absent(caller)
    this.#opened.set(caller, repo)
    if (repo.disabled && !caller.isSiteAdmin)
      throw new HubError('repo_disabled', 'Access to this resource is disabled.')
    if (RANK[has] < RANK[right]) throw refused(caller, right)
    return { repo, right: has, redirected: false }
  }

  /** The repository that this caller (one a request) asked for last and may know of, for the audit log. */
  openedBy(caller: Caller): Repo | undefined {
    return this.#opened.get(caller)
  }

  /**
   * For the content itself (git, LFS, resolve) of a gated repository: throws `repo_gated` unless the caller may write to
   * it or was granted access. Its metadata stays readable.
   */
  async requireContent(caller: Caller, opened: OpenedRepo): Promise<void> {
    if (await this.mayReadContent(caller, opened)) return
    const { repo } = opened
    const request = caller.user && (await this.#requests.find(repo.id, caller.user.id))
    const what = `${repo.kind} ${repo.namespace}/${repo.name}`
    const why =
      request?.status === 'pending'
        ? `Your request to access ${what} is awaiting a review from its authors.`
        : request?.status === 'rejected'
          ? `Your request to access ${what} has been rejected by its authors.`
          : `Access to ${what} is restricted and you are not in the authorized list. Visit the repository's page to ask for access.`
    throw new HubError('repo_gated', why, { anonymous: caller.user === undefined })
  }

  /** Whether the gate, if there is one, is open for this caller. Asked each time: access taken away ends at once. */
  async mayReadContent(caller: Caller, { repo, right }: OpenedRepo): Promise<boolean> {
    if (repo.gate === 'none' || right !== 'read') return true
    if (!caller.user) return false
    if ((await this.rightOn({ ...caller, role: 'write' }, repo)) !== 'read') return true
    // a credential for other repositories does not carry what its user was granted here
    if (caller.repoIds.length > 0 && !caller.repoIds.includes(repo.id)) return false
    return this.#requests.hasGrant(repo.id, caller.user.id)
  }

  /** Throws unless `caller` has `right` in the namespace: `write` creates repositories there, `admin` takes them in or away. */
  requireNamespace(caller: Caller, namespace: Namespace, right: Right): void {
    const has = this.namespaceRight(caller, namespace)
    if (!has || RANK[has] < RANK[right]) throw refused(caller, right, namespace.name)
  }

  namespaceRight(caller: Caller, namespace: Namespace): Right | undefined {
    if (caller.repoIds.length > 0) return undefined
    const cap = (right: Right): Right => (caller.role === 'read' ? 'read' : right)
    if (caller.isSiteAdmin) return cap('admin')
    if (!caller.user) return undefined
    if (caller.user.id === namespace.id) return cap('admin')
    const org = caller.memberships.find((it) => it.orgId === namespace.id)
    return org && cap(ROLE_RIGHT[org.role])
  }

  /** Filter for lists: what this caller may see. */
  visibleTo(caller: Caller): RepoListQuery['visibleTo'] {
    if (caller.isSiteAdmin) return undefined
    if (!caller.user) return { userId: null, namespaceIds: [] }
    return {
      userId: caller.user.id,
      namespaceIds: [caller.user.id, ...caller.memberships.map((it) => it.orgId)],
      ...(caller.repoIds.length > 0 ? { within: caller.repoIds } : {}),
    }
  }
}

export function isAnonymous(caller: Caller): boolean {
  return caller.via === 'anonymous'
}

/** The user behind the caller, or `not_authenticated`. */
export function requireUser(caller: Caller): NonNullable<Caller['user']> {
  if (!caller.user) throw new HubError('not_authenticated', 'Invalid username or password.')
  return caller.user
}

/** The user behind a credential that may change more than repositories' content: not read-only, not for some repositories only. */
export function requireActiveUser(caller: Caller): NonNullable<Caller['user']> {
  const user = requireUser(caller)
  if (caller.role === 'read') throw new HubError('forbidden', 'Your token is read-only.')
  if (caller.repoIds.length > 0)
    throw new HubError('forbidden', 'Your token is limited to some repositories.')
  return user
}

/** The user whose account itself (password, tokens, e-mail) is to be changed: a stolen write token must not be enough. */
export function requireAccountHolder(caller: Caller): NonNullable<Caller['user']> {
  const user = requireActiveUser(caller)
  if (caller.role !== 'admin')
    throw new HubError(
      'forbidden',
      'This needs a login with the password, or a token with the admin role.',
    )
  return user
}

/** For what readers of a repository may do as well (pull requests, likes): logged in by a token that may write to it. */
export function requireProposer(caller: Caller, repo: Repo): void {
  if (!caller.isSiteAdmin) requireUser(caller)
  const elsewhere = caller.repoIds.length > 0 && !caller.repoIds.includes(repo.id)
  if (caller.role === 'read' || elsewhere) throw refused(caller, 'write')
}

export function requireSiteAdmin(caller: Caller): void {
  if (isAnonymous(caller)) throw new HubError('not_authenticated', 'Invalid username or password.')
  if (!caller.isSiteAdmin) throw new HubError('forbidden', 'This needs a site administrator.')
}

function absent(caller: Caller): HubError {
  return isAnonymous(caller)
    ? new HubError('repo_needs_login', 'Invalid username or password.')
    : new HubError('repo_not_found', 'Repository not found')
}

function refused(caller: Caller, right: Right, namespace?: string): HubError {
  if (isAnonymous(caller)) return new HubError('not_authenticated', 'Invalid username or password.')
  const where = namespace ? `in the namespace "${namespace}"` : 'to this repository'
  const why =
    caller.role === 'read'
      ? 'Your token is read-only.'
      : `You do not have ${right} access ${where}.`
  return new HubError('forbidden', why, { right })
}
