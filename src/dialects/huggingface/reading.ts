import type { Router } from 'express'
import { commits } from './commits.js'
import { apiContentRoutes } from './content.js'
import { infoRoutes } from './info.js'
import type { HfParts, RepoRoute } from './parts.js'
import { refs } from './refs.js'
import { siteRoutes } from './site.js'
import { pathsInfo, tree } from './tree.js'

/** Info, tree, paths-info, refs, commits, resolve: what clients read about one repository. */
export const readingRoutes: readonly RepoRoute[] = [
  ...infoRoutes,
  { method: 'GET', path: /^tree\/.+$/s, right: 'read', handle: tree },
  { method: 'POST', path: /^paths-info\/(.+)$/s, right: 'read', handle: pathsInfo },
  { method: 'GET', path: /^refs$/, right: 'read', handle: refs },
  { method: 'GET', path: /^commits\/(.+)$/s, right: 'read', handle: commits },
  ...apiContentRoutes,
  {
    method: 'GET',
    path: /^auth-check$/,
    right: 'read',
    async handle({ parts, res, caller, opened }) {
      await parts.access.requireContent(caller, opened)
      res.json({ ok: true })
    },
  },
  {
    method: 'GET',
    path: /^auth-check\/write$/,
    right: 'write',
    async handle({ res }) {
      res.json({ ok: true })
    },
  },
]

/** Lists, tags by type, the caller's repositories. */
export function readingSiteRoutes(router: Router, parts: HfParts): void {
  siteRoutes(router, parts)
}
