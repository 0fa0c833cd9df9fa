import type { Router } from 'express'
import { accessRequestRoutes, askAccessRoutes, askFromSite } from './access-requests.js'
import { branchRoutes } from './branches.js'
import { commitRoutes } from './commit.js'
import { discussionChangeRoutes } from './discussion-changes.js'
import { discussionRoutes } from './discussions.js'
import { duplicateRoutes } from './duplicate.js'
import { historyRoutes } from './history.js'
import { likedRoutes, likeRoutes } from './likes.js'
import type { HfParts, RepoRoute } from './parts.js'
import { preuploadRoutes } from './preupload.js'
import { oldSettingsRoute, settingsRoutes } from './settings.js'
import { uploadRoutes } from './upload.js'
import { validateYamlRoute } from './validate-yaml.js'

/** What changes one repository. */
export const writingRoutes: readonly RepoRoute[] = [
  ...preuploadRoutes,
  ...commitRoutes,
  // before the branches, whose names may have slashes
  ...historyRoutes,
  ...branchRoutes,
  ...settingsRoutes,
  ...duplicateRoutes,
  ...likeRoutes,
  ...accessRequestRoutes,
  ...askAccessRoutes,
  ...discussionRoutes,
  ...uploadRoutes,
]

export function writingSiteRoutes(router: Router, parts: HfParts): void {
  validateYamlRoute(router)
  ...discussionChangeRoutes,
  likedRoutes(router, parts)
  askFromSite(router, parts)
  oldSettingsRoute(router, parts)
}
