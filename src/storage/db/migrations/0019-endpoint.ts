import type { Kysely, Migration } from 'kysely'

/** Inference endpoints; `spec` is what may be shown of the request, the rest is sealed. */
export const endpoint: Migration = {
  async up(db: Kysely<unknown>) {
    await db.schema
      .createTable('endpoint')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('namespace_id', 'integer', (c) =>
        c.notNull().references('namespace.id').onDelete('cascade'),
      )
      .addColumn('name', 'text', (c) => c.notNull())
      .addColumn('spec', 'text', (c) => c.notNull())
      .addColumn('sealed', 'text', (c) => c.notNull())
      .addColumn('wanted', 'text', (c) => c.notNull())
      .addColumn('revision', 'integer', (c) => c.notNull().defaultTo(0))
      .addColumn('created_by', 'text')
      .addColumn('created_at', 'text', (c) => c.notNull())
      .addColumn('updated_at', 'text', (c) => c.notNull())
      .addUniqueConstraint('endpoint_name', ['namespace_id', 'name'])
      .execute()
  },
}
