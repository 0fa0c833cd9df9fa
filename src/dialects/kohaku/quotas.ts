import { z } from 'zod'
import { isAnonymous, requireSiteAdmin } from '../../domain/access/access.js'
import { HubError } from '../../domain/errors.js'
import { makeEvent } from '../../domain/events/events.js'
import { percentage, poolOf } from '../../domain/quotas/quotas.js'
import type { Namespace, Repo } from '../../domain/types.js'
import { check, readJson } from '../../http/body.js'
import {
  actorOf,
  type KohakuParts,
  type KohakuRequest,
  type KohakuRoute,
  MAX_JSON,
  openRepo,
  param,
} from './parts.js'
import { openNamespace } from './profiles.js'

const Bytes = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER).nullable()

/** `quota_bytes` is the limit over both pools; the pools' own limits are this hub's addition to the body. */
export const NamespaceQuotaBody = z
  .object({
    quota_bytes: Bytes.optional(),
    private_quota_bytes: Bytes.optional(),
    public_quota_bytes: Bytes.optional(),
  })
  .refine((it) => Object.values(it).some((v) => v !== undefined), 'names no quota')
const RepoQuotaBody = z.object({ quota_bytes: Bytes })

/** kohaku-outpost A.7. Limits are set by site administrators only: docs/decisions/007-who-sets-quotas.md. */
export const quotaRoutes: readonly KohakuRoute[] = [
  { method: 'get', path: '/api/quota/:namespace', handle: showNamespace },
  { method: 'put', path: '/api/quota/:namespace', handle: setNamespace },
  { method: 'post', path: '/api/quota/:namespace/recalculate', handle: recountNamespace },
  { method: 'get', path: '/api/quota/:namespace/public', handle: showPublic },
  { method: 'get', path: '/api/quota/:namespace/repos', handle: listRepos },
  { method: 'get', path: '/api/quota/repo/:type/:namespace/:name', handle: showRepo },
  { method: 'put', path: '/api/quota/repo/:type/:namespace/:name', handle: setRepo },
  {
    method: 'post',
    path: '/api/quota/repo/:type/:namespace/:name/recalculate',
    handle: recountRepo,
  },
]

async function showNamespace(it: KohakuRequest): Promise<void> {
  const namespace = await openNamespace(it, param(it, 'namespace'), 'read')
  it.res.json(await namespaceWire(it.parts, namespace))
}

async function setNamespace(it: KohakuRequest): Promise<void> {
  requireSiteAdmin(it.caller)
  const namespace = await openNamespace(it, param(it, 'namespace'), 'admin')
  const body = check(NamespaceQuotaBody, await readJson(it.req, MAX_JSON))
  it.res.json(await namespaceWire(it.parts, await changeNamespace(it, namespace, body)))
}

export async function changeNamespace(
  { parts, caller }: KohakuRequest,
  namespace: Namespace,
  body: z.output<typeof NamespaceQuotaBody>,
): Promise<Namespace> {
  const { quota_bytes, private_quota_bytes, public_quota_bytes } = body
  await parts.stores.accounts.setNamespaceQuotas(namespace.id, {
    ...(quota_bytes !== undefined ? { totalBytes: quota_bytes } : {}),
    ...(private_quota_bytes !== undefined ? { privateBytes: private_quota_bytes } : {}),
    ...(public_quota_bytes !== undefined ? { publicBytes: public_quota_bytes } : {}),
  })
  await parts.stores.events.add(
    makeEvent('account.quota', actorOf(caller), undefined, { name: namespace.name, ...body }),
  )
  return (await parts.stores.accounts.findNamespaceById(namespace.id)) ?? namespace
}

async function recountNamespace(it: KohakuRequest): Promise<void> {
  const namespace = await openNamespace(it, param(it, 'namespace'), 'admin')
  await recount(it.parts, namespace)
  it.res.json(await namespaceWire(it.parts, namespace))
}

/** Measures every repository of the namespace anew, one after the other. */
export async function recount(parts: KohakuParts, namespace: Namespace): Promise<number> {
  const { repos, quotas } = parts.stores
  let count = 0
  let after: { value: string; seq: number } | undefined
  for (;;) {
    const page = await repos.list({
      namespaceId: namespace.id,
      sort: 'createdAt',
      order: 'asc',
      limit: 500,
      ...(after ? { after } : {}),
    })
    for (const repo of page) {
      await parts.recorder.measure(repo)
      await quotas.recountRepo(repo.id)
    }
    count += page.length
    const last = page.at(-1)
    if (!last) return count
    after = { value: last.createdAt, seq: last.seq }
  }
}

/** For profile pages: what is public, and the rest for those who belong to the namespace. */
async function showPublic(it: KohakuRequest): Promise<void> {
  const name = param(it, 'namespace')
  const namespace = await it.parts.stores.accounts.findNamespace(name)
  if (!namespace) throw new HubError('account_not_found', `There is no "${name.slice(0, 100)}".`)
  const usage = await it.parts.quotas.usage(namespace.id)
  const insider = it.parts.access.namespaceRight(it.caller, namespace) !== undefined
  it.res.json({
    namespace: namespace.name,
    is_organization: namespace.type === 'org',
    ...prefixed('public', pool(namespace.publicQuotaBytes, usage.publicBytes)),
    ...(insider ? prefixed('private', pool(namespace.privateQuotaBytes, usage.privateBytes)) : {}),
    total_used_bytes: insider ? usage.publicBytes + usage.privateBytes : usage.publicBytes,
    can_see_private: insider,
  })
}

