import { type Selectable, sql, type Transaction } from 'kysely'
import { HubError } from '../../domain/errors.js'
import type { XetStore, Xorb } from '../../domain/xet/ports.js'
import type { Db } from './open.js'
import { requireFits } from './quotas.js'
import { now, pagesOf } from './rows.js'
import type { Schema } from './schema.js'

type Tx = Transaction<Schema>
type Rows<K extends keyof XetStore> = Pick<XetStore, K>

export function xetStore(db: Db): XetStore {
  return {
    ...xorbRows(db),
    ...fileRows(db),
    ...dedupeRows(db),
    ...unusedRows(db),
    ...usageRows(db),
  }
}

const toXorb = (row: Selectable<Schema['xet_xorb']>): Xorb => ({
  hash: row.hash,
  nonce: row.nonce,
  bytes: row.bytes,
  rawBytes: row.raw_bytes,
  chunks: row.chunks,
})

function xorbRows(
  db: Db,
): Rows<'findXorbs' | 'addXorb' | 'addUpload' | 'findUpload' | 'touch' | 'scanXorbs' | 'isKnown'> {
  return {
    async findXorbs(hashes) {
      const found = new Map<string, Xorb>()
      for (const page of pagesOf(hashes)) {
        const rows = await db
          .selectFrom('xet_xorb')
          .selectAll()
          .where('hash', 'in', page)
          .where('state', '=', 'stored')
          .execute()
        for (const row of rows) found.set(row.hash, toXorb(row))
      }
      return found
    },
    addXorb: (xorb, dedupeChunks) =>
      db.transaction().execute(async (tx) => {
        const known = await tx
          .selectFrom('xet_xorb')
          .selectAll()
          .where('hash', '=', xorb.hash)
          .executeTakeFirst()
        if (known?.state === 'stored') {
          await touchRows(tx, [xorb.hash])
          return toXorb(known)
        }
        const row = {
          hash: xorb.hash,
          nonce: xorb.nonce,
          bytes: xorb.bytes,
          raw_bytes: xorb.rawBytes,
          chunks: xorb.chunks,
          state: 'stored' as const,
          created_at: now(),
          touched_at: now(),
        }
        // one that is being deleted comes back under its new nonce; the deletion goes on with the old object
        await tx
          .insertInto('xet_xorb')
          .values(row)
          .onConflict((oc) => oc.column('hash').doUpdateSet(row))
          .execute()
        await addChunks(tx, xorb.hash, dedupeChunks)
        return xorb
      }),
    addUpload: async (repoId, xorbHash) => {
      const { numInsertedOrUpdatedRows } = await db
        .insertInto('xet_upload')
        .values({ repo_id: repoId, xorb_hash: xorbHash, is_used: 0, created_at: now() })
        .onConflict((oc) => oc.columns(['repo_id', 'xorb_hash']).doNothing())
        .executeTakeFirst()
      return (numInsertedOrUpdatedRows ?? 0n) > 0n
    },
    async findUpload(repoId, xorbHash) {
      const row = await db
        .selectFrom('xet_upload')
        .select('xorb_hash')
        .where('repo_id', '=', repoId)
        .where('xorb_hash', '=', xorbHash)
        .executeTakeFirst()
      return row !== undefined
    },
    touch: (hashes) =>
      db.transaction().execute(async (tx) => {
        const touched = new Set(await touchRows(tx, hashes))
        return hashes.filter((it) => !touched.has(it))
      }),
    async scanXorbs(after, limit) {
      const rows = await db
        .selectFrom('xet_xorb')
        .selectAll()
        .where('state', '=', 'stored')
        .where('hash', '>', after)
        .orderBy('hash')
        .limit(limit)
        .execute()
      return rows.map(toXorb)
    },
    async isKnown(hash, nonce) {
      const row = await db
        .selectFrom('xet_xorb')
        .select('hash')
        .where('hash', '=', hash)
        .where('nonce', '=', nonce)
        .executeTakeFirst()
      return row !== undefined
    },
  }
}

