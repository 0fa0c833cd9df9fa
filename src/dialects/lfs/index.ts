import { type Request, type RequestHandler, type Response, Router } from 'express'
import { HubError } from '../../domain/errors.js'
import { callerOf } from '../../http/caller.js'
import { listed, mounted, tableOf } from '../../http/route-list.js'
import { parseRepoPath, repoUrlPath } from '../../protocol/repo-path.js'
import { batch } from './batch.js'
import { LFS_JSON, lfsErrors } from './errors.js'
import { createLock, deleteLock, listLocks, verifyLocks } from './locks.js'
import { objectRoutes } from './objects.js'
import type { LfsParts, LfsRequest } from './parts.js'

/** Routes below …/info/lfs (git-lfs docs/api). The right is what the repository must grant before the handler looks further. */
const ROUTES: readonly {
  readonly method: string
  readonly path: RegExp
  readonly right: 'read' | 'write'
  readonly handle: (it: LfsRequest) => Promise<void>
}[] = [
  { method: 'POST', path: /^objects\/batch$/, right: 'read', handle: batch },
  { method: 'GET', path: /^locks$/, right: 'read', handle: listLocks },
  { method: 'POST', path: /^locks$/, right: 'write', handle: createLock },
  { method: 'POST', path: /^locks\/verify$/, right: 'read', handle: verifyLocks },
  { method: 'POST', path: /^locks\/([\w-]+)\/unlock$/, right: 'write', handle: deleteLock },
]

export function lfs(parts: LfsParts): Router {
  const router = Router()
  const handler: RequestHandler = async (req, res, next) => {
    const path = parseRepoPath(req.path)
    if (!path?.rest.startsWith('info/lfs/')) return next()
    const rest = path.rest.slice('info/lfs/'.length)
    const route = ROUTES.find((it) => it.path.test(rest) && it.method === req.method)
    if (!route) throw new HubError('not_found', 'There is no such LFS route.')
    if (!req.accepts([LFS_JSON, 'application/json'])) return notAcceptable(res)
    requireJson(req)
    const opened = await parts.access.open(callerOf(req), path, route.right)
    if (opened.redirected) {
      const query = req.url.slice(req.path.length)
      res.redirect(308, `${repoUrlPath(opened.repo)}.git/${path.rest}${query}`)
      return
    }
    await parts.access.requireContent(callerOf(req), opened)
    await route.handle({ req, res, opened, parts, params: route.path.exec(rest)?.slice(1) ?? [] })
  }
  router.use(listed(handler, tableOf('/:namespace/:name.git/info/lfs/', ROUTES)))
  router.use('/lfs', mounted('/lfs', objectRoutes(parts)))
  router.use(lfsErrors)
  return router
}

/** docs/api/batch.md "Response Errors". */
function notAcceptable(res: Response): void {
  res.status(406).type(LFS_JSON)
  res.send(JSON.stringify({ message: `The Accept header needs to be ${LFS_JSON}` }))
}

/** Plain JSON is taken for what it is; a browser's form or text is not, whoever made it send one. */
function requireJson(req: Request): void {
  if (req.method === 'POST' && req.is([LFS_JSON, 'application/json']) === false)
    throw new HubError('unsupported_media', `The Content-Type needs to be ${LFS_JSON}`)
}
