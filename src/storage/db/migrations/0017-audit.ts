import type { Kysely, Migration } from 'kysely'

/** Events become the audit log: how each act was asked for and how it ended, found by time, actor, action, repository. */
export const audit: Migration = {
  async up(db: Kysely<unknown>) {
    const t = db.schema
    const column = (name: string, type: 'text' | 'integer') =>
      t.alterTable('event').addColumn(name, type).execute()
    await column('request_id', 'text')
    await column('credential', 'text')
    await t
      .alterTable('event')
      .addColumn('outcome', 'text', (c) => c.notNull().defaultTo('done'))
      .execute()
    await column('status', 'integer')
    await column('method', 'text')
    await column('path', 'text')
    await t.createIndex('event_at').on('event').column('at').execute()
    await t.createIndex('event_actor').on('event').columns(['actor_name', 'id']).execute()
    await t.createIndex('event_type').on('event').columns(['type', 'id']).execute()
    await t.createIndex('event_repo_name').on('event').columns(['repo_name', 'id']).execute()
  },
}
