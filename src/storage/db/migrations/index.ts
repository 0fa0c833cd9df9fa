import type { Migration } from 'kysely'
import { hub } from './0001-hub.js'
import { repoCard } from './0002-repo-card.js'
import { lfsKeys } from './0004-lfs-keys.js'
import { quotaReservation } from './0005-quota-reservation.js'
import { discussion } from './0006-discussion.js'
import { creatingOwner } from './0007-creating-owner.js'
import { xet } from './0008-xet.js'
import { repoLanguage } from './0009-repo-language.js'
import { packages } from './0010-packages.js'

/** In order, append-only: a shipped migration never changes. */
export const MIGRATIONS: Record<string, Migration> = {
  '0001-hub': hub,
  '0004-lfs-keys': lfsKeys,
  '0002-repo-card': repoCard,
  '0005-quota-reservation': quotaReservation,
  '0006-discussion': discussion,
  '0007-creating-owner': creatingOwner,
  '0008-xet': xet,
  '0009-repo-language': repoLanguage,
  '0010-packages': packages,
}
