import type { Kysely, Migration } from 'kysely'

/** A limit over both pools of a namespace, bytes reserved by pushes under way, one account per e-mail address. */
export const quotaReservation: Migration = {
  async up(db: Kysely<unknown>) {
    const t = db.schema
    await t.alterTable('namespace').addColumn('total_quota_bytes', 'bigint').execute()
    await t
      .createTable('quota_reservation')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('repo_id', 'text', (c) => c.notNull().references('repo.id').onDelete('cascade'))
      .addColumn('bytes', 'bigint', (c) => c.notNull())
      .addColumn('expires_at', 'text', (c) => c.notNull())
      .execute()
    await t
      .createIndex('quota_reservation_repo')
      .on('quota_reservation')
      .column('repo_id')
      .execute()
    await t.dropIndex('namespace_email').execute()
    await t.createIndex('namespace_email').unique().on('namespace').column('email').execute()
  },
}
