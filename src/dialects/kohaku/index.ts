import { Router } from 'express'
import { kohakuErrors } from './errors.js'
import type { KohakuParts } from './parts.js'
import { repoRoutes } from './repos.js'

/** KohakuHub's API (seed 000): the repository operations that Hugging Face clients share, and its extras. */
export function kohaku(parts: KohakuParts): Router {
  const router = Router()
  repoRoutes(router, parts)
  router.use(kohakuErrors)
  return router
}
