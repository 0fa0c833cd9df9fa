import type { Router } from 'express'
import type { HfParts, RepoRoute } from './parts.js'

/** Info, tree, paths-info, refs, commits: what clients read about one repository. */
export const readingRoutes: readonly RepoRoute[] = []

/** Lists, whoami, tags by type. */
export function readingSiteRoutes(_router: Router, _parts: HfParts): void {}
