import type { Kysely, Migration } from 'kysely'

/** What is written down about papers, and who follows whom. */
export const papersAndFollows: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    const t = db.schema
    await t
      .createTable('paper')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('title', 'text')
      .addColumn('summary', 'text')
      .addColumn('authors', 'text', (c) => c.notNull())
      .addColumn('published_at', 'text')
      .addColumn('source', 'text')
      .addColumn('submitted_at', 'text')
      .addColumn('submitted_by', 'integer', (c) =>
        c.references('namespace.id').onDelete('set null'),
      )
      .execute()
    await t.createIndex('paper_by_submitted').on('paper').columns(['submitted_at', 'id']).execute()
    await t.createIndex('paper_submitted_by').on('paper').column('submitted_by').execute()
    await t
      .createTable('follow')
      .addColumn('follower_id', 'integer', (c) =>
        c.notNull().references('namespace.id').onDelete('cascade'),
      )
      .addColumn('followed_id', 'integer', (c) =>
        c.notNull().references('namespace.id').onDelete('cascade'),
      )
      .addColumn('created_at', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('follow_pk', ['follower_id', 'followed_id'])
      .execute()
    await t
      .createIndex('follow_followed')
      .on('follow')
      .columns(['followed_id', 'follower_id'])
      .execute()
  },
}
