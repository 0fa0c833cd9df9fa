import type { Kysely, Migration } from 'kysely'

/** Who asked for, and who was given, access to gated repositories. */
export const accessRequest: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('access_request')
      .addColumn('repo_id', 'text', (c) => c.notNull().references('repo.id').onDelete('cascade'))
      .addColumn('user_id', 'integer', (c) =>
        c.notNull().references('namespace.id').onDelete('cascade'),
      )
      .addColumn('status', 'text', (c) => c.notNull())
      .addColumn('asked_at', 'text')
      .addColumn('decided_at', 'text')
      .addColumn('decided_by', 'integer', (c) => c.references('namespace.id').onDelete('set null'))
      .addColumn('reason', 'text')
      .addColumn('answers', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('access_request_pk', ['repo_id', 'user_id'])
      .execute()
    const t = db.schema
    await t
      .createIndex('access_request_list')
      .on('access_request')
      .columns(['repo_id', 'status', 'user_id'])
      .execute()
    await t.createIndex('access_request_user').on('access_request').column('user_id').execute()
    await t.createIndex('access_request_by').on('access_request').column('decided_by').execute()
  },
}
