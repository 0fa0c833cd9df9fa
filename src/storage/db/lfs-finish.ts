import { newId } from '../../lib/ids.js'
import type { HotStatements } from './hot-statements.js'
import { now } from './rows.js'

export interface Finish {
  readonly id: string
  readonly leaseUntil: string
  readonly writableUntil: string | null
}

export type Finished = 'stored' | 'surplus' | 'ended'

const TAKE_UPLOAD = `delete from "lfs_upload" where "id" = ? returning "repo_id", "oid", "size", "key"`
const HAS_REPO = `select 1 from "repo" where "id" = ?`
const ADD_OBJECT = `insert into "lfs_object" ("oid", "size", "storage", "key", "writable_until", "created_at")
  values (?, ?, 'raw', ?, ?, ?) on conflict ("oid") do nothing`
const ADD_DISCARD = `insert into "lfs_discard" ("key", "store_upload_id", "until")
  values (?, null, ?) on conflict ("key") do nothing`
const ADD_LINK = `insert into "lfs_link" ("repo_id", "oid", "size", "created_at", "condemned_at")
  values (?, ?, ?, ?, null) on conflict ("repo_id", "oid") do nothing`
const PARDON = `update "lfs_link" set "condemned_at" = null
  where "repo_id" = ? and "oid" = ? and "condemned_at" is not null`
const IS_BACK = `delete from "lfs_removed" where "repo_id" = ? and "oid" = ?`
const ADD_LEASE = `insert into "lfs_lease" ("id", "oid", "repo_id", "size", "expires_at") values (?, ?, ?, ?, ?)
  on conflict ("repo_id", "oid") do update set "size" = "excluded"."size", "expires_at" =
    case when "lfs_lease"."expires_at" > "excluded"."expires_at" then "lfs_lease"."expires_at" else "excluded"."expires_at" end`
const ADD_BYTES = `update "repo" set "lfs_bytes" = "lfs_bytes" + ? where "id" = ?`

interface Taken {
  readonly repo_id: string
  readonly oid: string
  readonly size: number
  readonly key: string
}

/**
 * The transaction behind `LfsUploadStore.finishUpload`, for a group of uploads at once: the same steps as `addLinks` and
 * `leaseObjects`, object by object, because a statement that is kept costs less than a row of one that is built.
 */
export function finishUploads(hot: HotStatements, orders: readonly Finish[]): Finished[] {
  const at = now()
  const known = new Map<string, Finished>()
  const bytes = new Map<string, number>()
  const outcomes = orders.map((order) => {
    const outcome = known.get(order.id) ?? finish(hot, order, at, bytes)
    known.set(order.id, outcome)
    return outcome
  })
  for (const [repoId, added] of bytes) if (added > 0) hot.of(ADD_BYTES).run(added, repoId)
  return outcomes
}

/** Adds up in `bytes` what each repository got. */
function finish(
  hot: HotStatements,
  { id, leaseUntil, writableUntil }: Finish,
  at: string,
  bytes: Map<string, number>,
): Finished {
  const upload = hot.of(TAKE_UPLOAD).get(id) as Taken | undefined
  if (!upload) return 'ended'
  const { repo_id: repoId, oid, size, key } = upload
  const isLive = bytes.has(repoId) || hot.of(HAS_REPO).get(repoId) !== undefined
  const stored = isLive && hot.of(ADD_OBJECT).run(oid, size, key, writableUntil, at).changes > 0
  if (!stored) hot.of(ADD_DISCARD).run(key, writableUntil ?? at)
  if (!isLive) return 'ended'
  const linked = hot.of(ADD_LINK).run(repoId, oid, size, at).changes > 0
  if (!linked) hot.of(PARDON).run(repoId, oid)
  hot.of(IS_BACK).run(repoId, oid)
  hot.of(ADD_LEASE).run(newId(), oid, repoId, size, leaseUntil)
  bytes.set(repoId, (bytes.get(repoId) ?? 0) + (linked ? size : 0))
  return stored ? 'stored' : 'surplus'
}