async function touchRows(tx: Tx, hashes: readonly string[]): Promise<string[]> {
  const touched: string[] = []
  for (const page of pagesOf(hashes)) {
    const rows = await tx
      .updateTable('xet_xorb')
      .set({ touched_at: now() })
      .where('hash', 'in', page)
      .where('state', '=', 'stored')
      .returning('hash')
      .execute()
    touched.push(...rows.map((it) => it.hash))
  }
  return touched
}

async function addChunks(tx: Tx, xorbHash: string, chunks: readonly string[]): Promise<void> {
  for (const page of pagesOf(chunks))
    await tx
      .insertInto('xet_chunk')
      .values(page.map((it) => ({ chunk_hash: it, xorb_hash: xorbHash })))
      .onConflict((oc) => oc.columns(['chunk_hash', 'xorb_hash']).doNothing())
      .execute()
}

function fileRows(
  db: Db,
): Rows<'findFile' | 'findFileOf' | 'findLinkedFile' | 'addFile' | 'readTerms'> {
  const columns = ['xet_file.hash', 'xet_file.sha256', 'xet_file.size'] as const
  return {
    findFile: (hash) =>
      db.selectFrom('xet_file').select(columns).where('hash', '=', hash).executeTakeFirst(),
    findFileOf: (sha256) =>
      db
        .selectFrom('xet_file')
        .select(columns)
        .where('sha256', '=', sha256)
        .orderBy('created_at')
        .orderBy('hash')
        .limit(1)
        .executeTakeFirst(),
    findLinkedFile: (repoId, hash) =>
      db
        .selectFrom('xet_file')
        .innerJoin('lfs_link', 'lfs_link.oid', 'xet_file.sha256')
        .select(columns)
        .where('xet_file.hash', '=', hash)
        .where('lfs_link.repo_id', '=', repoId)
        .executeTakeFirst(),
    addFile: ({ repoId, file, termCount, pages, xorbs, firstChunk }) =>
      db.transaction().execute(async (tx) => {
        const hashes = [...xorbs.keys()]
        if ((await touchRows(tx, hashes)).length !== hashes.length)
          throw new HubError('conflict', 'A xorb of the file is not stored (any more).')
        await markUsed(tx, repoId, hashes)
        await requireFileFits(tx, repoId, file, xorbs)
        const { numInsertedOrUpdatedRows } = await tx
          .insertInto('xet_file')
          .values({ ...file, terms: termCount, created_at: now() })
          .onConflict((oc) => oc.column('hash').doNothing())
          .executeTakeFirst()
        if ((numInsertedOrUpdatedRows ?? 0n) === 0n) return
        for (const { firstByte, terms } of pages)
          await tx
            .insertInto('xet_term_page')
            .values({ file_hash: file.hash, first_byte: firstByte, terms })
            .execute()
        for (const page of pagesOf([...xorbs]))
          await tx
            .insertInto('xet_file_xorb')
            .values(
              page.map(([xorb_hash, raw_bytes]) => ({
                file_hash: file.hash,
                xorb_hash,
                raw_bytes,
              })),
            )
            .execute()
        await addChunks(tx, firstChunk.xorbHash, [firstChunk.hash])
      }),
    async readTerms(hash, first, last) {
      const rows = await db
        .selectFrom('xet_term_page')
        .select(['first_byte', 'terms'])
        .where('file_hash', '=', hash)
        .where('first_byte', '<=', last)
        // the page before `first` holds it, unless a page begins exactly there
        .where('first_byte', '>=', (eb) =>
          eb
            .selectFrom('xet_term_page as p')
            .select((it) => it.fn.max('p.first_byte').as('at'))
            .where('p.file_hash', '=', hash)
            .where('p.first_byte', '<=', first),
        )
        .orderBy('first_byte')
        .execute()
      return rows.map((it) => ({ firstByte: it.first_byte, terms: it.terms }))
    },
  }
}

