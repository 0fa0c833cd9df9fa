import { HubError } from '../../domain/errors.js'
import type { Namespace, Repo } from '../../domain/types.js'
import { REPO_KINDS } from '../../domain/types.js'
import { check, readJson } from '../../http/body.js'
import { parseKind } from '../../protocol/repo-path.js'
import {
  type KohakuParts,
  type KohakuRequest,
  type KohakuRoute,
  MAX_JSON,
  openRepo,
  param,
} from './parts.js'
import { openNamespace } from './profiles.js'
import { changeNamespace, NamespaceQuotaBody, namespaceWire, recount } from './quotas.js'
import { dayOf } from './repo-lists.js'
import { intQuery } from './shapes.js'

export const adminContentRoutes: readonly KohakuRoute[] = [
  { method: 'get', path: '/repositories', handle: listRepositories },
  { method: 'get', path: '/repositories/:type/:namespace/:name', handle: showRepository },
  { method: 'post', path: '/repositories/recalculate-all', handle: recountAll },
  { method: 'get', path: '/quota/overview', handle: showQuotas },
  { method: 'get', path: '/quota/:namespace', handle: showQuota },
  { method: 'put', path: '/quota/:namespace', handle: setQuota },
  { method: 'post', path: '/quota/:namespace/recalculate', handle: recountNamespace },
  { method: 'get', path: '/stats', handle: showStats },
  { method: 'get', path: '/stats/top-repos', handle: showTopRepos },
  { method: 'get', path: '/search', handle: search },
  { method: 'get', path: '/health/dependencies', handle: showHealth },
]

async function listRepositories(it: KohakuRequest): Promise<void> {
  const { repos } = it.parts.stores
  const kind = parseKind(typeof it.req.query.repo_type === 'string' ? it.req.query.repo_type : '')
  const text = it.req.query.search
  const filter = {
    ...(kind ? { kind } : {}),
    ...(typeof text === 'string' && text ? { search: [text] } : {}),
  }
  const found = await repos.list({
    ...filter,
    sort: 'createdAt',
    order: 'desc',
    limit: intQuery(it, 'limit', { min: 1, max: 1_000, default: 100 }),
    offset: intQuery(it, 'offset', { min: 0, max: 10_000_000, default: 0 }),
  })
  it.res.json({ repositories: found.map(repoWire), total: await repos.count(filter) })
}

async function showRepository(it: KohakuRequest): Promise<void> {
  const opened = await openRepo(it, 'read')
  if (!opened) return
  const { repo } = opened
  it.res.json({
    ...repoWire(repo),
    storage: await it.parts.quotas.storageBlock(repo),
    git_bytes: repo.gitBytes,
    lfs_bytes: repo.lfsBytes,
    members: await it.parts.stores.repos.listMembers(repo.id),
  })
}

function repoWire(repo: Repo) {
  return {
    id: repo.seq,
    repo_id: repo.id,
    repo_type: repo.kind,
    namespace: repo.namespace,
    name: repo.name,
    full_id: `${repo.namespace}/${repo.name}`,
    private: repo.visibility !== 'public',
    visibility: repo.visibility,
    sha: repo.headOid,
    commit_count: repo.commitCount,
    used_bytes: repo.gitBytes + repo.lfsBytes,
    quota_bytes: repo.quotaBytes,
    downloads: repo.downloads,
    likes: repo.likes,
    created_at: repo.createdAt,
    updated_at: repo.updatedAt,
  }
}

async function recountAll(it: KohakuRequest): Promise<void> {
  let count = 0
  for await (const namespace of everyNamespace(it.parts))
    count += await recount(it.parts, namespace)
  it.res.json({ success: true, recalculated: count })
}

async function showQuotas(it: KohakuRequest): Promise<void> {
  const users: unknown[] = []
  const organizations: unknown[] = []
  let used = 0
  for await (const namespace of everyNamespace(it.parts)) {
    const wire = await namespaceWire(it.parts, namespace)
    used += wire.used_bytes
    ;(namespace.type === 'user' ? users : organizations).push(wire)
  }
  it.res.json({ users, organizations, system_stats: { total_used_bytes: used } })
}

