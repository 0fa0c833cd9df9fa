import { type Kysely, type Migration, sql } from 'kysely'

/**
 * The content-addressed store of Xet: xorbs (bytes in the object store), files as runs of their chunks, and which chunks
 * clients may ask for. Hashes are Xet hash strings, `sha256` is an LFS oid.
 */
export const xet: Migration = {
  async up(db: Kysely<unknown>) {
    const t = db.schema
    await t
      .createTable('xet_xorb')
      .addColumn('hash', 'text', (c) => c.primaryKey())
      .addColumn('nonce', 'text', (c) => c.notNull())
      .addColumn('bytes', 'bigint', (c) => c.notNull())
      .addColumn('raw_bytes', 'bigint', (c) => c.notNull())
      .addColumn('chunks', 'integer', (c) => c.notNull())
      .addColumn('state', 'text', (c) => c.notNull())
      .addColumn('created_at', 'text', (c) => c.notNull())
      .addColumn('touched_at', 'text', (c) => c.notNull())
      .execute()
    await t.createIndex('xet_xorb_touched').on('xet_xorb').column('touched_at').execute()
    await t
      .createTable('xet_file')
      .addColumn('hash', 'text', (c) => c.primaryKey())
      .addColumn('sha256', 'text', (c) => c.notNull())
      .addColumn('size', 'bigint', (c) => c.notNull().check(sql`size > 0`))
      .addColumn('terms', 'integer', (c) => c.notNull())
      .addColumn('created_at', 'text', (c) => c.notNull())
      .execute()
    await t.createIndex('xet_file_sha256').on('xet_file').column('sha256').execute()
    await t
      .createTable('xet_term_page')
      .addColumn('file_hash', 'text', (c) =>
        c.notNull().references('xet_file.hash').onDelete('cascade'),
      )
      .addColumn('first_byte', 'bigint', (c) => c.notNull())
      .addColumn('terms', 'blob', (c) => c.notNull())
      .addPrimaryKeyConstraint('xet_term_page_pk', ['file_hash', 'first_byte'])
      .execute()
    await t
      .createTable('xet_file_xorb')
      .addColumn('file_hash', 'text', (c) =>
        c.notNull().references('xet_file.hash').onDelete('cascade'),
      )
      .addColumn('xorb_hash', 'text', (c) => c.notNull().references('xet_xorb.hash'))
      .addColumn('raw_bytes', 'bigint', (c) => c.notNull())
      .addPrimaryKeyConstraint('xet_file_xorb_pk', ['file_hash', 'xorb_hash'])
      .execute()
    await t.createIndex('xet_file_xorb_xorb').on('xet_file_xorb').column('xorb_hash').execute()
    await t
      .createTable('xet_chunk')
      .addColumn('chunk_hash', 'text', (c) => c.notNull())
      .addColumn('xorb_hash', 'text', (c) =>
        c.notNull().references('xet_xorb.hash').onDelete('cascade'),
      )
      .addPrimaryKeyConstraint('xet_chunk_pk', ['chunk_hash', 'xorb_hash'])
      .execute()
    await t.createIndex('xet_chunk_xorb').on('xet_chunk').column('xorb_hash').execute()
    await t
      .createTable('xet_upload')
      .addColumn('repo_id', 'text', (c) => c.notNull().references('repo.id').onDelete('cascade'))
      .addColumn('xorb_hash', 'text', (c) =>
        c.notNull().references('xet_xorb.hash').onDelete('cascade'),
      )
      .addColumn('is_used', 'integer', (c) => c.notNull())
      .addColumn('created_at', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('xet_upload_pk', ['repo_id', 'xorb_hash'])
      .execute()
    await t.createIndex('xet_upload_xorb').on('xet_upload').column('xorb_hash').execute()
  },
}
