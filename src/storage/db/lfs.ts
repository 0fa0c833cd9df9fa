import { sql } from 'kysely'
import type { LfsObject, LfsStore } from '../../domain/lfs/ports.js'
import type { HotStatements } from './hot-statements.js'
import type { LateSync } from './late-sync.js'
import { lfsCollectorStore } from './lfs-collector.js'
import { lfsLockStore } from './lfs-locks.js'
import { addDiscard, addLinks, leaseObjects, objectRow } from './lfs-rows.js'
import { lfsUploadStore } from './lfs-uploads.js'
import type { Opened } from './open.js'
import { pagesOf } from './rows.js'
import { isVisible } from './visible.js'

/** Pages of lists that are only looked up. */
const LOOKUP = 2_000

/** Of the files that the same bytes were uploaded as, the one that came first is served. */
const XET_HASH = sql<string | null>`case when lfs_object.storage = 'xet' then (
  select xet_file.hash from xet_file where xet_file.sha256 = lfs_object.oid
  order by xet_file.created_at, xet_file.hash limit 1) end`.as('xetHash')

const OBJECT = [
  'lfs_object.oid',
  'lfs_object.size',
  'lfs_object.storage',
  'lfs_object.key',
] as const

export function lfsStore({ db, hot }: Opened, late: LateSync): LfsStore {
  return {
    ...lfsUploadStore({ db, hot }, late),
    ...lfsCollectorStore(db),
    ...lfsLockStore(db),
    async findLinked(repoId, oids) {
      if (oids.length === 1)
        return byOid([await hot.whenFree(db, () => findOne(hot, repoId, oids))])
      const pages = await Promise.all(
        pagesOf(oids, LOOKUP).map((page) =>
          db
            .selectFrom('lfs_link')
            .innerJoin('lfs_object', 'lfs_object.oid', 'lfs_link.oid')
            .select([...OBJECT, XET_HASH])
            .where('lfs_link.repo_id', '=', repoId)
            .where('lfs_link.oid', 'in', page)
            .execute(),
        ),
      )
      return byOid(pages)
    },
    findObject: (oid) =>
      db
        .selectFrom('lfs_object')
        .select([...OBJECT, XET_HASH])
        .where('oid', '=', oid)
        .executeTakeFirst(),
    async findVisible(oids, who) {
      const pages = await Promise.all(
        pagesOf(oids, LOOKUP).map((page) => {
          // a gated repository's files need a grant, which this does not know of
          const visible = sql<boolean>`exists (select 1 from lfs_link
            join repo on repo.id = lfs_link.repo_id
            where lfs_link.oid = lfs_object.oid and repo.state = 'ready' and repo.disabled = 0
              and repo.gate = 'none' and ${isVisible(who)})`
          return db
            .selectFrom('lfs_object')
            .select(OBJECT)
            .where('lfs_object.oid', 'in', page)
            .where(visible)
            .execute()
        }),
      )
      return byOid(pages)
    },
    async findRemoved(repoId, oids) {
      const pages = await Promise.all(
        pagesOf(oids, LOOKUP).map((page) =>
          db
            .selectFrom('lfs_removed')
            .select('oid')
            .where('repo_id', '=', repoId)
            .where('oid', 'in', page)
            .execute(),
        ),
      )
      return new Set(pages.flat().map((it) => it.oid))
    },
    lease: (repoId, objects, expiresAt) =>
      db.transaction().execute((tx) => leaseObjects(tx, repoId, objects, expiresAt)),
    async release(repoId, oids) {
      for (const page of pagesOf(oids))
        await db
          .deleteFrom('lfs_lease')
          .where('repo_id', '=', repoId)
          .where('oid', 'in', page)
          .execute()
    },
    link: (repoId, objects) =>
      db.transaction().execute(async (tx) => {
        const linked = new Set<string>()
        for (const page of pagesOf(objects)) {
          const oids = page.map((it) => it.oid)
          const there = await tx
            .selectFrom('lfs_object')
            .select(['oid', 'size'])
            .where('oid', 'in', oids)
            .execute()
          await addLinks(tx, repoId, there)
          for (const { oid } of there) linked.add(oid)
        }
        return linked
      }),
    async listFiles(repoId, after, limit) {
      const links = await db
        .selectFrom('lfs_link')
        .select(['oid', 'size', 'created_at as linkedAt'])
        .where('repo_id', '=', repoId)
        .where('oid', '>', after)
        .orderBy('oid')
        .limit(limit)
        .execute()
      const files = await db
        .selectFrom('file')
        .select(({ fn }) => ['lfs_oid', fn.min<string>('path').as('path')])
        .where('repo_id', '=', repoId)
        .where(
          'lfs_oid',
          'in',
          links.map((it) => it.oid),
        )
        .groupBy('lfs_oid')
        .execute()
      const paths = new Map(files.map((it) => [it.lfs_oid, it.path]))
      return links.map((it) => ({ ...it, path: paths.get(it.oid) ?? null }))
    },
    storeChunked: (repoId, object) =>
      db.transaction().execute(async (tx) => {
        // chunks replace raw bytes: they are worth more to everybody
        const row = await tx
          .insertInto('lfs_object')
          .values({ ...objectRow(object, null, null), storage: 'xet' })
          .onConflict((oc) => oc.column('oid').doUpdateSet({ storage: 'xet' }))
          .returning('key')
          .executeTakeFirstOrThrow()
        await addLinks(tx, repoId, [object])
        return { rawLeft: row.key !== null }
      }),
    discardRaw: (oid) =>
      db.transaction().execute(async (tx) => {
        const row = await tx
          .selectFrom('lfs_object')
          .select(['key', 'writable_until'])
          .where('oid', '=', oid)
          .where('storage', '=', 'xet')
          .executeTakeFirst()
        if (!row?.key) return
        await addDiscard(tx, { key: row.key, until: row.writable_until })
        await tx.updateTable('lfs_object').set({ key: null }).where('oid', '=', oid).execute()
      }),
    scanObjects: (after, limit) =>
      db
        .selectFrom('lfs_object')
        .select(OBJECT)
        .where('oid', '>', after)
        .orderBy('oid')
        .limit(limit)
        .execute(),
  }
}

const FIND_ONE = `select lfs_object.oid, lfs_object.size, storage, key, case when storage = 'xet' then (
    select xet_file.hash from xet_file where xet_file.sha256 = lfs_object.oid
    order by xet_file.created_at, xet_file.hash limit 1) end as "xetHash"
  from lfs_link join lfs_object on lfs_object.oid = lfs_link.oid
  where lfs_link.repo_id = ? and lfs_link.oid = ?`

/** Every download asks it. */
function findOne(hot: HotStatements, repoId: string, oids: readonly string[]): LfsObject[] {
  const object = hot.of(FIND_ONE).get(repoId, oids[0]) as LfsObject | undefined
  return object ? [object] : []
}

function byOid<T extends LfsObject>(pages: readonly (readonly T[])[]): Map<string, T> {
  return new Map(pages.flat().map((it) => [it.oid, it]))
}
