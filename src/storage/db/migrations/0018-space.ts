import type { Kysely, Migration } from 'kysely'

/** Settings, variables and sealed secrets of Spaces, and what the operator's runner runs. */
export const space: Migration = {
  async up(db: Kysely<unknown>) {
    const t = db.schema
    await t
      .createTable('space')
      .addColumn('repo_id', 'text', (c) => c.primaryKey().references('repo.id').onDelete('cascade'))
      .addColumn('hardware', 'text')
      .addColumn('storage', 'text')
      .addColumn('sleep_seconds', 'integer')
      .addColumn('dev_mode', 'integer', (c) => c.notNull().defaultTo(0))
      .addColumn('paused', 'integer', (c) => c.notNull().defaultTo(0))
      .addColumn('volumes', 'text', (c) => c.notNull().defaultTo('[]'))
      .addColumn('revision', 'integer', (c) => c.notNull().defaultTo(0))
      .addColumn('factory_revision', 'integer')
      .execute()
    await t
      .createTable('space_value')
      .addColumn('repo_id', 'text', (c) => c.notNull().references('repo.id').onDelete('cascade'))
      .addColumn('kind', 'text', (c) => c.notNull())
      .addColumn('key', 'text', (c) => c.notNull())
      // of a secret: sealed
      .addColumn('value', 'text', (c) => c.notNull())
      .addColumn('description', 'text')
      .addColumn('updated_at', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('space_value_pk', ['repo_id', 'kind', 'key'])
      .execute()
    // no reference to what runs: the row outlives that until the process was stopped
    await t
      .createTable('app_run')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('kind', 'text', (c) => c.notNull())
      .addColumn('version', 'text', (c) => c.notNull())
      .addColumn('stage', 'text', (c) => c.notNull())
      .addColumn('url', 'text')
      .addColumn('message', 'text')
      .addColumn('hardware', 'text')
      .addColumn('started_at', 'text')
      .addColumn('checked_at', 'text', (c) => c.notNull())
      .addColumn('used_at', 'text', (c) => c.notNull())
      .execute()
  },
}
