import { Router } from 'express'
import { parseKind } from '../../protocol/repo-path.js'
import { accountRoutes } from './accounts.js'
import { adminRoutes } from './admin.js'
import { avatarRoutes } from './avatars.js'
import { kohakuErrors } from './errors.js'
import { invitationRoutes } from './invitations.js'
import { organizationRoutes } from './organizations.js'
import { callerOf, type KohakuParts, type KohakuRoute } from './parts.js'
import { profileRoutes } from './profiles.js'
import { quotaRoutes } from './quotas.js'
import { repoListRoutes } from './repo-lists.js'
import { repoRoutes } from './repos.js'
import { siteRoutes } from './site.js'
import { statisticsRoutes } from './statistics.js'
import { tokenRoutes } from './tokens.js'

const ROUTES: readonly KohakuRoute[] = [
  ...accountRoutes,
  ...tokenRoutes,
  ...organizationRoutes,
  ...invitationRoutes,
  ...profileRoutes,
  ...avatarRoutes,
  ...repoRoutes,
  ...repoListRoutes,
  ...statisticsRoutes,
  ...quotaRoutes,
  ...siteRoutes,
  ...adminRoutes,
]

/** KohakuHub's API (seed 000): the repository operations that Hugging Face clients share, and its extras. */
export function kohaku(parts: KohakuParts): Router {
  const router = Router()
  for (const { method, path, handle } of ROUTES)
    router[method](path, async (req, res, next) => {
      if (typeof req.params.type === 'string' && !parseKind(req.params.type)) return next('route')
      await handle({ req, res, parts, caller: callerOf(req) })
    })
  router.use(kohakuErrors)
  return router
}
