import type { Transaction } from 'kysely'
import type { DiscussionStore } from '../../domain/discussions/ports.js'
import type { DiscussionComment } from '../../domain/types.js'
import { selectEntries, toComment } from './discussion-entries.js'
import { addEvents } from './events.js'
import type { Db } from './open.js'
import { now } from './rows.js'
import type { Schema } from './schema.js'

/** Former texts of a comment that are kept. */
const MAX_VERSIONS = 20

type Comments = Pick<
  DiscussionStore,
  'findComment' | 'listVersions' | 'editComment' | 'hideComment'
>

export function commentStore(db: Db): Comments {
  return {
    async findComment(repoId, num, id) {
      const row = await selectEntries(db)
        .where('uid', '=', id)
        .where('repo_id', '=', repoId)
        .where('num', '=', num)
        .where('discussion_event.type', '=', 'comment')
        .executeTakeFirst()
      return row && toComment(row)
    },
    async listVersions(commentId) {
      const rows = await db
        .selectFrom('discussion_edit')
        .innerJoin('discussion_event', 'discussion_event.id', 'discussion_edit.event_id')
        .leftJoin('namespace', 'namespace.id', 'discussion_edit.author_id')
        .select(['discussion_edit.content', 'discussion_edit.at', 'namespace.name'])
        .where('discussion_event.uid', '=', commentId)
        .orderBy('discussion_edit.id')
        .execute()
      return rows.map(({ content, at, name }) => ({ content, at, authorName: name }))
    },
    editComment: (id, content, events) =>
      db.transaction().execute(async (tx) => {
        const row = await visible(tx, id)
        if (!row) return undefined
        await keepVersion(tx, row)
        await tx
          .updateTable('discussion_event')
          .set({ content, updated_at: now(), edited: 1 })
          .where('id', '=', row.id)
          .execute()
        return tell(tx, id, events)
      }),
    hideComment: (id, events) =>
      db.transaction().execute(async (tx) => {
        const row = await visible(tx, id)
        if (!row) return undefined
        await tx.deleteFrom('discussion_edit').where('event_id', '=', row.id).execute()
        await tx
          .updateTable('discussion_event')
          .set({ content: null, updated_at: now(), hidden: 1 })
          .where('id', '=', row.id)
          .execute()
        return tell(tx, id, events)
      }),
  }
}

function visible(tx: Transaction<Schema>, id: string) {
  return tx
    .selectFrom('discussion_event')
    .selectAll()
    .where('uid', '=', id)
    .where('hidden', '=', 0)
    .executeTakeFirst()
}

async function keepVersion(
  tx: Transaction<Schema>,
  row: { id: number; content: string | null; author_id: number | null; updated_at: string | null },
): Promise<void> {
  await tx
    .insertInto('discussion_edit')
    .values({
      event_id: row.id,
      author_id: row.author_id,
      content: row.content ?? '',
      at: row.updated_at ?? now(),
    })
    .execute()
  const kept = tx
    .selectFrom('discussion_edit')
    .select('id')
    .where('event_id', '=', row.id)
    .orderBy('id', 'desc')
    .limit(MAX_VERSIONS)
  await tx
    .deleteFrom('discussion_edit')
    .where('event_id', '=', row.id)
    .where('id', 'not in', kept)
    .execute()
}

async function tell(
  tx: Transaction<Schema>,
  id: string,
  events: Parameters<Comments['hideComment']>[1],
): Promise<DiscussionComment> {
  const row = await selectEntries(tx).where('uid', '=', id).executeTakeFirstOrThrow()
  const comment = toComment(row)
  await addEvents(tx, events(comment))
  return comment
}
