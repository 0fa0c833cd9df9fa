import { z } from 'zod'
import { HubError } from '../../domain/errors.js'
import { checkNamespaceName, checkRepoName, nameKey } from '../../domain/repos/names.js'
import type { RepoListQuery } from '../../domain/repos/ports.js'
import { REPO_KINDS, type RepoKind } from '../../domain/types.js'
import { noteRead } from '../../http/audit.js'
import { check, readJson } from '../../http/body.js'
import { type KohakuRequest, type KohakuRoute, MAX_JSON, param } from './parts.js'
import { intQuery, Kind, listed, wordQuery } from './shapes.js'

const SORTS = ['recent', 'updated', 'likes', 'downloads', 'trending'] as const

const SORT_OF: Readonly<Record<(typeof SORTS)[number], RepoListQuery['sort']>> = {
  recent: 'createdAt',
  updated: 'updatedAt',
  likes: 'likes',
  downloads: 'downloads',
  trending: 'trendingScore',
}

const DAY_MS = 24 * 3600 * 1000

const CheckBody = z.object({
  name: z.string(),
  namespace: z.string().nullish(),
  type: Kind,
})

export const repoListRoutes: readonly KohakuRoute[] = [
  { method: 'get', path: '/api/users/:user/repos', handle: listReposOf },
  { method: 'get', path: '/api/trending', handle: listTrending },
  { method: 'post', path: '/api/validate/check-name', handle: checkName },
]

/** Models, datasets and spaces of a user or organisation, `limit` of each. */
async function listReposOf(it: KohakuRequest): Promise<void> {
  const namespace = await it.parts.stores.accounts.findNamespace(param(it, 'user'))
  if (!namespace) throw new HubError('account_not_found', 'User or organization not found')
  const limit = intQuery(it, 'limit', { min: 1, max: 100_000, default: 100 })
  const sort = SORT_OF[wordQuery(it, 'sort', SORTS, 'recent')]
  const visibleTo = it.parts.access.visibleTo(it.caller)
  const list = (kind: RepoKind) =>
    it.parts.stores.repos.list({
      kind,
      namespaceId: namespace.id,
      sort,
      order: 'desc',
      limit,
      visibleTo,
    })
  const [models = [], datasets = [], spaces = []] = await Promise.all(REPO_KINDS.map(list))
  it.res.json({
    models: models.map(listed),
    datasets: datasets.map(listed),
    spaces: spaces.map(listed),
  })
}

/** Most downloaded within the last days; not the trending score of lists (kohaku-outpost A.6). */
async function listTrending(it: KohakuRequest): Promise<void> {
  const days = intQuery(it, 'days', { min: 1, max: 90, default: 7 })
  const limit = intQuery(it, 'limit', { min: 1, max: 100, default: 20 })
  const kind = wordQuery(it, 'repo_type', REPO_KINDS, 'model')
  const start = dayOf(days - 1)
  const found = await it.parts.stores.repos.listMostDownloaded({
    sinceDay: start,
    kind,
    visibleTo: it.parts.access.visibleTo(it.caller),
    limit,
  })
  it.res.json({
    trending: found.map(({ repo, sessions }) => ({
      ...listed(repo),
      type: repo.kind,
      recent_downloads: sessions,
    })),
    period: { start, end: dayOf(0), days },
  })
}

export function dayOf(daysAgo: number): string {
  return new Date(Date.now() - daysAgo * DAY_MS).toISOString().slice(0, 10)
}

/** Whether a name is free, for a repository (with a namespace) or an account. Nobody learns of repositories hidden from them. */
async function checkName(it: KohakuRequest): Promise<void> {
  noteRead(it.req)
  const { name, namespace, type } = check(CheckBody, await readJson(it.req, MAX_JSON))
  const normalized_name = nameKey(name)
  try {
    if (namespace) checkRepoName(name)
    else checkNamespaceName(name)
  } catch (err) {
    if (!(err instanceof HubError)) throw err
    it.res.json({
      available: false,
      normalized_name,
      conflict_with: null,
      message: err.message,
    })
    return
  }
  const conflict = namespace
    ? await repoInTheWay(it, type, namespace, name)
    : (await it.parts.stores.accounts.findNamespaceLike(name))?.name
  it.res.json({
    available: conflict === undefined,
    normalized_name,
    conflict_with: conflict ?? null,
    message: conflict === undefined ? 'Name is available' : `The name conflicts with ${conflict}`,
  })
}

async function repoInTheWay(
  { parts, caller }: KohakuRequest,
  kind: RepoKind,
  namespaceName: string,
  name: string,
): Promise<string | undefined> {
  const namespace = await parts.stores.accounts.findNamespace(namespaceName)
  if (!namespace)
    throw new HubError(
      'account_not_found',
      `The namespace "${namespaceName.slice(0, 100)}" does not exist.`,
    )
  const other = await parts.stores.repos.findNamesake(kind, namespace.id, name)
  if (!other || !(await parts.access.rightOn(caller, other))) return undefined
  return `${other.namespace}/${other.name}`
}
