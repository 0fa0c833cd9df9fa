import { type RawBuilder, sql, type Transaction } from 'kysely'
import { HubError } from '../../domain/errors.js'
import type { NamespaceUsage, QuotaStore } from '../../domain/quotas/ports.js'
import { quotaExceeded } from '../../domain/quotas/quota-exceeded.js'
import { newId } from '../../lib/ids.js'
import { leaseObjects, recount } from './lfs-rows.js'
import type { Db } from './open.js'
import { now } from './rows.js'
import type { Schema } from './schema.js'

type Reader = Db | Transaction<Schema>

const POOL = sql`case when repo.visibility = 'public' then 'public' else 'private' end`

export function quotaStore(db: Db): QuotaStore {
  return {
    usage: (namespaceId) => exactUsage(db, namespaceId, { reserved: false }),
    async nominal(namespaceId) {
      const row = await db
        .selectFrom('repo')
        .select(sql<number>`coalesce(sum(git_bytes + lfs_bytes), 0)`.as('bytes'))
        .where('namespace_id', '=', namespaceId)
        .executeTakeFirstOrThrow()
      return row.bytes
    },
    charged: (namespaceId) => exactUsage(db, namespaceId, { reserved: true }),
    requireRoom: (repoId, extraBytes) => requireFits(db, repoId, extraBytes),
    reserve: async ({ repoId, objects, bytes, expiresAt }) => {
      // what is not counted need not be kept, and each push is spared two writes that wait for the disk
      if (objects.length === 0 && !(await isLimited(db, repoId))) return { id: undefined }
      return db.transaction().execute(async (tx) => {
        await tx.deleteFrom('quota_reservation').where('expires_at', '<=', now()).execute()
        await leaseObjects(tx, repoId, objects, expiresAt)
        const id = bytes > 0 ? newId() : undefined
        if (id)
          await tx
            .insertInto('quota_reservation')
            .values({ id, repo_id: repoId, bytes, expires_at: expiresAt })
            .execute()
        // taken first and checked after: whatever does not fit is rolled back with it
        await requireFits(tx, repoId, 0)
        return { id }
      })
    },
    async settle(id) {
      await db.deleteFrom('quota_reservation').where('id', '=', id).execute()
    },
    recountRepo: (repoId) => recount(db, repoId),
  }
}

async function isLimited(db: Reader, repoId: string): Promise<boolean> {
  const row = await db
    .selectFrom('repo')
    .innerJoin('namespace', 'namespace.id', 'repo.namespace_id')
    .select([
      'repo.quota_bytes',
      'namespace.private_quota_bytes',
      'namespace.public_quota_bytes',
      'namespace.total_quota_bytes',
    ])
    .where('repo.id', '=', repoId)
    .executeTakeFirst()
  return !row || Object.values(row).some((it) => it !== null)
}

/**
 * Throws `quota_exceeded` unless the repository, as the database now has it, and `extraBytes` more fit into its own limit
 * and into its namespace's. Part of every transaction that makes a pool fuller.
 */
export async function requireFits(
  db: Reader,
  repoId: string,
  extraBytes: number,
  options: { ownLimit?: boolean; namespaceLimit?: boolean } = {},
): Promise<void> {
  const row = await db
    .selectFrom('repo')
    .innerJoin('namespace', 'namespace.id', 'repo.namespace_id')
    .select([
      'repo.namespace_id',
      'repo.visibility',
      'repo.quota_bytes',
      'namespace.name',
      'namespace.private_quota_bytes',
      'namespace.public_quota_bytes',
      'namespace.total_quota_bytes',
    ])
    .where('repo.id', '=', repoId)
    .executeTakeFirst()
  if (!row) throw new HubError('repo_not_found', 'Repository not found')
  if (row.quota_bytes !== null && options.ownLimit !== false)
    requireBelow('repository', await repoCharged(db, repoId), extraBytes, row.quota_bytes)
  if (options.namespaceLimit === false) return
  const isPublic = row.visibility === 'public'
  const pool = isPublic ? row.public_quota_bytes : row.private_quota_bytes
  const total = row.total_quota_bytes
  if (pool === null && total === null) return
  const fits = (it: NamespaceUsage) =>
    (pool === null || (isPublic ? it.publicBytes : it.privateBytes) + extraBytes <= pool) &&
    (total === null || it.privateBytes + it.publicBytes + extraBytes <= total)
  // the exact figure costs a walk over the links: only when the upper bound does not settle it
  if (fits(await roughUsage(db, row.namespace_id))) return
  const used = await exactUsage(db, row.namespace_id, { reserved: true })
  if (pool !== null)
    requireBelow(
      `${isPublic ? 'public' : 'private'} storage of ${row.name}`,
      isPublic ? used.publicBytes : used.privateBytes,
      extraBytes,
      pool,
    )
  if (total !== null)
    requireBelow(`storage of ${row.name}`, used.privateBytes + used.publicBytes, extraBytes, total)
}

