import type { Kysely, Migration } from 'kysely'

/** Collections, what they hold and who likes them. */
export const collection: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    const t = db.schema
    await t
      .createTable('collection')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('namespace_id', 'integer', (c) =>
        c.notNull().references('namespace.id').onDelete('cascade'),
      )
      .addColumn('title', 'text', (c) => c.notNull())
      .addColumn('description', 'text')
      .addColumn('theme', 'text', (c) => c.notNull())
      .addColumn('is_private', 'integer', (c) => c.notNull())
      .addColumn('position', 'integer', (c) => c.notNull())
      .addColumn('upvotes', 'integer', (c) => c.notNull().defaultTo(0))
      .addColumn('created_at', 'text', (c) => c.notNull())
      .addColumn('updated_at', 'text', (c) => c.notNull())
      .addUniqueConstraint('collection_title', ['namespace_id', 'title'])
      .execute()
    for (const column of ['updated_at', 'upvotes'])
      await t
        .createIndex(`collection_by_${column}`)
        .on('collection')
        .columns([column, 'id'])
        .execute()
    await t
      .createTable('collection_item')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('collection_id', 'text', (c) =>
        c.notNull().references('collection.id').onDelete('cascade'),
      )
      .addColumn('type', 'text', (c) => c.notNull())
      // the one of the three that the type says; the key of what it is, again, in `target`
      .addColumn('repo_id', 'text', (c) => c.references('repo.id').onDelete('cascade'))
      .addColumn('paper_id', 'text')
      .addColumn('held_id', 'text', (c) => c.references('collection.id').onDelete('cascade'))
      .addColumn('target', 'text', (c) => c.notNull())
      .addColumn('note', 'text')
      .addColumn('position', 'integer', (c) => c.notNull())
      .addUniqueConstraint('collection_item_once', ['collection_id', 'type', 'target'])
      .execute()
    await t
      .createIndex('collection_item_target')
      .on('collection_item')
      .columns(['type', 'target'])
      .execute()
    for (const column of ['repo_id', 'held_id'])
      await t
        .createIndex(`collection_item_${column}`)
        .on('collection_item')
        .column(column)
        .execute()
    await t
      .createTable('collection_upvote')
      .addColumn('collection_id', 'text', (c) =>
        c.notNull().references('collection.id').onDelete('cascade'),
      )
      .addColumn('user_id', 'integer', (c) =>
        c.notNull().references('namespace.id').onDelete('cascade'),
      )
      .addColumn('created_at', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('collection_upvote_pk', ['collection_id', 'user_id'])
      .execute()
    await t
      .createIndex('collection_upvote_user')
      .on('collection_upvote')
      .column('user_id')
      .execute()
  },
}
