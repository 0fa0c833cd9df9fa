import { type RequestHandler, Router } from 'express'
import { callerOf } from '../../http/caller.js'
import { listed, tableOf } from '../../http/route-list.js'
import { parseKind } from '../../protocol/repo-path.js'
import { contentRoutes } from './content.js'
import { decode } from './decode.js'
import { endpointRoutes } from './endpoints.js'
import { huggingFaceErrors } from './errors.js'
import type { HfParts, RepoRoute } from './parts.js'
import { readingRoutes, readingSiteRoutes } from './reading.js'
import { spaceSiteRoutes } from './space-site.js'
import { writingRoutes, writingSiteRoutes } from './writing.js'

/**
 * The Hugging Face Hub API. Three kinds of routes: on one repository below /api (tables), on repository content outside
 * /api (resolve, raw), and on the site (lists, whoami).
 */
export function huggingFace(parts: HfParts): Router {
  const router = Router()
  // before the routes on one repository: `zero-gpu/quota` is none
  spaceSiteRoutes(router, parts)
  endpointRoutes(router, parts)
  const table: readonly RepoRoute[] = [...readingRoutes, ...writingRoutes, ...parts.moreRoutes]
  router.use(listed(onRepo(parts, table), tableOf('/api/:type/:namespace/:name/', table)))
  router.use(contentRoutes(parts))
  readingSiteRoutes(router, parts)
  writingSiteRoutes(router, parts)
  router.get('/api/:type/:name', shortId(parts))
  router.use(huggingFaceErrors)
  return router
}

/**
 * Ids of one segment, as the Hub's oldest models have them: there are none here, said as of any other that is missing.
 * Clients that look for `ns/name` ask for `ns` afterwards, and take any other answer for a failure.
 */
function shortId(parts: HfParts): RequestHandler<{ type: string; name: string }> {
  return async (req, _res, next) => {
    const { type, name } = req.params
    if (!/^(models|datasets|spaces)$/.test(type) || !/^[\w.-]+$/.test(name)) return next()
    const kind = parseKind(type)
    if (kind) await parts.access.open(callerOf(req), { kind, namespace: '', name }, 'read')
    next()
  }
}

const API_PATH =
  /^\/api\/(models|datasets|spaces|model|dataset|space)\/([\w.-]+)\/([\w.-]+)(?:\/(.*))?$/s

function onRepo(parts: HfParts, table: readonly RepoRoute[]): RequestHandler {
  return async (req, res, next) => {
    const [, type = '', namespace = '', name = '', rest = ''] = API_PATH.exec(req.path) ?? []
    const kind = parseKind(type)
    if (!kind) return next()
    const method = req.method === 'HEAD' ? 'GET' : req.method
    const route = table.find((it) => it.method === method && it.path.test(rest))
    if (!route) return next()
    const caller = callerOf(req)
    const opened = await parts.access.open(caller, { kind, namespace, name }, route.right)
    if (opened.redirected) {
      const query = req.originalUrl.includes('?')
        ? req.originalUrl.slice(req.originalUrl.indexOf('?'))
        : ''
      const { repo } = opened
      res.redirect(
        307,
        `/api/${kind}s/${repo.namespace}/${repo.name}${rest ? `/${rest}` : ''}${query}`,
      )
      return
    }
    const params = (route.path.exec(rest)?.slice(1) ?? []).map(decode)
    await route.handle({ req, res, parts, caller, opened, params, rest })
  }
}
