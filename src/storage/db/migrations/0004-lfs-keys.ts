import { type Kysely, type Migration, sql } from 'kysely'

/**
 * Every upload gets a key of its own, so deleting one copy can never hit another: `lfs_upload` names the key before the
 * first byte, `lfs_object` once it was verified, `lfs_discard` until its bytes are gone.
 */
export const lfsKeys: Migration = {
  async up(db: Kysely<unknown>) {
    const t = db.schema
    await t.alterTable('lfs_object').addColumn('key', 'text').execute()
    await sql`update lfs_object set key =
      'lfs/' || substr(oid, 1, 2) || '/' || substr(oid, 3, 2) || '/' || oid where storage = 'raw'`.execute(
      db,
    )
    await t.alterTable('lfs_object').addColumn('writable_until', 'text').execute()
    await t.alterTable('lfs_object').dropColumn('state').execute()
    await t.alterTable('lfs_link').addColumn('condemned_at', 'text').execute()
    await t
      .createTable('lfs_removed')
      .addColumn('repo_id', 'text', (c) => c.notNull().references('repo.id').onDelete('cascade'))
      .addColumn('oid', 'text', (c) => c.notNull())
      .addColumn('removed_at', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('lfs_removed_pk', ['repo_id', 'oid'])
      .execute()
    await t.dropTable('lfs_upload').execute()
    // outlives its repository: what was uploaded in parts must still be found and dropped
    await t
      .createTable('lfs_upload')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('repo_id', 'text', (c) => c.notNull())
      .addColumn('oid', 'text', (c) => c.notNull())
      .addColumn('size', 'bigint', (c) => c.notNull())
      .addColumn('key', 'text', (c) => c.notNull())
      .addColumn('store_upload_id', 'text')
      .addColumn('part_size', 'bigint', (c) => c.notNull())
      .addColumn('expires_at', 'text', (c) => c.notNull())
      .addUniqueConstraint('lfs_upload_repo_oid', ['repo_id', 'oid'])
      .execute()
    await t.createIndex('lfs_upload_expires').on('lfs_upload').column('expires_at').execute()
    await t
      .createTable('lfs_discard')
      .addColumn('key', 'text', (c) => c.primaryKey())
      .addColumn('store_upload_id', 'text')
      .addColumn('until', 'text', (c) => c.notNull())
      .execute()
  },
}
