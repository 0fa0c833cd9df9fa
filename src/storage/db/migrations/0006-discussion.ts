import type { Kysely, Migration } from 'kysely'

/** Discussions and pull requests share one row of numbers per repository, from 1. */
export const discussion: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('discussion')
      .addColumn('repo_id', 'text', (c) => c.notNull().references('repo.id').onDelete('cascade'))
      .addColumn('num', 'integer', (c) => c.notNull())
      .addColumn('title', 'text', (c) => c.notNull())
      .addColumn('description', 'text', (c) => c.notNull())
      .addColumn('author_id', 'integer', (c) => c.references('namespace.id').onDelete('set null'))
      .addColumn('is_pull_request', 'integer', (c) => c.notNull())
      .addColumn('status', 'text', (c) => c.notNull())
      .addColumn('base_ref', 'text')
      .addColumn('head_ref', 'text')
      .addColumn('created_at', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('discussion_pk', ['repo_id', 'num'])
      .execute()
    await db.schema.createIndex('discussion_author').on('discussion').column('author_id').execute()
  },
}
