import type { Platform, ProjectDetail, Shelf } from '../../domain/packages/ports.js'
import type { Namespace, Org, OrgRole, Repo, User } from '../../domain/types.js'
import { repoUrlPath } from '../../protocol/repo-path.js'
import type { AbfRequest } from './parts.js'
import { seconds } from './send.js'

export const shelfUrl = (id: number) => `/api/v1/repositories/${id}.json`
export const platformUrl = (id: number) => `/api/v1/platforms/${id}.json`
export const projectUrl = (repo: Repo) => `/api/v1/projects/${repo.seq}.json`
export const userUrl = (id: number) => `/api/v1/users/${id}.json`
export const groupUrl = (id: number) => `/api/v1/groups/${id}.json`

/** ABF knows open and hidden; what every logged-in user sees counts as hidden. */
export const visibilityOf = (repo: Repo) => (repo.visibility === 'public' ? 'open' : 'hidden')

export function toShelf(shelf: Shelf, platform: Platform) {
  return {
    id: shelf.id,
    name: shelf.name,
    description: shelf.description,
    publish_without_qa: shelf.publishWithoutQa,
    publish_builds_only_from_branch: shelf.publishBuildsOnlyFromBranch,
    created_at: seconds(shelf.createdAt),
    updated_at: seconds(shelf.updatedAt),
    platform: {
      id: platform.id,
      name: platform.name,
      visibility: platform.visibility,
      platform_type: platform.type,
      url: platformUrl(platform.id),
    },
    url: shelfUrl(shelf.id),
  }
}

export const toShelfLink = (it: Shelf) => ({ id: it.id, name: it.name, url: shelfUrl(it.id) })

/** Owner or member: SRC's `uname` beside DOC's fields. */
export function toAccount(it: Pick<Namespace, 'id' | 'name' | 'type' | 'fullname'>) {
  const isUser = it.type === 'user'
  return {
    id: it.id,
    name: it.fullname || it.name,
    uname: it.name,
    type: isUser ? 'User' : 'Group',
    url: isUser ? userUrl(it.id) : groupUrl(it.id),
  }
}

export function toMaintainer(user: User | undefined) {
  return user
    ? {
        id: user.id,
        uname: user.name,
        name: user.fullname || user.name,
        email: user.email,
        url: userUrl(user.id),
      }
    : {}
}

/** No SSH server runs behind `ssh_url`: the field is part of the contract. */
export function gitUrls(it: AbfRequest, repo: Repo) {
  const base = new URL(it.baseUrl)
  const path = repoUrlPath(repo)
  const mount = base.pathname.replace(/\/$/, '')
  const login = it.caller.user ? `${encodeURIComponent(it.caller.user.name)}@` : ''
  return {
    git_url: `${base.protocol}//${login}${base.host}${mount}${path}.git`,
    ssh_url: `git@${base.hostname}:${path.slice(1)}.git`,
  }
}

export function toProjectLink(it: AbfRequest, repo: Repo, detail: ProjectDetail | undefined) {
  return {
    id: repo.seq,
    name: repo.name,
    visibility: visibilityOf(repo),
    fullname: `${repo.namespace}/${repo.name}`,
    url: projectUrl(repo),
    ...gitUrls(it, repo),
    maintainer: toMaintainer(detail?.maintainer),
  }
}

/** Roles of ABF are three; ours are five. */
export function roleOf(role: OrgRole): 'reader' | 'writer' | 'admin' {
  if (role === 'reader') return 'reader'
  return role === 'contributor' || role === 'maintainer' ? 'writer' : 'admin'
}

/** A platform's three roles as ours; undefined for any other text. */
export function parseRole(text: unknown): 'reader' | 'contributor' | 'admin' | undefined {
  if (text === 'writer') return 'contributor'
  return text === 'reader' || text === 'admin' ? text : undefined
}

export function toGroup(org: Org, owner: User | undefined, projects: number) {
  return {
    id: org.id,
    uname: org.name,
    own_projects_count: projects,
    description: org.description ?? '',
    created_at: seconds(org.createdAt),
    updated_at: seconds(org.createdAt),
    owner: owner ? toAccount(owner) : {},
    avatar_url: `/api/organizations/${org.name}/avatar`,
    url: groupUrl(org.id),
    html_url: `/${org.name}`,
  }
}
