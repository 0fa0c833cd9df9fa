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
import { discussionEvents } from './0011-discussion-events.js'
import { webhooks } from './0012-webhooks.js'
import { accessRequest } from './0013-access-request.js'
import { collection } from './0014-collection.js'
import { papersAndFollows } from './0015-papers-and-follows.js'
import { audit } from './0017-audit.js'
import { space } from './0018-space.js'
import { endpoint } from './0019-endpoint.js'
import { cardPapers } from './0020-card-papers.js'
import { longLists } from './0022-long-lists.js'
import { projectNames } from './0023-project-names.js'

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
  '0011-discussion-events': discussionEvents,
  '0012-webhooks': webhooks,
  '0013-access-request': accessRequest,
  '0014-collection': collection,
  '0015-papers-and-follows': papersAndFollows,
  '0017-audit': audit,
  '0018-space': space,
  '0019-endpoint': endpoint,
  '0020-card-papers': cardPapers,
  '0022-long-lists': longLists,
  '0023-project-names': projectNames,
}