async function showQuota(it: KohakuRequest): Promise<void> {
  const namespace = await openNamespace(it, param(it, 'namespace'), 'admin')
  it.res.json(await namespaceWire(it.parts, namespace))
}

async function setQuota(it: KohakuRequest): Promise<void> {
  const namespace = await openNamespace(it, param(it, 'namespace'), 'admin')
  const body = check(NamespaceQuotaBody, await readJson(it.req, MAX_JSON))
  it.res.json(await namespaceWire(it.parts, await changeNamespace(it, namespace, body)))
}

async function recountNamespace(it: KohakuRequest): Promise<void> {
  const namespace = await openNamespace(it, param(it, 'namespace'), 'admin')
  await recount(it.parts, namespace)
  it.res.json(await namespaceWire(it.parts, namespace))
}

async function showStats(it: KohakuRequest): Promise<void> {
  const { accounts, repos, jobs } = it.parts.stores
  const counts = await Promise.all(
    REPO_KINDS.map(async (kind) => [`${kind}s`, await repos.count({ kind })] as const),
  )
  it.res.json({
    users: await accounts.countUsers(),
    repositories: Object.fromEntries(counts),
    private_repositories:
      (await repos.count({ visibility: 'private' })) +
      (await repos.count({ visibility: 'internal' })),
    jobs: await jobs.counts(),
  })
}

async function showTopRepos(it: KohakuRequest): Promise<void> {
  const limit = intQuery(it, 'limit', { min: 1, max: 100, default: 10 })
  const days = intQuery(it, 'days', { min: 1, max: 365, default: 30 })
  const found = await it.parts.stores.repos.listMostDownloaded({
    sinceDay: dayOf(days - 1),
    visibleTo: undefined,
    limit,
  })
  it.res.json({
    repositories: found.map(({ repo, sessions }) => ({
      ...repoWire(repo),
      recent_downloads: sessions,
    })),
  })
}

async function search(it: KohakuRequest): Promise<void> {
  const text = it.req.query.q
  if (typeof text !== 'string' || text === '' || text.length > 200)
    throw new HubError('invalid_input', 'q: 1 to 200 characters to look for.')
  const limit = intQuery(it, 'limit', { min: 1, max: 100, default: 20 })
  const { accounts, repos } = it.parts.stores
  const namespaces = await accounts.searchNamespaces(text, limit)
  const found = await repos.list({ search: [text], sort: 'updatedAt', order: 'desc', limit })
  const names = (type: Namespace['type']) =>
    namespaces.filter((one) => one.type === type).map((one) => one.name)
  it.res.json({
    users: names('user'),
    organizations: names('org'),
    repositories: found.map(repoWire),
  })
}

async function showHealth(it: KohakuRequest): Promise<void> {
  const checks = { database: it.parts.stores.check(), objects: it.parts.store.check() }
  const dependencies = await Promise.all(
    Object.entries(checks).map(async ([name, check]) => {
      const startedAt = Date.now()
      const status = await check.then(
        () => 'ok',
        (err) => {
          it.req.log.error({ err, check: name }, 'not ready')
          return 'failed'
        },
      )
      return { name, status, latency_ms: Date.now() - startedAt }
    }),
  )
  const isFine = dependencies.every(({ status }) => status === 'ok')
  it.res.json({ overall: isFine ? 'ok' : 'failed', dependencies })
}

async function* everyNamespace({ stores }: KohakuParts): AsyncGenerator<Namespace> {
  for (const list of [stores.accounts.listUsers, stores.accounts.listOrgs])
    for (let after = 0; ; ) {
      const page: Namespace[] = await list(after, 500)
      yield* page
      const last = page.at(-1)
      if (!last) break
      after = last.id
    }
}
