import { sql, type Transaction } from 'kysely'
import { HubError } from '../../domain/errors.js'
import type { LfsLock, LfsObject, LfsStore, LfsUpload } from '../../domain/ports.js'
import type { LfsPointer } from '../../domain/types.js'
import { newId } from '../../lib/ids.js'
import type { Db } from './open.js'
import { isUniqueViolation, now, pagesOf } from './rows.js'
import type { Schema } from './schema.js'

export function lfsStore(db: Db): LfsStore {
  return {
    ...objectRows(db),
    ...orphanRows(db),
    ...uploadRows(db),
    ...lockRows(db),
  }
}

type Rows<K extends keyof LfsStore> = Pick<LfsStore, K>

/** Of the files that the same bytes were uploaded as, the one that came first is served. */
const XET_HASH = sql<string | null>`case when lfs_object.storage = 'xet' then (
  select xet_file.hash from xet_file where xet_file.sha256 = lfs_object.oid
  order by xet_file.created_at, xet_file.hash limit 1) end`.as('xetHash')

function objectRows(
  db: Db,
): Rows<
  | 'findLinked'
  | 'findObject'
  | 'findObjects'
  | 'listReposWith'
  | 'lease'
  | 'release'
  | 'store'
  | 'link'
  | 'listLinks'
  | 'unlinkUnleased'
