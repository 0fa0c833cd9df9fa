import type { Router } from 'express'
import { commitRoutes } from './commit.js'
import type { HfParts, RepoRoute } from './parts.js'
import { preuploadRoutes } from './preupload.js'

/** Preupload, commit, branches, tags, settings, squash, likes. */
export const writingRoutes: readonly RepoRoute[] = [...preuploadRoutes, ...commitRoutes]

/** validate-yaml and the oldest upload endpoints. */
export function writingSiteRoutes(_router: Router, _parts: HfParts): void {}
