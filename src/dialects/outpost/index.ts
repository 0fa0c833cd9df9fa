import { type RequestHandler, Router } from 'express'
import { HubError } from '../../domain/errors.js'
import type { Namespace, Repo, RepoKind, Right } from '../../domain/types.js'
import { callerOf } from '../../http/caller.js'
import { type ListedRoute, listed, mounted, tableOf } from '../../http/route-list.js'
import { trimEnd } from '../../lib/trim-ends.js'
import { getFile, getTree, listCommits } from './content.js'
import { downloadRoute } from './download.js'
import { outpostErrors } from './errors.js'
import type { NamespaceRequest, OutpostParts, RepoRequest } from './parts.js'
import {
  changeVisibility,
  createRepo,
  deleteRepo,
  getRepo,
  listRepos,
  renameRepo,
  transferRepo,
} from './repos.js'
import { getProtection, getScanning, putProtection, putScanning } from './settings.js'
import { tokenRoutes } from './tokens.js'

type NamespaceHandler = (it: NamespaceRequest) => Promise<void>
type RepoHandler = (it: RepoRequest) => Promise<void>

export const OUTPOST_NAMESPACE_ROUTES: Readonly<Record<string, NamespaceHandler>> = {
  GET: listRepos,
  POST: createRepo,
}

/** Method, what follows the repository in the path, the right it takes. */
export const OUTPOST_REPO_ROUTES: readonly (readonly [
  method: string,
  rest: RegExp,
  right: Right,
  handle: RepoHandler,
])[] = [
  ['GET', /^$/, 'read', getRepo],
  ['DELETE', /^$/, 'admin', deleteRepo],
  ['PUT', /^name$/, 'admin', renameRepo],
  ['POST', /^visibility$/, 'admin', changeVisibility],
  ['POST', /^transfer$/, 'admin', transferRepo],
  ['GET', /^tree(?:\/(.*))?$/s, 'read', getTree],
  ['GET', /^file\/(.+)$/s, 'read', getFile],
  ['GET', /^commits\/(.+)$/s, 'read', listCommits],
  ['GET', /^branch_protection$/, 'read', getProtection],
  ['PUT', /^branch_protection$/, 'admin', putProtection],
  ['GET', /^secret_scanning$/, 'read', getScanning],
  ['PUT', /^secret_scanning$/, 'admin', putScanning],
]

/** Outpost's repositories API on both path forms of its document (seed 003, kohaku-outpost B.1). */
const FORMS = [
  /^\/auth\/v1\/repository\/([^/]+)(?:\/([^/]+)(?:\/(.*))?)?$/s,
  /^\/auth\/v1\/([^/]+)\/repositories(?:\/([^/]+)(?:\/(.*))?)?$/s,
]

export function outpost(parts: OutpostParts): Router {
  const router = Router()
  router.use('/auth/v1/download', mounted('/auth/v1/download', downloadRoute(parts)))
  tokenRoutes(router, parts)
  router.use(listed(repositories(parts), listRepositoryRoutes()))
  router.use('/auth/v1', () => {
    throw new HubError('not_found', 'There is no such endpoint.')
  })
  router.use('/auth/v1', outpostErrors)
  return router
}

function listRepositoryRoutes(): ListedRoute[] {
  const base = '/auth/v1/repository/:namespace'
  const rows = OUTPOST_REPO_ROUTES.map(([method, path]) => ({ method, path }))
  return [
    ...Object.keys(OUTPOST_NAMESPACE_ROUTES).map((method) => ({ method, path: base })),
    ...tableOf(`${base}/:id/`, rows),
  ]
}

function repositories(parts: OutpostParts): RequestHandler {
  return async (req, res, next) => {
    const path = trimEnd(req.path, '/')
    const match = FORMS.map((it) => it.exec(path)).find((it) => it !== null)
    if (!match) return next()
    const [ns = '', id, rest = ''] = match.slice(1).map((it) => it && decode(it))
    const caller = callerOf(req)
    if (!caller.user && !caller.isSiteAdmin)
      throw new HubError('not_authenticated', 'Missing or invalid credentials.')
    const namespace = await parts.stores.accounts.findNamespace(ns)
    if (!namespace)
      throw new HubError('account_not_found', `Namespace '${ns.slice(0, 100)}' not found.`)
    const method = req.method === 'HEAD' ? 'GET' : req.method
    const base = { req, res, parts, caller, namespace }
    if (id === undefined) {
      const handle = OUTPOST_NAMESPACE_ROUTES[method]
      if (!handle) throw new HubError('not_found', 'There is no such endpoint.')
      return handle(base)
    }
    const route = OUTPOST_REPO_ROUTES.find(([m, pattern]) => m === method && pattern.test(rest))
    if (!route) throw new HubError('not_found', 'There is no such endpoint.')
    const [, pattern, right, handle] = route
    const opened = await openRepo(base, id, right)
    await handle({ ...base, ...opened, rest: pattern.exec(rest)?.[1] ?? '' })
  }
}

/** By id, or by name: names cannot look like ids. Absent, hidden and foreign ones are told apart by nobody. */
async function openRepo(
  { parts, caller, namespace }: Omit<NamespaceRequest, 'req' | 'res'>,
  id: string,
  right: Right,
): Promise<{ repo: Repo; right: Right }> {
  try {
    const found = await findRepo(parts, namespace, id)
    if (found?.namespaceId !== namespace.id) throw new HubError('repo_not_found', '')
    return await parts.access.openRepo(caller, found, right)
  } catch (err) {
    if (err instanceof HubError && err.code === 'repo_not_found')
      throw new HubError(
        'repo_not_found',
        `Repository '${id.slice(0, 100)}' not found in namespace '${namespace.name}'.`,
      )
    throw err
  }
}

async function findRepo(
  parts: OutpostParts,
  namespace: Namespace,
  id: string,
): Promise<Repo | undefined> {
  if (/^repo_[0-9a-f]{12}$/.test(id)) return parts.stores.repos.findById(id)
  for (const kind of ['model', 'dataset', 'space'] satisfies RepoKind[]) {
    const found = await parts.stores.repos.findByAddress({
      kind,
      namespace: namespace.name,
      name: id,
    })
    if (found) return found
  }
  return undefined
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new HubError('invalid_input', 'The URL is not percent-encoded correctly.')
  }
}