/** Throws `quota_exceeded` unless the repository has room for the file, and its namespace for the xorbs new to it. */
async function requireFileFits(
  tx: Tx,
  repoId: string,
  file: { sha256: string; size: number },
  xorbs: ReadonlyMap<string, number>,
): Promise<void> {
  const linked = await tx
    .selectFrom('lfs_link')
    .select('oid')
    .where('repo_id', '=', repoId)
    .where('oid', '=', file.sha256)
    .executeTakeFirst()
  if (linked) return
  await requireFits(tx, repoId, file.size, { namespaceLimit: false })
  let bytes = 0
  for (const page of pagesOf([...xorbs.keys()])) {
    const { rows } = await sql<{ hash: string; bytes: number }>`
      select hash, bytes from xet_xorb where hash in (${sql.join(page)}) and not exists (
        select 1 from xet_file_xorb join xet_file on xet_file.hash = xet_file_xorb.file_hash
        join lfs_link on lfs_link.oid = xet_file.sha256
        join repo on repo.id = lfs_link.repo_id join repo as mine on mine.id = ${repoId}
        where xet_file_xorb.xorb_hash = xet_xorb.hash and repo.namespace_id = mine.namespace_id
          and (repo.visibility = 'public') = (mine.visibility = 'public'))`.execute(tx)
    for (const row of rows) bytes += Math.min(row.bytes, xorbs.get(row.hash) ?? 0)
  }
  await requireFits(tx, repoId, bytes, { ownLimit: false })
}

async function markUsed(tx: Tx, repoId: string, hashes: readonly string[]): Promise<void> {
  for (const page of pagesOf(hashes))
    await tx
      .updateTable('xet_upload')
      .set({ is_used: 1 })
      .where('repo_id', '=', repoId)
      .where('xorb_hash', 'in', page)
      .execute()
}

function dedupeRows(db: Db): Rows<'findXorbsWithChunk' | 'listReposUsing' | 'listNeighbours'> {
  return {
    async findXorbsWithChunk(chunkHash, limit) {
      const rows = await db
        .selectFrom('xet_chunk')
        .innerJoin('xet_xorb', 'xet_xorb.hash', 'xet_chunk.xorb_hash')
        .selectAll('xet_xorb')
        .where('xet_chunk.chunk_hash', '=', chunkHash)
        .where('xet_xorb.state', '=', 'stored')
        .orderBy('xet_xorb.created_at', 'desc')
        .limit(limit)
        .execute()
      return rows.map(toXorb)
    },
    async listReposUsing(xorbHash, limit) {
      const { rows } = await sql<{ repo_id: string }>`
        select repo_id from xet_upload where xorb_hash = ${xorbHash}
        union
        select lfs_link.repo_id from xet_file_xorb
        join xet_file on xet_file.hash = xet_file_xorb.file_hash
        join lfs_link on lfs_link.oid = xet_file.sha256
        where xet_file_xorb.xorb_hash = ${xorbHash}
        limit ${limit}`.execute(db)
      return rows.map((it) => it.repo_id)
    },
    async listNeighbours(xorbHash, limit) {
      const { rows } = await sql<Selectable<Schema['xet_xorb']>>`
        select * from xet_xorb where state = 'stored' and hash in (
          select ${xorbHash} union
          select others.xorb_hash from xet_file_xorb as mine
          join xet_file_xorb as others on others.file_hash = mine.file_hash
          where mine.xorb_hash = ${xorbHash})
        order by case when hash = ${xorbHash} then 0 else 1 end, created_at desc, hash
        limit ${limit}`.execute(db)
      return rows.map(toXorb)
    },
  }
}

function unusedRows(
  db: Db,
): Rows<
  | 'listUnused'
  | 'claimUnused'
  | 'dropXorb'
  | 'listDeleting'
  | 'dropUnlinkedFiles'
  | 'listBrokenObjects'
