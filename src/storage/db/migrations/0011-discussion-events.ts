import type { Kysely, Migration } from 'kysely'
import { newId } from '../../../lib/ids.js'

/** What happens in discussions, in order; what was said before an edit; merges that are about to be made. */
export const discussionEvents: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    const t = db.schema
    await t.alterTable('discussion').addColumn('uid', 'text').execute()
    for (const flag of ['pinned', 'locked'])
      await t
        .alterTable('discussion')
        .addColumn(flag, 'integer', (c) => c.notNull().defaultTo(0))
        .execute()
    await t
      .alterTable('discussion')
      .addColumn('opened', 'integer', (c) => c.notNull().defaultTo(1))
      .execute()
    for (const oid of ['head_oid', 'merge_oid', 'merge_base_oid'])
      await t.alterTable('discussion').addColumn(oid, 'text').execute()
    await t
      .createTable('discussion_counter')
      .addColumn('repo_id', 'text', (c) => c.primaryKey().references('repo.id').onDelete('cascade'))
      .addColumn('last', 'integer', (c) => c.notNull())
      .execute()
    await eventTables(db)
    await t
      .createTable('pull_merge')
      .addColumn('repo_id', 'text', (c) => c.notNull())
      .addColumn('num', 'integer', (c) => c.notNull())
      .addColumn('oid', 'text', (c) => c.notNull())
      .addColumn('base_ref', 'text', (c) => c.notNull())
      .addColumn('merge_base_oid', 'text', (c) => c.notNull())
      .addColumn('user_id', 'integer', (c) => c.references('namespace.id').onDelete('set null'))
      .addColumn('comment', 'text')
      .addColumn('created_at', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('pull_merge_pk', ['repo_id', 'num', 'oid'])
      .addForeignKeyConstraint(
        'pull_merge_discussion',
        ['repo_id', 'num'],
        'discussion',
        ['repo_id', 'num'],
        (c) => c.onDelete('cascade'),
      )
      .execute()
    await t.createIndex('pull_merge_user').on('pull_merge').column('user_id').execute()
    await carryOver(db as Kysely<Before>)
    await t.alterTable('discussion').dropColumn('description').execute()
    await t.createIndex('discussion_uid').unique().on('discussion').column('uid').execute()
  },
}

async function eventTables(db: Kysely<unknown>): Promise<void> {
  const t = db.schema
  await t
    .createTable('discussion_event')
    .addColumn('id', 'integer', (c) => c.primaryKey().autoIncrement())
    .addColumn('uid', 'text', (c) => c.notNull().unique())
    .addColumn('repo_id', 'text', (c) => c.notNull())
    .addColumn('num', 'integer', (c) => c.notNull())
    .addColumn('type', 'text', (c) => c.notNull())
    .addColumn('author_id', 'integer', (c) => c.references('namespace.id').onDelete('set null'))
    .addColumn('created_at', 'text', (c) => c.notNull())
    .addColumn('data', 'text', (c) => c.notNull())
    .addColumn('content', 'text')
    .addColumn('updated_at', 'text')
    .addColumn('edited', 'integer', (c) => c.notNull().defaultTo(0))
    .addColumn('hidden', 'integer', (c) => c.notNull().defaultTo(0))
    .addForeignKeyConstraint(
      'discussion_event_discussion',
      ['repo_id', 'num'],
      'discussion',
      ['repo_id', 'num'],
      (c) => c.onDelete('cascade'),
    )
    .execute()
  await t
    .createIndex('discussion_event_order')
    .on('discussion_event')
    .columns(['repo_id', 'num', 'id'])
    .execute()
  await t
    .createIndex('discussion_event_author')
    .on('discussion_event')
    .column('author_id')
    .execute()
  await t
    .createTable('discussion_edit')
    .addColumn('id', 'integer', (c) => c.primaryKey().autoIncrement())
    .addColumn('event_id', 'integer', (c) =>
      c.notNull().references('discussion_event.id').onDelete('cascade'),
    )
    .addColumn('author_id', 'integer', (c) => c.references('namespace.id').onDelete('set null'))
    .addColumn('content', 'text', (c) => c.notNull())
    .addColumn('at', 'text', (c) => c.notNull())
    .execute()
  await t.createIndex('discussion_edit_event').on('discussion_edit').column('event_id').execute()
  await t.createIndex('discussion_edit_author').on('discussion_edit').column('author_id').execute()
}

interface Before {
  discussion: {
    repo_id: string
    num: number
    uid: string
    description: string
    author_id: number | null
    created_at: string
  }
  discussion_event: {
    uid: string
    repo_id: string
    num: number
    type: string
    author_id: number | null
    created_at: string
    data: string
    content: string
    updated_at: string
  }
  discussion_counter: { repo_id: string; last: number }
}

async function carryOver(db: Kysely<Before>): Promise<void> {
  const rows = await db.selectFrom('discussion').selectAll().orderBy('num').execute()
  const last = new Map<string, number>()
  for (const { repo_id, num, description, author_id, created_at } of rows) {
    await db
      .updateTable('discussion')
      .set({ uid: newId() })
      .where('repo_id', '=', repo_id)
      .where('num', '=', num)
      .execute()
    await db
      .insertInto('discussion_event')
      .values({
        uid: newId(),
        repo_id,
        num,
        type: 'comment',
        author_id,
        created_at,
        data: '{}',
        content: description,
        updated_at: created_at,
      })
      .execute()
    last.set(repo_id, num)
  }
  for (const [repo_id, num] of last)
    await db.insertInto('discussion_counter').values({ repo_id, last: num }).execute()
}
