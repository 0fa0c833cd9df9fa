import { sql, type Transaction } from 'kysely'
import type { LfsPointer } from '../../domain/types.js'
import { newId } from '../../lib/ids.js'
import type { Db } from './open.js'
import { now, pagesOf } from './rows.js'
import type { Schema } from './schema.js'

/* Steps that several LFS transactions share. */

export function objectRow(object: LfsPointer, key: string | null, writableUntil: string | null) {
  return {
    oid: object.oid,
    size: object.size,
    storage: 'raw',
    key,
    writable_until: writableUntil,
    created_at: now(),
  }
}

/** Bytes that are to be deleted. The key is never used again. */
export async function addDiscard(
  tx: Transaction<Schema>,
  discard: { key: string; storeUploadId?: string | null; until: string | null },
): Promise<void> {
  await tx
    .insertInto('lfs_discard')
    .values({
      key: discard.key,
      store_upload_id: discard.storeUploadId ?? null,
      until: discard.until ?? now(),
    })
    .onConflict((oc) => oc.column('key').doNothing())
    .execute()
}

/** Also part of a quota reservation. */
export async function leaseObjects(
  tx: Transaction<Schema>,
  repoId: string,
  objects: readonly LfsPointer[],
  expiresAt: string,
): Promise<void> {
  const once = [...new Map(objects.map((it) => [it.oid, it])).values()]
  for (const page of pagesOf(once)) {
    await tx
      .insertInto('lfs_lease')
      .values(
        page.map(({ oid, size }) => ({
          id: newId(),
          oid,
          repo_id: repoId,
          size,
          expires_at: expiresAt,
        })),
      )
      .onConflict((oc) =>
        oc.columns(['repo_id', 'oid']).doUpdateSet((eb) => ({
          expires_at: sql`case when lfs_lease.expires_at > ${expiresAt} then lfs_lease.expires_at else ${expiresAt} end`,
          size: eb.ref('excluded.size'),
        })),
      )
      .execute()
    await pardon(
      tx,
      repoId,
      page.map((it) => it.oid),
    )
  }
}

/** Lifts the collector's marks. */
export async function pardon(
  tx: Db | Transaction<Schema>,
  repoId: string,
  oids: readonly string[],
): Promise<void> {
  for (const page of pagesOf(oids))
    await tx
      .updateTable('lfs_link')
      .set({ condemned_at: null })
      .where('repo_id', '=', repoId)
      .where('oid', 'in', page)
      .where('condemned_at', 'is not', null)
      .execute()
}

export async function addLinks(
  tx: Transaction<Schema>,
  repoId: string,
  objects: readonly LfsPointer[],
): Promise<void> {
  for (const page of pagesOf(objects)) {
    const oids = page.map((it) => it.oid)
    const added = await tx
      .insertInto('lfs_link')
      .values(
        page.map((it) => ({
          repo_id: repoId,
          oid: it.oid,
          size: it.size,
          created_at: now(),
          condemned_at: null,
        })),
      )
      .onConflict((oc) => oc.columns(['repo_id', 'oid']).doNothing())
      .returning('size')
      .execute()
    if (added.length < page.length) await pardon(tx, repoId, oids)
    await tx
      .deleteFrom('lfs_removed')
      .where('repo_id', '=', repoId)
      .where('oid', 'in', oids)
      .execute()
    const bytes = added.reduce((sum, it) => sum + it.size, 0)
    if (bytes !== 0)
      await tx
        .updateTable('repo')
        .set((eb) => ({ lfs_bytes: eb('lfs_bytes', '+', bytes) }))
        .where('id', '=', repoId)
        .execute()
  }
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
