import type { Selectable, Transaction } from 'kysely'
import type { LfsUpload, LfsUploadStore } from '../../domain/lfs/ports.js'
import type { LfsPointer } from '../../domain/types.js'
import { newId } from '../../lib/ids.js'
import { GroupCommit } from './group-commit.js'
import type { LateSync } from './late-sync.js'
import { addDiscard, addLinks, leaseObjects, objectRow } from './lfs-rows.js'
import type { Db } from './open.js'
import { now, pagesOf } from './rows.js'
import type { Schema } from './schema.js'

const LOOKUP = 2_000
const PAGE = 1_000

export function lfsUploadStore(db: Db, late: LateSync): LfsUploadStore {
  const finishing = new GroupCommit(late, finish)
  return {
    openUploads: (repoId, objects, expiresAt) =>
      db.transaction().execute(async (tx) => {
        const once = [...new Map(objects.map((it) => [it.oid, it])).values()]
        const open = new Map<string, LfsUpload>()
        for (const page of pagesOf(once)) {
          const rows = await tx
            .insertInto('lfs_upload')
            .values(page.map((it) => newRow(repoId, it, expiresAt)))
            .onConflict((oc) =>
              oc.columns(['repo_id', 'oid']).doUpdateSet({ expires_at: expiresAt }),
            )
            .returningAll()
            .execute()
          for (const row of rows) open.set(row.oid, toUpload(row))
        }
        // another size was promised before: one of the two is wrong, and those bytes cannot be shared
        for (const object of once) {
          const upload = open.get(object.oid)
          if (!upload || upload.size === object.size) continue
          await end(tx, upload.id)
          open.set(object.oid, toUpload(await add(tx, repoId, object, expiresAt)))
        }
        return open
      }),
    async findUpload(id) {
      const row = await db
        .selectFrom('lfs_upload')
        .selectAll()
        .where('id', '=', id)
        .executeTakeFirst()
      return row && toUpload(row)
    },
    async findUploads(repoId, oids) {
      const pages = await Promise.all(
        pagesOf(oids, LOOKUP).map((page) =>
          db
            .selectFrom('lfs_upload')
            .selectAll()
            .where('repo_id', '=', repoId)
            .where('oid', 'in', page)
            .execute(),
        ),
      )
      return pages.flat().map(toUpload)
    },
    beginParts: (id, storeUploadId, partSize) =>
      db.transaction().execute(async (tx) => {
        await tx
          .updateTable('lfs_upload')
          .set({ store_upload_id: storeUploadId, part_size: partSize })
          .where('id', '=', id)
          .where('store_upload_id', 'is', null)
          .execute()
        const row = await tx
          .selectFrom('lfs_upload')
          .selectAll()
          .where('id', '=', id)
          .executeTakeFirst()
        return row && toUpload(row)
      }),
    finishUpload: (id, options) => finishing.run({ id, ...options }),
    endUpload: (id) => db.transaction().execute((tx) => end(tx, id)),
    async expireUploads() {
      for (let count = 0; ; ) {
        const expired = await db.transaction().execute(async (tx) => {
          const rows = await tx
            .selectFrom('lfs_upload')
            .select('id')
            .where('expires_at', '<=', now())
            .limit(PAGE)
            .execute()
          for (const { id } of rows) await end(tx, id)
          return rows.length
        })
        count += expired
        if (expired < PAGE) return count
      }
    },
  }
}

interface Finish {
  readonly id: string
  readonly leaseUntil: string
  readonly writableUntil: string | null
}

/** As many statements for a group as for one upload (of one repository). */
async function finish(
  tx: Transaction<Schema>,
  orders: readonly Finish[],
): Promise<('stored' | 'surplus' | 'ended')[]> {
  const orderOf = new Map(orders.map((it) => [it.id, it]))
  const uploads = await tx
    .deleteFrom('lfs_upload')
    .where('id', 'in', [...orderOf.keys()])
    .returningAll()
    .execute()
  const repoIds = [...new Set(uploads.map((it) => it.repo_id))]
  const repos = repoIds.length
    ? await tx.selectFrom('repo').select('id').where('id', 'in', repoIds).execute()
    : []
  const live = new Set(repos.map((it) => it.id))
  const wanted = uploads.filter((it) => live.has(it.repo_id))
  const untilOf = (id: string) => orderOf.get(id)?.writableUntil ?? null
  const inserted = wanted.length
    ? await tx
        .insertInto('lfs_object')
        .values(wanted.map((it) => objectRow(it, it.key, untilOf(it.id))))
        .onConflict((oc) => oc.column('oid').doNothing())
        .returning('key')
        .execute()
    : []
  const stored = new Set(inserted.map((it) => it.key))
  for (const { id, key } of uploads)
    if (!stored.has(key)) await addDiscard(tx, { key, until: untilOf(id) })
  for (const repoId of live) {
    const here = wanted.filter((it) => it.repo_id === repoId)
    const until = here.map((it) => orderOf.get(it.id)?.leaseUntil ?? '').sort()
    await addLinks(tx, repoId, here)
    await leaseObjects(tx, repoId, here, until.at(-1) ?? '')
  }
  const keyOf = new Map(wanted.map((it) => [it.id, it.key]))
  return orders.map(({ id }) => {
    const key = keyOf.get(id)
    if (key === undefined) return 'ended'
    return stored.has(key) ? 'stored' : 'surplus'
  })
}

/** Each upload's bytes go where no others ever go. */
function newRow(repoId: string, { oid, size }: LfsPointer, expiresAt: string) {
  const id = newId()
  return {
    id,
    repo_id: repoId,
    oid,
    size,
    key: `lfs/${oid.slice(0, 2)}/${oid.slice(2, 4)}/${oid}-${id}`,
    store_upload_id: null,
    part_size: 0,
    expires_at: expiresAt,
  }
}

function add(
  tx: Transaction<Schema>,
  repoId: string,
  object: LfsPointer,
  expiresAt: string,
): Promise<Selectable<Schema['lfs_upload']>> {
  return tx
    .insertInto('lfs_upload')
    .values(newRow(repoId, object, expiresAt))
    .returningAll()
    .executeTakeFirstOrThrow()
}

async function end(tx: Transaction<Schema>, id: string): Promise<void> {
  const row = await tx
    .deleteFrom('lfs_upload')
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst()
  if (row)
    await addDiscard(tx, {
      key: row.key,
      storeUploadId: row.store_upload_id,
      until: row.expires_at,
    })
}

function toUpload(row: Selectable<Schema['lfs_upload']>): LfsUpload {
  return {
    id: row.id,
    repoId: row.repo_id,
    oid: row.oid,
    size: row.size,
    key: row.key,
    storeUploadId: row.store_upload_id,
    partSize: row.part_size,
    expiresAt: row.expires_at,
  }
}
