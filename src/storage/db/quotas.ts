import { sql } from 'kysely'
import type { NamespaceUsage, QuotaStore } from '../../domain/ports.js'
import { recount } from './lfs.js'
import type { Db } from './open.js'

export function quotaStore(db: Db): QuotaStore {
  const byPool = (rows: readonly { pool: string; bytes: number | null }[]): NamespaceUsage => {
    const of = (pool: string) => Number(rows.find((it) => it.pool === pool)?.bytes ?? 0)
    return { privateBytes: of('private'), publicBytes: of('public') }
  }
  const pool = sql<string>`case when repo.visibility = 'public' then 'public' else 'private' end`
  return {
    async usage(namespaceId) {
      const git = await db
        .selectFrom('repo')
        .select([pool.as('pool'), (eb) => eb.fn.sum<number | null>('git_bytes').as('bytes')])
        .where('namespace_id', '=', namespaceId)
        .where('state', '!=', 'deleting')
        .groupBy('pool')
        .execute()
      // each object once per pool, however many repositories of the namespace link it
      const lfs = await sql<{ pool: string; bytes: number | null }>`
        select pool, sum(size) as bytes from (
          select distinct ${pool} as pool, lfs_link.oid, lfs_link.size from lfs_link
          join repo on repo.id = lfs_link.repo_id
          where repo.namespace_id = ${namespaceId} and repo.state != 'deleting'
        ) as unique_links group by pool`.execute(db)
      const a = byPool(git)
      const b = byPool(lfs.rows)
      return {
        privateBytes: a.privateBytes + b.privateBytes,
        publicBytes: a.publicBytes + b.publicBytes,
      }
    },
    async roughUsage(namespaceId) {
      const rows = await db
        .selectFrom('repo')
        .select([pool.as('pool'), sql<number | null>`sum(git_bytes + lfs_bytes)`.as('bytes')])
        .where('namespace_id', '=', namespaceId)
        .where('state', '!=', 'deleting')
        .groupBy('pool')
        .execute()
      return byPool(rows)
    },
    recountRepo: (repoId) => recount(db, repoId),
    async bytesNewTo(repoId, namespaceId, target) {
      const inPool =
        target === 'public' ? sql`repo.visibility = 'public'` : sql`repo.visibility != 'public'`
      const { rows } = await sql<{ bytes: number | null }>`
        select (select git_bytes from repo where id = ${repoId}) + coalesce((
          select sum(mine.size) from lfs_link as mine where mine.repo_id = ${repoId} and not exists (
            select 1 from lfs_link as other join repo on repo.id = other.repo_id
            where other.oid = mine.oid and other.repo_id != ${repoId}
              and repo.namespace_id = ${namespaceId} and ${inPool} and repo.state != 'deleting')
        ), 0) as bytes`.execute(db)
      return Number(rows[0]?.bytes ?? 0)
    },
  }
}
