import type { Row } from '../lib/row.js'
import { apiRows } from './api.js'
import { cloneRows } from './clone.js'
import { fetchRows } from './fetch.js'
import { lfsRows } from './lfs.js'
import { lfsManyRows } from './lfs-many.js'
import { listRows } from './lists.js'
import { memoryRows } from './memory.js'
import { pushRows } from './push.js'
import { refRows } from './refs.js'
import { repositoryRows } from './repositories.js'
import { xetRows } from './xet.js'

export const rows: readonly Row[] = [
  ...cloneRows,
  ...refRows,
  ...fetchRows,
  ...pushRows,
  ...lfsRows,
  ...lfsManyRows,
  ...xetRows,
  ...apiRows,
  ...listRows,
  ...repositoryRows,
  ...memoryRows,
]
