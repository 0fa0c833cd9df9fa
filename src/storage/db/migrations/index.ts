import type { Migration } from 'kysely'
import { hub } from './0001-hub.js'

/** In order, append-only: a shipped migration never changes. */
export const MIGRATIONS: Record<string, Migration> = {
  '0001-hub': hub,
}