> {
  return {
    async findLinked(repoId, oids) {
      const pages = await Promise.all(
        pagesOf(oids, 2_000).map((page) =>
          db
            .selectFrom('lfs_link')
            .innerJoin('lfs_object', 'lfs_object.oid', 'lfs_link.oid')
            .select(['lfs_object.oid', 'lfs_object.size', 'lfs_object.storage', XET_HASH])
            .where('lfs_link.repo_id', '=', repoId)
            .where('lfs_link.oid', 'in', page)
            .where('lfs_object.state', '=', 'stored')
            .execute(),
        ),
      )
      return new Map(pages.flat().map((it) => [it.oid, it]))
    },
    findObject: (oid) =>
      db
        .selectFrom('lfs_object')
        .select(['oid', 'size', 'storage', XET_HASH])
        .where('oid', '=', oid)
        .where('state', '=', 'stored')
        .executeTakeFirst(),
    async findObjects(oids) {
      const pages = await Promise.all(
        pagesOf(oids, 2_000).map((page) =>
          db
            .selectFrom('lfs_object')
            .select(['oid', 'size', 'storage', XET_HASH])
            .where('oid', 'in', page)
            .where('state', '=', 'stored')
            .execute(),
        ),
      )
      return new Map(pages.flat().map((it) => [it.oid, it]))
    },
    async listReposWith(oid) {
      const rows = await db
        .selectFrom('lfs_link')
        .select('repo_id')
        .where('oid', '=', oid)
        .limit(1_000)
        .execute()
      return rows.map((it) => it.repo_id)
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
    store: (repoId, object, storage) =>
      db.transaction().execute(async (tx) => {
        await tx
          .insertInto('lfs_object')
          .values({
            oid: object.oid,
            size: object.size,
            state: 'stored',
            storage,
            created_at: now(),
          })
          // what is there stays, but chunks replace raw bytes: they are worth more to everybody
          .onConflict((oc) =>
            oc.column('oid').doUpdateSet((eb) => ({
              storage: sql<string>`case when ${eb.ref('excluded.storage')} = 'xet' then 'xet' else lfs_object.storage end`,
            })),
          )
          .execute()
        await addLinks(tx, repoId, [object])
      }),
    link: (repoId, objects) =>
      db.transaction().execute(async (tx) => {
        await addLinks(tx, repoId, objects)
      }),
    async listLinks(repoId, after, limit) {
      const rows = await db
        .selectFrom('lfs_link')
        .select(['oid', 'size', 'created_at'])
        .where('repo_id', '=', repoId)
        .where('oid', '>', after)
        .orderBy('oid')
        .limit(limit)
        .execute()
      return rows.map((it) => ({ oid: it.oid, size: it.size, createdAt: it.created_at }))
    },
    unlinkUnleased: (repoId, oids, refsDigest) =>
      db.transaction().execute(async (tx) => {
        const repo = await tx
          .selectFrom('repo')
          .select('refs_digest')
          .where('id', '=', repoId)
          .executeTakeFirst()
        if (repo?.refs_digest !== refsDigest) return undefined
        let count = 0
        for (const page of pagesOf(oids)) {
          const { numDeletedRows } = await tx
            .deleteFrom('lfs_link')
            .where('repo_id', '=', repoId)
            .where('oid', 'in', page)
            .where((eb) =>
              eb.not(
                eb.exists(
                  eb
                    .selectFrom('lfs_lease')
                    .select('lfs_lease.id')
                    .whereRef('lfs_lease.repo_id', '=', 'lfs_link.repo_id')
                    .whereRef('lfs_lease.oid', '=', 'lfs_link.oid')
                    .where('lfs_lease.expires_at', '>', now()),
                ),
              ),
            )
            .executeTakeFirst()
          count += Number(numDeletedRows)
        }
        await recount(tx, repoId)
        return count
      }),
  }
}

/** Also part of a quota reservation. Answers the oids that are being deleted right now. */
export async function leaseObjects(
  tx: Transaction<Schema>,
  repoId: string,
  objects: readonly LfsPointer[],
  expiresAt: string,
): Promise<string[]> {
  const blocked: string[] = []
  for (const page of pagesOf(objects)) {
    const oids = page.map((it) => it.oid)
    const deleting = await tx
      .selectFrom('lfs_object')
      .select('oid')
      .where('oid', 'in', oids)
      .where('state', '=', 'deleting')
      .execute()
    const skip = new Set(deleting.map((it) => it.oid))
    blocked.push(...skip)
    const rows = page
      .filter((it) => !skip.has(it.oid))
      .map((it) => ({
        id: newId(),
        oid: it.oid,
        repo_id: repoId,
        size: it.size,
        expires_at: expiresAt,
      }))
    if (rows.length)
      await tx
        .insertInto('lfs_lease')
        .values(rows)
        .onConflict((oc) =>
          oc.columns(['repo_id', 'oid']).doUpdateSet((eb) => ({
            expires_at: sql`case when lfs_lease.expires_at > ${expiresAt} then lfs_lease.expires_at else ${expiresAt} end`,
            size: eb.ref('excluded.size'),
          })),
        )
        .execute()
  }
  return blocked
}

async function addLinks(
  tx: Transaction<Schema>,
  repoId: string,
  objects: readonly { oid: string; size: number }[],
): Promise<void> {
  for (const page of pagesOf(objects)) {
    const before = await linkedBytes(tx, repoId, page)
    await tx
      .insertInto('lfs_link')
      .values(
        page.map((it) => ({ repo_id: repoId, oid: it.oid, size: it.size, created_at: now() })),
      )
      .onConflict((oc) => oc.columns(['repo_id', 'oid']).doNothing())
      .execute()
    const added = (await linkedBytes(tx, repoId, page)) - before
    if (added !== 0)
      await tx
        .updateTable('repo')
        .set((eb) => ({ lfs_bytes: eb('lfs_bytes', '+', added) }))
        .where('id', '=', repoId)
        .execute()
  }
}

async function linkedBytes(
  tx: Transaction<Schema>,
  repoId: string,
  objects: readonly { oid: string }[],
): Promise<number> {
  const row = await tx
    .selectFrom('lfs_link')
    .select((eb) => eb.fn.sum<number | null>('size').as('bytes'))
    .where('repo_id', '=', repoId)
    .where(
      'oid',
      'in',
      objects.map((it) => it.oid),
    )
    .executeTakeFirst()
  return Number(row?.bytes ?? 0)
}

export async function recount(tx: Db | Transaction<Schema>, repoId: string): Promise<number> {
  const row = await tx
    .selectFrom('lfs_link')
    .select((eb) => eb.fn.sum<number | null>('size').as('bytes'))
    .where('repo_id', '=', repoId)
    .executeTakeFirst()
  const bytes = Number(row?.bytes ?? 0)
  await tx.updateTable('repo').set({ lfs_bytes: bytes }).where('id', '=', repoId).execute()
  return bytes
}

function orphanRows(
  db: Db,
): Rows<
  | 'listOrphans'
  | 'claimOrphan'
  | 'dropOrphan'
  | 'listDeleting'
  | 'purgeExpiredLeases'
  | 'scanObjects'
> {
  const unused = () =>
    sql<boolean>`not exists (select 1 from lfs_link where lfs_link.oid = lfs_object.oid)
    and not exists (select 1 from lfs_lease where lfs_lease.oid = lfs_object.oid and lfs_lease.expires_at > ${now()})`
  return {
    listOrphans: (before, after, limit) =>
      db
        .selectFrom('lfs_object')
        .select(['oid', 'size', 'storage'])
        .where('state', '=', 'stored')
        .where('created_at', '<=', before)
        .where('oid', '>', after)
        .where(unused())
        .orderBy('oid')
        .limit(limit)
        .execute(),
    async claimOrphan(oid) {
      const { numUpdatedRows } = await db
        .updateTable('lfs_object')
        .set({ state: 'deleting' })
        .where('oid', '=', oid)
        .where('state', '=', 'stored')
        .where(unused())
        .executeTakeFirst()
      return numUpdatedRows > 0n
    },
    dropOrphan: (oid) =>
      db.transaction().execute(async (tx) => {
        const { numDeletedRows } = await tx
          .deleteFrom('lfs_object')
          .where('oid', '=', oid)
          .where('state', '=', 'deleting')
          .executeTakeFirst()
        // the xorbs that it stood on stay for their own grace period
        if (numDeletedRows > 0n) await tx.deleteFrom('xet_file').where('sha256', '=', oid).execute()
      }),
    listDeleting: () =>
      db
        .selectFrom('lfs_object')
        .select(['oid', 'size', 'storage'])
        .where('state', '=', 'deleting')
        .execute(),
    async purgeExpiredLeases() {
      await db.deleteFrom('lfs_lease').where('expires_at', '<=', now()).execute()
    },
    scanObjects: (after, limit): Promise<LfsObject[]> =>
      db
        .selectFrom('lfs_object')
        .select(['oid', 'size', 'storage'])
        .where('state', '=', 'stored')
        .where('oid', '>', after)
        .orderBy('oid')
        .limit(limit)
        .execute(),
  }
}

function uploadRows(
  db: Db,
): Rows<'createUpload' | 'findUpload' | 'findUploadFor' | 'deleteUpload' | 'listExpiredUploads'> {
  const toUpload = (row: {
    id: string
    repo_id: string
    oid: string
    size: number
    store_upload_id: string | null
    part_size: number
    expires_at: string
  }): LfsUpload => ({
    id: row.id,
    repoId: row.repo_id,
    oid: row.oid,
    size: row.size,
    storeUploadId: row.store_upload_id,
    partSize: row.part_size,
    expiresAt: row.expires_at,
  })
  return {
    async createUpload(upload) {
      const row = await db
        .insertInto('lfs_upload')
        .values({
          id: newId(),
          repo_id: upload.repoId,
          oid: upload.oid,
          size: upload.size,
          store_upload_id: upload.storeUploadId,
          part_size: upload.partSize,
          created_at: now(),
          expires_at: upload.expiresAt,
        })
        .returningAll()
        .executeTakeFirstOrThrow()
      return toUpload(row)
    },
    async findUpload(id) {
      const row = await db
        .selectFrom('lfs_upload')
        .selectAll()
        .where('id', '=', id)
        .executeTakeFirst()
      return row && toUpload(row)
    },
    async findUploadFor(repoId, oid) {
      const row = await db
        .selectFrom('lfs_upload')
        .selectAll()
        .where('repo_id', '=', repoId)
        .where('oid', '=', oid)
        .where('expires_at', '>', now())
        .executeTakeFirst()
      return row && toUpload(row)
    },
    async deleteUpload(id) {
      await db.deleteFrom('lfs_upload').where('id', '=', id).execute()
    },
    async listExpiredUploads() {
      const rows = await db
        .selectFrom('lfs_upload')
        .selectAll()
        .where('expires_at', '<=', now())
        .limit(1_000)
        .execute()
      return rows.map(toUpload)
    },
  }
}

function lockRows(db: Db): Rows<'createLock' | 'findLock' | 'listLocks' | 'deleteLock'> {
  const toLock = (row: {
    id: string
    path: string
    ref: string | null
    owner_id: number
    owner_name: string
    locked_at: string
  }): LfsLock => ({
    id: row.id,
    path: row.path,
    ref: row.ref,
    ownerId: row.owner_id,
    ownerName: row.owner_name,
    lockedAt: row.locked_at,
  })
  return {
    async createLock(repoId, lock) {
      try {
        const row = await db
          .insertInto('lfs_lock')
          .values({
            id: newId(),
            repo_id: repoId,
            path: lock.path,
            ref: lock.ref,
            owner_id: lock.ownerId,
            owner_name: lock.ownerName,
            locked_at: now(),
          })
          .returningAll()
          .executeTakeFirstOrThrow()
        return toLock(row)
      } catch (err) {
        if (!isUniqueViolation(err)) throw err
        const [existing] = await db
          .selectFrom('lfs_lock')
          .selectAll()
          .where('repo_id', '=', repoId)
          .where('path', '=', lock.path)
          .execute()
        throw new HubError('conflict', 'already created lock', {
          lock: existing && toLock(existing),
        })
      }
    },
    async findLock(repoId, id) {
      const row = await db
        .selectFrom('lfs_lock')
        .selectAll()
        .where('repo_id', '=', repoId)
        .where('id', '=', id)
        .executeTakeFirst()
      return row && toLock(row)
    },
    async listLocks(repoId, filter) {
      let q = db.selectFrom('lfs_lock').selectAll().where('repo_id', '=', repoId)
      if (filter.path !== undefined) q = q.where('path', '=', filter.path)
      if (filter.id !== undefined) q = q.where('id', '=', filter.id)
      if (filter.ref !== undefined) q = q.where('ref', '=', filter.ref)
      if (filter.after !== undefined) q = q.where('id', '>', filter.after)
      return (await q.orderBy('id').limit(filter.limit).execute()).map(toLock)
    },
    async deleteLock(repoId, id) {
      await db.deleteFrom('lfs_lock').where('repo_id', '=', repoId).where('id', '=', id).execute()
    },
  }
}
