import { type Request, type RequestHandler, Router } from 'express'
import { HubError } from '../../domain/errors.js'
import { callerOf } from '../../http/caller.js'
import { listed, wrapping } from '../../http/route-list.js'
import { parseRepoPath } from '../../protocol/repo-path.js'
import { spacesErrors } from './errors.js'
import type { SpacesParts } from './parts.js'
import { servePage } from './static-site.js'
import { openByTicket, splitTicket, ticketFor } from './tickets.js'

/**
 * Spaces as pages, at `/spaces/{ns}/{name}/…`: behind every other route, so that git and the files of a Space keep theirs.
 * With a host name of their own this answers there alone, and the hub's own leads there.
 */
export function spaces(parts: SpacesParts): Router {
  const router = Router()
  const handler: RequestHandler = async (req, res, next) => {
    if (req.method !== 'GET' && req.method !== 'HEAD') return next()
    const target = parseRepoPath(req.path)
    if (target?.kind !== 'space' || !req.path.startsWith('/spaces/') || isGits(target, req.path))
      return next()
    const { ticket, rest } = splitTicket(target.rest)
    const opened = ticket
      ? await openByTicket(parts, req, ticket)
      : await parts.access.open(callerOf(req), target, 'read')
    const { repo } = opened
    const home = `/spaces/${repo.namespace}/${repo.name}/`
    const query = req.originalUrl.slice(req.path.length)
    if (opened.redirected || !req.path.startsWith(`${home}`)) {
      // another spelling, the address before a move, or without the slash that relative links need
      res.redirect(307, `${home}${ticket ? `~${ticket}/` : ''}${rest}${query}`)
      return
    }
    const isOpen = repo.visibility === 'public' && repo.gate === 'none'
    const elsewhere = parts.spacesUrl && !isSpacesHost(parts.spacesUrl, req)
    if (elsewhere || (!isOpen && !ticket && callerOf(req).via === 'session')) {
      if (!ticket) await parts.access.requireContent(callerOf(req), opened)
      // a sandboxed page loads its own files without a cookie, so its address carries the right
      const pass = isOpen ? '' : `~${ticket ?? ticketFor(parts, callerOf(req), repo)}/`
      res.set({ 'Cache-Control': 'no-store', 'Referrer-Policy': 'no-referrer' })
      res.redirect(302, `${elsewhere ? parts.spacesUrl : ''}${home}${pass}${rest}${query}`)
      return
    }
    if (!ticket) await parts.access.requireContent(callerOf(req), opened)
    await servePage(parts, { req, res, repo, rest, isOpen })
  }
  router.use(listed(handler, [{ method: 'GET', path: '/spaces/:namespace/:name/*path' }]))
  router.use(spacesErrors)
  return router
}

/** What is asked of the Spaces' own host name, and is no Space, is not there: the hub's API is not on it. */
export function onlySpaces(parts: SpacesParts, pages: Router): Router {
  const handler: RequestHandler = (req, res, next) => {
    if (!parts.spacesUrl || !isSpacesHost(parts.spacesUrl, req)) return next()
    pages(req, res, (err?: unknown) => {
      if (err) return next(err)
      spacesErrors(new HubError('not_found', 'There is no such Space.'), req, res, next)
    })
  }
  return Router().use(wrapping(handler, pages))
}

function isSpacesHost(spacesUrl: string, req: Request): boolean {
  return req.hostname.toLowerCase() === new URL(spacesUrl).hostname
}

/** `/spaces/ns/name.git/…` is the repository, whatever of it git asks for. */
function isGits({ name }: { name: string }, path: string): boolean {
  return path.split('/')[3] === `${name}.git`
}
