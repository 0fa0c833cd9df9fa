import type { Router } from 'express'
import { accessRequestRoutes, askAccessRoutes, askFromSite } from './access-requests.js'
import { branchRoutes } from './branches.js'
import { collectionRoutes } from './collections.js'
import { commitRoutes } from './commit.js'
import { discussionChangeRoutes } from './discussion-changes.js'
import { discussionRoutes } from './discussions.js'
import { duplicateRoutes } from './duplicate.js'
import { historyRoutes } from './history.js'
import { likedRoutes, likeRoutes } from './likes.js'
import { paperRoutes } from './papers.js'
import type { HfParts, RepoRoute } from './parts.js'
import { preuploadRoutes } from './preupload.js'
import { profileRoutes } from './profiles.js'
import { oldSettingsRoute, settingsRoutes } from './settings.js'
import { spaceRoutes } from './spaces.js'
import { storageRoutes, storageSiteRoutes } from './storage.js'
import { uploadRoutes } from './upload.js'
import { validateYamlRoute } from './validate-yaml.js'
import { webhookRoutes } from './webhooks.js'

/** What changes one repository. */
export const writingRoutes: readonly RepoRoute[] = [
  ...preuploadRoutes,
  ...commitRoutes,
  // before the branches, whose names may have slashes
  ...historyRoutes,
  ...branchRoutes,
  ...settingsRoutes,
  ...duplicateRoutes,
  ...spaceRoutes,
  ...likeRoutes,
  ...storageRoutes,
  ...accessRequestRoutes,
  ...askAccessRoutes,
  ...discussionRoutes,
  ...discussionChangeRoutes,
  ...uploadRoutes,
]

export function writingSiteRoutes(router: Router, parts: HfParts): void {
  validateYamlRoute(router)
  likedRoutes(router, parts)
  storageSiteRoutes(router, parts)
  askFromSite(router, parts)
  collectionRoutes(router, parts)
  paperRoutes(router, parts)
  profileRoutes(router, parts)
  oldSettingsRoute(router, parts)
  webhookRoutes(router, parts)
}
