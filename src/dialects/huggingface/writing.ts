import type { Router } from 'express'
import type { HfParts, RepoRoute } from './parts.js'

/** Preupload, commit, branches, tags, settings, squash, likes. */
export const writingRoutes: readonly RepoRoute[] = []

/** validate-yaml and the oldest upload endpoints. */
export function writingSiteRoutes(_router: Router, _parts: HfParts): void {}