function requireBelow(what: string, used: number, extra: number, limit: number): void {
  if (used + extra > limit) throw quotaExceeded(what, { used, extra, limit })
}

/**
 * git bytes and each LFS object once per pool, however many of its repositories hold it. Objects in chunks are charged by
 * the xorbs that they stand on: each once, its stored bytes, at most the bytes of the pool's files in it. So `roughUsage`
 * stays an upper bound, and nobody pays for what others put into the same xorb.
 */
async function exactUsage(
  db: Reader,
  namespaceId: number,
  { reserved }: { reserved: boolean },
): Promise<NamespaceUsage> {
  const mine = sql`join repo on repo.id = it.repo_id
    where repo.namespace_id = ${namespaceId} and repo.state != 'deleting'`
  const leases = sql`union select ${POOL} as pool, it.oid, it.size from lfs_lease as it ${mine}
    and it.expires_at > ${now()} and ${RAW}`
  const reservations = sql`union all select ${POOL} as pool, it.bytes from quota_reservation as it
    ${mine} and it.expires_at > ${now()}`
  return sumByPool(
    db,
    sql`select ${POOL} as pool, repo.git_bytes as bytes from repo
        where repo.namespace_id = ${namespaceId} and repo.state != 'deleting'
      union all select pool, max(size) as bytes from (
        select ${POOL} as pool, it.oid, it.size from lfs_link as it ${mine} and ${RAW}
        ${reserved ? leases : sql``}
      ) as objects group by pool, oid
      union all select pool, case when bytes < raw_bytes then bytes else raw_bytes end from (
        select files.pool, max(xet_xorb.bytes) as bytes, sum(xet_file_xorb.raw_bytes) as raw_bytes
        from (select distinct ${POOL} as pool, xet_file.hash from lfs_link as it
          join xet_file on xet_file.sha256 = it.oid ${mine}) as files
        join xet_file_xorb on xet_file_xorb.file_hash = files.hash
        join xet_xorb on xet_xorb.hash = xet_file_xorb.xorb_hash
        group by files.pool, xet_xorb.hash) as xorbs
      ${reserved ? reservations : sql``} ${reserved ? pendingXorbs(namespaceId) : sql``}`,
  )
}

/** Cheap upper bound of what is charged: objects shared by several repositories are counted more than once. */
async function roughUsage(db: Reader, namespaceId: number): Promise<NamespaceUsage> {
  const mine = sql`join repo on repo.id = it.repo_id
    where repo.namespace_id = ${namespaceId} and repo.state != 'deleting' and it.expires_at > ${now()}`
  return sumByPool(
    db,
    sql`select ${POOL} as pool, repo.git_bytes + repo.lfs_bytes as bytes from repo
        where repo.namespace_id = ${namespaceId} and repo.state != 'deleting'
      union all select ${POOL} as pool, it.size as bytes from lfs_lease as it ${mine}
      union all select ${POOL} as pool, it.bytes from quota_reservation as it ${mine}
      ${pendingXorbs(namespaceId)}`,
  )
}

const RAW = sql`not exists (
  select 1 from lfs_object where lfs_object.oid = it.oid and lfs_object.storage = 'xet')`

/** Xorbs that repositories of the namespace brought and no file of theirs has stood on yet. */
function pendingXorbs(namespaceId: number): RawBuilder<unknown> {
  return sql`union all select ${POOL} as pool, max(xet_xorb.bytes) as bytes from xet_upload as it
    join xet_xorb on xet_xorb.hash = it.xorb_hash join repo on repo.id = it.repo_id
    where repo.namespace_id = ${namespaceId} and repo.state != 'deleting' and it.is_used = 0
    group by pool, xet_xorb.hash`
}

async function sumByPool(db: Reader, rows: RawBuilder<unknown>): Promise<NamespaceUsage> {
  const found = await sql<{ pool: string; bytes: number | null }>`
    select pool, sum(bytes) as bytes from (${rows}) as charged group by pool`.execute(db)
  const of = (pool: string) => Number(found.rows.find((it) => it.pool === pool)?.bytes ?? 0)
  return { privateBytes: of('private'), publicBytes: of('public') }
}

/** A repository is charged its git bytes and all of its LFS objects, shared or not, and what it has reserved. */
async function repoCharged(db: Reader, repoId: string): Promise<number> {
  const at = now()
  const { rows } = await sql<{ bytes: number | null }>`select sum(bytes) as bytes from (
      select git_bytes + lfs_bytes as bytes from repo where id = ${repoId}
      union all select lfs_lease.size from lfs_lease
        where lfs_lease.repo_id = ${repoId} and lfs_lease.expires_at > ${at} and not exists (
          select 1 from lfs_link where lfs_link.repo_id = ${repoId} and lfs_link.oid = lfs_lease.oid)
      union all select bytes from quota_reservation
        where repo_id = ${repoId} and expires_at > ${at}
    ) as charged`.execute(db)
  return Number(rows[0]?.bytes ?? 0)
}
