import { z } from 'zod'
import { HubError } from '../../domain/errors.js'
import { asValues, oneOf, pagination, readPage, readValues, seconds } from './input.js'
import type { NamespaceRequest, RepoRequest } from './parts.js'
import { toDetail, toSummary, urlsOf } from './shapes.js'

const DIALECT = 'outpost'
const Visibility = z.enum(['public', 'private', 'internal'])

const CreateBody = z.object({
  name: z.string(),
  description: z.string().max(512, 'at most 512 characters').default(''),
  visibility: Visibility.default('private'),
  default_branch: z.string().min(1).max(255).default('main'),
  auto_init: z.boolean().default(true),
  content_addressed: z.boolean().default(true),
  gitignore_template: z.string().max(100).nullish(),
})
const NameBody = z.object({ name: z.string() })
const VisibilityBody = z.object({ visibility: Visibility })
const TransferBody = z.object({ new_namespace: z.string().min(1).max(100) })

const SORTS = {
  name: 'name',
  created_at: 'createdAt',
  updated_at: 'updatedAt',
  size: 'size',
} as const

export async function listRepos({
  req,
  res,
  parts,
  caller,
  namespace,
}: NamespaceRequest): Promise<void> {
  const page = readPage(req)
  const sort = oneOf(
    req,
    'sort',
    ['name', 'created_at', 'updated_at', 'size'] as const,
    'updated_at',
  )
  const order = oneOf(req, 'order', ['asc', 'desc'] as const, 'desc')
  const visibility = oneOf(req, 'visibility', ['public', 'private', 'internal'] as const)
  const visibleTo = parts.access.visibleTo(caller)
  const filter = {
    namespaceId: namespace.id,
    ...(visibility ? { visibility } : {}),
    ...(visibleTo ? { visibleTo } : {}),
  }
  const offset = (page.page - 1) * page.perPage
  const [total, repos] = await Promise.all([
    parts.stores.repos.count(filter),
    parts.stores.repos.list({ ...filter, sort: SORTS[sort], order, limit: page.perPage, offset }),
  ])
  const languages = await parts.stores.languages.find(repos.map((it) => it.id))
  const data = repos.map((it) => toSummary(it, languages.get(it.id) ?? null))
  res.json({ data, pagination: pagination(page, total) })
}

export async function getRepo({ res, parts, repo, namespace }: RepoRequest): Promise<void> {
  res.json(await toDetail(parts, repo, namespace))
}

export async function createRepo({
  req,
  res,
  parts,
  caller,
  namespace,
}: NamespaceRequest): Promise<void> {
  const body = await readValues(req, CreateBody)
  const template = body.gitignore_template
  const ignore = template ? await parts.templates.find(template) : undefined
  if (template && ignore === undefined)
    throw new HubError('unprocessable', `gitignore_template: there is no template '${template}'.`)
  const first = ignore === undefined ? [] : [{ path: '.gitignore', content: Buffer.from(ignore) }]
  const order = {
    kind: 'model',
    namespace: namespace.name,
    name: body.name,
    visibility: body.visibility,
    description: body.description,
    defaultBranch: body.default_branch,
    start: body.auto_init ? first : 'unborn',
  } as const
  const repo = await asValues(() => parts.registry.create(order, { caller, dialect: DIALECT }))
  if (!body.content_addressed)
    await parts.stores.repos.updateExtraSettings(repo.id, { content_addressed: false })
  const { created_at, updated_at, pushed_at, ...detail } = await toDetail(parts, repo, namespace)
  res
    .status(201)
    .json({ ...detail, ...urlsOf(parts, req, repo), created_at, updated_at, pushed_at })
}

/** Outpost's contract: the old clone URL stops working, so no redirect is left. */
export async function renameRepo({ req, res, parts, caller, repo }: RepoRequest): Promise<void> {
  const { name } = await readValues(req, NameBody)
  const to = { namespace: repo.namespace, name }
  const moved = await asValues(() =>
    parts.registry.move(repo, to, { caller, dialect: DIALECT }, { redirect: false }),
  )
  const { id, name: newName, namespace, full_name, updated_at } = toSummary(moved, null)
  res.json({ id, name: newName, namespace, full_name, updated_at })
}

export async function changeVisibility({
  req,
  res,
  parts,
  caller,
  repo,
}: RepoRequest): Promise<void> {
  const { visibility } = await readValues(req, VisibilityBody)
  const after = await parts.registry.changeSettings(
    repo,
    { visibility },
    { caller, dialect: DIALECT },
  )
  res.json({
    id: after.id,
    name: after.name,
    namespace: after.namespace,
    visibility: after.visibility,
    updated_at: seconds(after.updatedAt),
  })
}

export async function transferRepo({ req, res, parts, caller, repo }: RepoRequest): Promise<void> {
  const body = await readValues(req, TransferBody)
  const target = await parts.stores.accounts.findNamespace(body.new_namespace)
  if (!target)
    throw new HubError('account_not_found', `Namespace '${body.new_namespace}' not found.`)
  parts.access.requireNamespace(caller, target, 'admin')
  const to = { namespace: target.name, name: repo.name }
  const actor = { caller, dialect: DIALECT }
  const moved = await asValues(() => parts.registry.move(repo, to, actor, { redirect: false }))
  const { id, name, namespace, full_name, updated_at } = toSummary(moved, null)
  res.json({ id, name, namespace, full_name, updated_at })
}

export async function deleteRepo({ res, parts, caller, repo }: RepoRequest): Promise<void> {
  await parts.registry.delete(repo, { caller, dialect: DIALECT })
  res.status(204).end()
}