> {
  const unused = sql<boolean>`not exists (select 1 from xet_file_xorb where xet_file_xorb.xorb_hash = xet_xorb.hash)`
  return {
    async listUnused(before, after, limit) {
      const rows = await db
        .selectFrom('xet_xorb')
        .selectAll()
        .where('state', '=', 'stored')
        .where('touched_at', '<', before)
        .where('hash', '>', after)
        .where(unused)
        .orderBy('hash')
        .limit(limit)
        .execute()
      return rows.map(toXorb)
    },
    claimUnused: (hash, before) =>
      db.transaction().execute(async (tx) => {
        const { numUpdatedRows } = await tx
          .updateTable('xet_xorb')
          .set({ state: 'deleting' })
          .where('hash', '=', hash)
          .where('state', '=', 'stored')
          .where('touched_at', '<', before)
          .where(unused)
          .executeTakeFirst()
        if (numUpdatedRows === 0n) return false
        // nobody may be told of it any more
        await tx.deleteFrom('xet_chunk').where('xorb_hash', '=', hash).execute()
        await tx.deleteFrom('xet_upload').where('xorb_hash', '=', hash).execute()
        return true
      }),
    async dropXorb({ hash, nonce }) {
      await db
        .deleteFrom('xet_xorb')
        .where('hash', '=', hash)
        .where('nonce', '=', nonce)
        .where('state', '=', 'deleting')
        .execute()
    },
    async listDeleting() {
      const rows = await db
        .selectFrom('xet_xorb')
        .selectAll()
        .where('state', '=', 'deleting')
        .execute()
      return rows.map(toXorb)
    },
    async dropUnlinkedFiles(before) {
      const { numDeletedRows } = await db
        .deleteFrom('xet_file')
        .where('created_at', '<', before)
        .where(
          sql<boolean>`not exists (select 1 from lfs_object where lfs_object.oid = xet_file.sha256)`,
        )
        .executeTakeFirst()
      return Number(numDeletedRows)
    },
    async listBrokenObjects(limit) {
      const rows = await db
        .selectFrom('lfs_object')
        .select('oid')
        .where('storage', '=', 'xet')
        .where(
          sql<boolean>`not exists (select 1 from xet_file where xet_file.sha256 = lfs_object.oid)`,
        )
        .limit(limit)
        .execute()
      return rows.map((it) => it.oid)
    },
  }
}

function usageRows(db: Db): Rows<'totals' | 'listRaw'> {
  return {
    async listRaw({ before, after, minBytes, maxBytes, limit }) {
      const rows = await db
        .selectFrom('lfs_object')
        .innerJoin('lfs_link', 'lfs_link.oid', 'lfs_object.oid')
        .select((eb) => ['lfs_object.oid', eb.fn.min('lfs_link.repo_id').as('repoId')])
        .where('lfs_object.storage', '=', 'raw')
        .where('lfs_object.created_at', '<=', before)
        .where('lfs_object.size', '>=', minBytes)
        .where('lfs_object.size', '<=', maxBytes)
        .where('lfs_object.oid', '>', after)
        .groupBy('lfs_object.oid')
        .orderBy('lfs_object.oid')
        .limit(limit)
        .execute()
      return rows
    },
    async totals() {
      const xorbs = await db
        .selectFrom('xet_xorb')
        .select((eb) => [
          eb.fn.countAll<number>().as('count'),
          eb.fn.sum<number | null>('bytes').as('bytes'),
          eb.fn.sum<number | null>('raw_bytes').as('raw'),
        ])
        .executeTakeFirstOrThrow()
      const files = await db
        .selectFrom('xet_file')
        .select((eb) => eb.fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow()
      return {
        xorbs: Number(xorbs.count),
        bytes: Number(xorbs.bytes ?? 0),
        rawBytes: Number(xorbs.raw ?? 0),
        files: Number(files.count),
      }
    },
  }
}
