import { type RequestHandler, Router } from 'express'
import { asHubError, HubError } from '../../domain/errors.js'
import type { Caller } from '../../domain/types.js'
import { actAs, callerOf } from '../../http/caller.js'
import { listed } from '../../http/route-list.js'
import { abfErrors } from './errors.js'
import { groupRoutes } from './groups.js'
import { type Params, readParams } from './input.js'
import { packagesRoute } from './packages-csv.js'
import { type AbfParts, AbfRequest, type AbfRoute } from './parts.js'
import { platformRoutes } from './platforms.js'
import { projectCopyRoutes } from './project-copies.js'
import { projectMemberRoutes } from './project-members.js'
import { projectRoutes } from './projects.js'
import { CallLimit } from './rate-limit.js'
import { repositoryRoutes } from './repositories.js'
import { searchRoute } from './search.js'
import { tokenRoutes } from './tokens.js'
import { userRoutes } from './users.js'

export { downloads } from './downloads.js'

export const ABF_ROUTES: readonly AbfRoute[] = [
  ...repositoryRoutes,
  packagesRoute,
  ...platformRoutes,
  ...projectRoutes,
  ...projectMemberRoutes,
  ...projectCopyRoutes,
  ...userRoutes,
  ...groupRoutes,
  searchRoute,
  ...tokenRoutes,
]

/** The ABF/ROSA API at /api/v1 (seed 004, abf.md). Every call needs a login. */
export function abf(parts: AbfParts): Router {
  const router = Router()
  const limit = new CallLimit(parts.hourlyCalls, parts.siblings)
  const table = ABF_ROUTES.map(([method, path]) => ({ method, path: `/api/v1/${path}` }))
  router.use('/api/v1', listed(answer(parts, limit), table))
  router.use('/api/v1', abfErrors)
  return router
}

function answer(parts: AbfParts, limit: CallLimit): RequestHandler {
  return async (req, res) => {
    const params = await readParams(req).catch((err) => asHubError(err))
    const given = params instanceof HubError ? (req.query as Params) : params
    const caller = await identify(parts, req, given).catch((err) => asHubError(err))
    const known = caller instanceof HubError ? undefined : caller.user
    if (!known || !(await parts.packages.stores.systemUsers.has(known.id)))
      limit.take(known ? `user ${known.id}` : `address ${req.ip ?? ''}`, res)
    if (caller instanceof HubError) throw caller
    if (!caller.user && !caller.isSiteAdmin) throw new HubError('not_authenticated', 'login needed')
    const found = findRoute(req.method, req.path)
    if (!found) throw new HubError('not_found', 'no such endpoint')
    if (params instanceof HubError) throw params
    await parts.packages.platforms.ensurePersonal()
    const [, , handle] = found.route
    await handle(new AbfRequest({ req, res, parts, caller, params, id: found.id }))
  }
}

/** Who is asking: by header or cookie, else by `authentication_token`. */
async function identify(
  { login }: AbfParts,
  req: Parameters<RequestHandler>[0],
  { authentication_token: token }: Params,
): Promise<Caller> {
  const caller = callerOf(req)
  if (caller.via !== 'anonymous' || typeof token !== 'string' || token === '') return caller
  try {
    return actAs(req, await login.byToken(token, req.ip ?? ''))
  } catch (err) {
    if (err instanceof HubError) actAs(req, err)
    throw err
  }
}

/** `.json` is the default and may be left out; only packages are something else. */
function findRoute(method: string, path: string): { route: AbfRoute; id: string } | undefined {
  const words = path
    .replace(/\.json$/, '')
    .split('/')
    .filter(Boolean)
  const wanted = method === 'HEAD' ? 'GET' : method
  for (const route of ABF_ROUTES) {
    const pattern = route[1].split('/')
    if (route[0] !== wanted || pattern.length !== words.length) continue
    if (pattern.every((word, n) => word === ':id' || word === words[n]))
      return { route, id: decode(words[pattern.indexOf(':id')] ?? '') }
  }
  return undefined
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new HubError('not_found', 'not percent-encoded correctly')
  }
}
