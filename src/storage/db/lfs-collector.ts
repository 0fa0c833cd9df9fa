import { sql } from 'kysely'
import type { LfsCollectorStore } from '../../domain/lfs/ports.js'
import { addDiscard, pardon, recount } from './lfs-rows.js'
import type { Db } from './open.js'
import { now, pagesOf } from './rows.js'

const LEASED = () => sql<boolean>`exists (select 1 from lfs_lease
  where lfs_lease.repo_id = lfs_link.repo_id and lfs_lease.oid = lfs_link.oid and lfs_lease.expires_at > ${now()})`

const WANTED =
  () => sql<boolean>`(exists (select 1 from lfs_link where lfs_link.oid = lfs_object.oid)
  or exists (select 1 from lfs_lease where lfs_lease.oid = lfs_object.oid and lfs_lease.expires_at > ${now()}))`

export function lfsCollectorStore(db: Db): LfsCollectorStore {
  return {
    async listLinks(repoId, after, limit) {
      const rows = await db
        .selectFrom('lfs_link')
        .select(['oid', 'size', 'condemned_at'])
        .where('repo_id', '=', repoId)
        .where('oid', '>', after)
        .orderBy('oid')
        .limit(limit)
        .execute()
      return rows.map((it) => ({ oid: it.oid, size: it.size, condemned: it.condemned_at !== null }))
    },
    async listUnleased(repoId, oids) {
      const pages = await Promise.all(
        pagesOf(oids).map((page) =>
          db
            .selectFrom('lfs_link')
            .select('oid')
            .where('repo_id', '=', repoId)
            .where('oid', 'in', page)
            .where((eb) => eb.not(LEASED()))
            .execute(),
        ),
      )
      return pages.flat().map((it) => it.oid)
    },
    condemn: (repoId, oids) =>
      db.transaction().execute(async (tx) => {
        const marked: string[] = []
        for (const page of pagesOf(oids)) {
          const rows = await tx
            .updateTable('lfs_link')
            .set({ condemned_at: sql`coalesce(condemned_at, ${now()})` })
            .where('repo_id', '=', repoId)
            .where('oid', 'in', page)
            .where((eb) => eb.not(LEASED()))
            .returning('oid')
            .execute()
          marked.push(...rows.map((it) => it.oid))
        }
        return marked
      }),
    pardon: (repoId, oids) => pardon(db, repoId, oids),
    unlinkCondemned: (repoId, oids, refsDigest) =>
      db.transaction().execute(async (tx) => {
        const repo = await tx
          .selectFrom('repo')
          .select('refs_digest')
          .where('id', '=', repoId)
          .executeTakeFirst()
        if (repo?.refs_digest !== refsDigest) return 0
        let count = 0
        for (const page of pagesOf(oids)) {
          const rows = await tx
            .deleteFrom('lfs_link')
            .where('repo_id', '=', repoId)
            .where('oid', 'in', page)
            .where('condemned_at', 'is not', null)
            .where((eb) => eb.not(LEASED()))
            .returning('oid')
            .execute()
          if (rows.length)
            await tx
              .insertInto('lfs_removed')
              .values(rows.map(({ oid }) => ({ repo_id: repoId, oid, removed_at: now() })))
              .onConflict((oc) => oc.columns(['repo_id', 'oid']).doNothing())
              .execute()
          count += rows.length
        }
        await recount(tx, repoId)
        return count
      }),
    listOrphans: (before, after, limit) =>
      db
        .selectFrom('lfs_object')
        .select(['oid', 'size', 'storage', 'key'])
        .where('created_at', '<=', before)
        .where('oid', '>', after)
        .where((eb) => eb.not(WANTED()))
        .orderBy('oid')
        .limit(limit)
        .execute(),
    async countLinks(oids, before) {
      const pages = await Promise.all(
        pagesOf(oids).map((page) =>
          db
            .selectFrom('lfs_object')
            .select([
              'oid',
              'size',
              sql<number>`(select count(*) from lfs_link where lfs_link.oid = lfs_object.oid)`.as(
                'links',
              ),
            ])
            .where('oid', 'in', page)
            .where('created_at', '<=', before)
            .where(
              sql<boolean>`not exists (select 1 from lfs_lease where lfs_lease.oid = lfs_object.oid
                and lfs_lease.expires_at > ${now()})`,
            )
            .execute(),
        ),
      )
      return pages.flat()
    },
    takeOrphan: (oid) =>
      db.transaction().execute(async (tx) => {
        const row = await tx
          .deleteFrom('lfs_object')
          .where('oid', '=', oid)
          .where((eb) => eb.not(WANTED()))
          .returning(['key', 'writable_until'])
          .executeTakeFirst()
        if (!row) return false
        if (row.key) await addDiscard(tx, { key: row.key, until: row.writable_until })
        // the xorbs that it stood on stay for their own grace period
        await tx.deleteFrom('xet_file').where('sha256', '=', oid).execute()
        return true
      }),
    discard: (key) => db.transaction().execute((tx) => addDiscard(tx, { key, until: null })),
    async listDiscards(after, limit) {
      const rows = await db
        .selectFrom('lfs_discard')
        .selectAll()
        .where('key', '>', after)
        .orderBy('key')
        .limit(limit)
        .execute()
      return rows.map((it) => ({
        key: it.key,
        storeUploadId: it.store_upload_id,
        until: it.until,
      }))
    },
    async dropDiscard(key) {
      await db.deleteFrom('lfs_discard').where('key', '=', key).execute()
    },
    async purgeExpiredLeases() {
      await db.deleteFrom('lfs_lease').where('expires_at', '<=', now()).execute()
    },
  }
}
