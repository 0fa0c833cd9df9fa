import type { Transaction } from 'kysely'
import type {
  DiscussionChangeSet,
  DiscussionEntry,
  DiscussionStore,
  NewEntry,
} from '../../domain/discussions/ports.js'
import type { DiscussionComment } from '../../domain/types.js'
import { newId } from '../../lib/ids.js'
import { findDiscussion } from './discussion-rows.js'
import { addEvents } from './events.js'
import type { Db } from './open.js'
import { now } from './rows.js'
import type { Schema } from './schema.js'

export function selectEntries(db: Db | Transaction<Schema>) {
  return db
    .selectFrom('discussion_event')
    .leftJoin('namespace', 'namespace.id', 'discussion_event.author_id')
    .selectAll('discussion_event')
    .select('namespace.name as author_name')
}

type EntryRow = Awaited<ReturnType<ReturnType<typeof selectEntries>['executeTakeFirstOrThrow']>>

/** Reading what happened in a discussion. */
export function entriesOf(db: Db): Pick<DiscussionStore, 'listEntries' | 'countCommits'> {
  return {
    async listEntries(repoId, num, after, limit) {
      const rows = await selectEntries(db)
        .where('repo_id', '=', repoId)
        .where('num', '=', num)
        .where('discussion_event.id', '>', after)
        .orderBy('discussion_event.id')
        .limit(limit)
        .execute()
      return rows.map(toEntry)
    },
    async countCommits(repoId, num) {
      const row = await db
        .selectFrom('discussion_event')
        .select((eb) => eb.fn.countAll<number>().as('n'))
        .where('repo_id', '=', repoId)
        .where('num', '=', num)
        .where('type', '=', 'commit')
        .executeTakeFirstOrThrow()
      return Number(row.n)
    },
  }
}

/** Also part of the transaction in which refs are recorded. */
export async function changeDiscussion(
  tx: Transaction<Schema>,
  repoId: string,
  change: DiscussionChangeSet,
): Promise<DiscussionEntry[] | undefined> {
  if (!(await setColumns(tx, repoId, change))) return undefined
  const made: DiscussionEntry[] = []
  for (const entry of change.entries) made.push(await addEntry(tx, repoId, change.num, entry))
  await addEvents(tx, change.events(await findDiscussion(tx, repoId, change.num), made))
  return made
}

async function setColumns(
  tx: Transaction<Schema>,
  repoId: string,
  { num, expect = {}, set }: DiscussionChangeSet,
): Promise<boolean> {
  const flag = (it: boolean) => (it ? 1 : 0)
  let query = tx
    .updateTable('discussion')
    .set({
      // an update of nothing still tells whether what is expected holds
      num,
      ...(set.title === undefined ? {} : { title: set.title }),
      ...(set.status === undefined ? {} : { status: set.status }),
      ...(set.pinned === undefined ? {} : { pinned: flag(set.pinned) }),
      ...(set.locked === undefined ? {} : { locked: flag(set.locked) }),
      ...(set.headOid === undefined ? {} : { head_oid: set.headOid }),
      ...(set.mergeOid === undefined ? {} : { merge_oid: set.mergeOid }),
      ...(set.mergeBaseOid === undefined ? {} : { merge_base_oid: set.mergeBaseOid }),
      ...(set.opened ? { opened: 1 } : {}),
    })
    .where('repo_id', '=', repoId)
    .where('num', '=', num)
  if (expect.title !== undefined) query = query.where('title', '=', expect.title)
  if (expect.status !== undefined) query = query.where('status', '=', expect.status)
  if (expect.pinned !== undefined) query = query.where('pinned', '=', flag(expect.pinned))
  if (expect.locked !== undefined) query = query.where('locked', '=', flag(expect.locked))
  const { numUpdatedRows } = await query.executeTakeFirst()
  if (numUpdatedRows === 0n) return false
  if (set.status === 'merged')
    await tx.deleteFrom('pull_merge').where('repo_id', '=', repoId).where('num', '=', num).execute()
  return true
}

async function addEntry(
  tx: Transaction<Schema>,
  repoId: string,
  num: number,
  entry: NewEntry,
): Promise<DiscussionEntry> {
  const at = now()
  const uid = newId()
  const comment = entry.type === 'comment' ? entry.content : null
  await tx
    .insertInto('discussion_event')
    .values({
      uid,
      repo_id: repoId,
      num,
      type: entry.type,
      author_id: entry.authorId,
      created_at: at,
      data: entry.type === 'comment' ? '{}' : JSON.stringify(entry.data),
      content: comment,
      updated_at: comment === null ? null : at,
    })
    .execute()
  return toEntry(await selectEntries(tx).where('uid', '=', uid).executeTakeFirstOrThrow())
}

function toEntry(row: EntryRow): DiscussionEntry {
  const common = {
    seq: row.id,
    id: row.uid,
    authorId: row.author_id,
    authorName: row.author_name,
    createdAt: row.created_at,
  }
  if (row.type === 'comment') return { ...common, type: 'comment', comment: toComment(row) }
  const data = JSON.parse(row.data) as Record<string, unknown>
  return { ...common, type: row.type as Exclude<DiscussionEntry['type'], 'comment'>, data }
}

export function toComment(row: EntryRow): DiscussionComment {
  return {
    id: row.uid,
    authorId: row.author_id,
    authorName: row.author_name,
    createdAt: row.created_at,
    content: row.content ?? '',
    updatedAt: row.updated_at ?? row.created_at,
    edited: row.edited === 1,
    hidden: row.hidden === 1,
  }
}
