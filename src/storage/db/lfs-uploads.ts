import type { Selectable, Transaction } from 'kysely'
import type { LfsUpload, LfsUploadStore } from '../../domain/lfs/ports.js'
import type { LfsPointer } from '../../domain/types.js'
import { newId } from '../../lib/ids.js'
import { GroupCommit } from './group-commit.js'
import type { LateSync } from './late-sync.js'
import { finishUploads } from './lfs-finish.js'
import { addDiscard } from './lfs-rows.js'
import type { Opened } from './open.js'
import { now, pagesOf } from './rows.js'
import type { Schema } from './schema.js'

/** Every upload asks it. */
const FIND_ONE = `select * from lfs_upload where repo_id = ? and oid = ?`

type UploadRow = Selectable<Schema['lfs_upload']>

const LOOKUP = 2_000
const PAGE = 1_000

export function lfsUploadStore({ db, hot }: Opened, late: LateSync): LfsUploadStore {
  const finishing = new GroupCommit(late, finishUploads)
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
      if (oids.length === 1) {
        const read = () => hot.of(FIND_ONE).get(repoId, oids[0]) as UploadRow | undefined
        const row = await hot.whenFree(db, read)
        return row ? [toUpload(row)] : []
      }
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
): Promise<UploadRow> {
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

function toUpload(row: UploadRow): LfsUpload {
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
