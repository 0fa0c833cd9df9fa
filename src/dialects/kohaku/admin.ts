import { requireSiteAdmin } from '../../domain/access/access.js'
import { adminContentRoutes } from './admin-content.js'
import { adminUserRoutes } from './admin-users.js'
import { auditRoutes } from './audit.js'
import type { KohakuRoute } from './parts.js'

/** Below /admin/api, for the operator's X-Admin-Token and for site administrators (kohaku-outpost A.8). */
export const adminRoutes: readonly KohakuRoute[] = [
  ...adminUserRoutes,
  ...adminContentRoutes,
  ...auditRoutes,
].map((route) => ({
  ...route,
  path: `/admin/api${route.path}`,
  handle: async (it) => {
    requireSiteAdmin(it.caller)
    await route.handle(it)
  },
}))