async function listRepos(it: KohakuRequest): Promise<void> {
  if (isAnonymous(it.caller))
    throw new HubError('not_authenticated', 'Invalid username or password.')
  const name = param(it, 'namespace')
  const namespace = await it.parts.stores.accounts.findNamespace(name)
  if (!namespace) throw new HubError('account_not_found', `There is no "${name.slice(0, 100)}".`)
  const visibleTo = it.parts.access.visibleTo(it.caller)
  const repos = await it.parts.stores.repos.list({
    namespaceId: namespace.id,
    sort: 'size',
    order: 'desc',
    limit: 10_000,
    visibleTo,
  })
  it.res.json({
    namespace: namespace.name,
    is_organization: namespace.type === 'org',
    total_repos: repos.length,
    repositories: await Promise.all(
      repos.map(async (repo) => ({
        repo_id: `${repo.namespace}/${repo.name}`,
        repo_type: repo.kind,
        name: repo.name,
        private: repo.visibility !== 'public',
        quota_bytes: repo.quotaBytes,
        used_bytes: repo.gitBytes + repo.lfsBytes,
        percentage_used: percentage(repo.gitBytes + repo.lfsBytes, repo.quotaBytes),
        is_inheriting: repo.quotaBytes === null,
        created_at: repo.createdAt,
      })),
    ),
  })
}

async function showRepo(it: KohakuRequest): Promise<void> {
  if (isAnonymous(it.caller))
    throw new HubError('not_authenticated', 'Invalid username or password.')
  const opened = await openRepo(it, 'read')
  if (opened) it.res.json(await repoWire(it, opened.repo))
}

async function setRepo(it: KohakuRequest): Promise<void> {
  requireSiteAdmin(it.caller)
  const opened = await openRepo(it, 'admin')
  if (!opened) return
  const { quota_bytes } = check(RepoQuotaBody, await readJson(it.req, MAX_JSON))
  const { repo } = opened
  const namespace = await it.parts.stores.accounts.findNamespaceById(repo.namespaceId)
  const left = namespace && (await it.parts.quotas.available(namespace, poolOf(repo.visibility)))
  const most = left === null || left === undefined ? null : left + repo.gitBytes + repo.lfsBytes
  if (quota_bytes !== null && most !== null && quota_bytes > most)
    throw new HubError(
      'invalid_input',
      `The repository quota is more than the namespace has left for it (${most} bytes).`,
    )
  const changed = await it.parts.registry.changeSettings(
    repo,
    { quotaBytes: quota_bytes },
    actorOf(it.caller),
  )
  it.res.json(await repoWire(it, changed))
}

async function recountRepo(it: KohakuRequest): Promise<void> {
  const opened = await openRepo(it, 'write')
  if (!opened) return
  await it.parts.recorder.measure(opened.repo)
  await it.parts.stores.quotas.recountRepo(opened.repo.id)
  const repo = (await it.parts.stores.repos.findById(opened.repo.id)) ?? opened.repo
  it.res.json(await repoWire(it, repo))
}

async function repoWire({ parts, caller }: KohakuRequest, repo: Repo) {
  const namespace = await parts.stores.accounts.findNamespaceById(repo.namespaceId)
  const insider = namespace && parts.access.namespaceRight(caller, namespace) !== undefined
  const whole = insider ? await namespaceWire(parts, namespace) : undefined
  return {
    repo_id: `${repo.namespace}/${repo.name}`,
    repo_type: repo.kind,
    namespace: repo.namespace,
    ...(await parts.quotas.storageBlock(repo)),
    // of the whole namespace's storage only those who belong to it hear
    namespace_quota_bytes: whole?.quota_bytes ?? null,
    namespace_used_bytes: whole?.used_bytes ?? null,
    namespace_available_bytes: whole?.available_bytes ?? null,
  }
}

export async function namespaceWire(parts: KohakuParts, namespace: Namespace) {
  const usage = await parts.quotas.usage(namespace.id)
  return {
    namespace: namespace.name,
    is_organization: namespace.type === 'org',
    ...pool(totalLimit(namespace), usage.publicBytes + usage.privateBytes),
    ...prefixed('private', pool(namespace.privateQuotaBytes, usage.privateBytes)),
    ...prefixed('public', pool(namespace.publicQuotaBytes, usage.publicBytes)),
  }
}

/** The number that KohakuHub shows for both pools together: the limit over both, or the sum of theirs if that is less. */
function totalLimit(it: Namespace): number | null {
  const pools =
    it.privateQuotaBytes === null || it.publicQuotaBytes === null
      ? null
      : it.privateQuotaBytes + it.publicQuotaBytes
  if (pools === null || it.totalQuotaBytes === null) return pools ?? it.totalQuotaBytes
  return Math.min(pools, it.totalQuotaBytes)
}

function pool(limit: number | null, used: number) {
  return {
    quota_bytes: limit,
    used_bytes: used,
    available_bytes: limit === null ? null : Math.max(0, limit - used),
    percentage_used: percentage(used, limit),
  }
}

function prefixed<P extends string>(prefix: P, it: ReturnType<typeof pool>) {
  return Object.fromEntries(
    Object.entries(it).map(([key, value]) => [`${prefix}_${key}`, value]),
  ) as Record<`${P}_${keyof ReturnType<typeof pool>}`, number | null>
}
