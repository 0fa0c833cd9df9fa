import { Router } from 'express'
import type { HfParts } from './parts.js'

/** resolve and raw: the files themselves, outside /api. */
export function contentRoutes(_parts: HfParts): Router {
  return Router()
}
