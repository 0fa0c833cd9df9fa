import type { Transaction } from 'kysely'
import type {
  DiscussionFilter,
  DiscussionOrder,
  DiscussionStore,
} from '../../domain/discussions/ports.js'
import { pullRequestNumber } from '../../domain/discussions/pull-request-ref.js'
import { HubError } from '../../domain/errors.js'
import type { Discussion } from '../../domain/types.js'
import { isoNow, newId } from '../../lib/ids.js'
import { commentStore } from './discussion-comments.js'
import { changeDiscussion, entriesOf, selectEntries, toComment } from './discussion-entries.js'
import { findDiscussion, selectDiscussions, toDiscussion } from './discussion-rows.js'
import { addEvents } from './events.js'
import type { Db } from './open.js'
import { now } from './rows.js'
import type { Schema } from './schema.js'

/** A pull request whose ref did not come in this time never gets one: its process died. */
const ABANDONED_MS = 24 * 60 * 60 * 1000
const LAST_NUMBER = 999_999_999
const FORGOTTEN_MERGE_MS = 60 * 60 * 1000

export function discussionStore(db: Db): DiscussionStore {
  return {
    ...commentStore(db),
    ...entriesOf(db),
    create: (order, event) =>
      db.transaction().execute(async (tx) => {
        const made = await insert(tx, order, { opened: 1 })
        const first = await selectEntries(tx)
          .where('repo_id', '=', made.repoId)
          .where('num', '=', made.num)
          .executeTakeFirstOrThrow()
        await addEvents(tx, [event(made, toComment(first))])
        return made
      }),
    reserve: (order) => db.transaction().execute((tx) => insert(tx, order, { opened: 0 })),
    async find(repoId, num) {
      const row = await selectDiscussions(db)
        .where('discussion.repo_id', '=', repoId)
        .where('discussion.num', '=', num)
        .where('opened', '=', 1)
        .executeTakeFirst()
      return row && toDiscussion(row)
    },
    async findPull(repoId, num) {
      const row = await selectDiscussions(db)
        .where('discussion.repo_id', '=', repoId)
        .where('discussion.num', '=', num)
        .where('is_pull_request', '=', 1)
        .executeTakeFirst()
      return row && { ...toDiscussion(row), opened: row.opened === 1 }
    },
    remove: (repoId, num, events = []) =>
      db.transaction().execute(async (tx) => {
        await tx
          .deleteFrom('discussion')
          .where('repo_id', '=', repoId)
          .where('num', '=', num)
          .execute()
        await addEvents(tx, events)
      }),
    async list(repoId, filter, limit, offset) {
      const rows = await matching(db, repoId, filter)
        .orderBy('discussion.num', 'desc')
        .limit(limit)
        .offset(offset)
        .execute()
      return rows.map(toDiscussion)
    },
    async count(repoId, filter) {
      const row = await matching(db, repoId, filter)
        .clearSelect()
        .select((eb) => eb.fn.countAll<number>().as('n'))
        .executeTakeFirstOrThrow()
      return Number(row.n)
    },
    change: (repoId, change) =>
      db.transaction().execute((tx) => changeDiscussion(tx, repoId, change)),
    planMerge: (it) =>
      db.transaction().execute(async (tx) => {
        // what was planned long ago did not come about, or the pull request would not be open
        await tx
          .deleteFrom('pull_merge')
          .where('repo_id', '=', it.repoId)
          .where('num', '=', it.num)
          .where('created_at', '<', isoNow(-FORGOTTEN_MERGE_MS))
          .execute()
        await tx
          .insertInto('pull_merge')
          .values({
            repo_id: it.repoId,
            num: it.num,
            oid: it.oid,
            base_ref: it.baseRef,
            merge_base_oid: it.mergeBaseOid,
            user_id: it.userId,
            comment: it.comment,
            created_at: now(),
          })
          .onConflict((oc) => oc.columns(['repo_id', 'num', 'oid']).doNothing())
          .execute()
      }),
    async listPlannedMerges(repoId, num) {
      let query = db.selectFrom('pull_merge').selectAll().where('repo_id', '=', repoId)
      if (num !== undefined) query = query.where('num', '=', num)
      return (await query.orderBy('created_at').execute()).map((it) => ({
        repoId: it.repo_id,
        num: it.num,
        oid: it.oid,
        baseRef: it.base_ref,
        mergeBaseOid: it.merge_base_oid,
        userId: it.user_id,
        comment: it.comment,
      }))
    },
  }
}

function matching(db: Db, repoId: string, filter: DiscussionFilter) {
  let query = selectDiscussions(db).where('discussion.repo_id', '=', repoId).where('opened', '=', 1)
  if (filter.isPullRequest !== undefined)
    query = query.where('is_pull_request', '=', filter.isPullRequest ? 1 : 0)
  if (filter.statuses) query = query.where('status', 'in', filter.statuses)
  if (filter.author !== undefined) query = query.where('namespace.name', '=', filter.author)
  return query
}

async function insert(
  tx: Transaction<Schema>,
  order: DiscussionOrder,
  { opened }: { opened: 0 | 1 },
): Promise<Discussion> {
  await tx
    .deleteFrom('discussion')
    .where('repo_id', '=', order.repoId)
    .where('opened', '=', 0)
    .where('created_at', '<', isoNow(-ABANDONED_MS))
    .execute()
  const num = await nextNumber(tx, order.repoId)
  const at = now()
  await tx
    .insertInto('discussion')
    .values({
      repo_id: order.repoId,
      num,
      uid: newId(),
      title: order.title,
      author_id: order.authorId,
      is_pull_request: order.isPullRequest ? 1 : 0,
      status: order.status,
      opened,
      base_ref: order.baseRef,
      head_ref: order.isPullRequest ? `refs/pr/${num}` : null,
      head_oid: null,
      merge_oid: null,
      merge_base_oid: null,
      created_at: at,
    })
    .execute()
  await tx
    .insertInto('discussion_event')
    .values({
      uid: newId(),
      repo_id: order.repoId,
      num,
      type: 'comment',
      author_id: order.authorId,
      created_at: at,
      data: '{}',
      content: order.description,
      updated_at: at,
    })
    .execute()
  return findDiscussion(tx, order.repoId, num)
}

/** Numbers are never given out twice, and never one whose ref somebody pushed by hand. */
async function nextNumber(tx: Transaction<Schema>, repoId: string): Promise<number> {
  const counter = await tx
    .selectFrom('discussion_counter')
    .select('last')
    .where('repo_id', '=', repoId)
    .executeTakeFirst()
  const pushed = await tx
    .selectFrom('ref')
    .select('name')
    .where('repo_id', '=', repoId)
    .where('name', '>', 'refs/pr/')
    .where('name', '<', 'refs/pr0')
    .execute()
  const taken = new Set(pushed.map((it) => pullRequestNumber(it.name)))
  let num = (counter?.last ?? 0) + 1
  while (taken.has(num)) num += 1
  if (num > LAST_NUMBER)
    throw new HubError('conflict', 'This repository has no number left for a discussion.')
  await tx
    .insertInto('discussion_counter')
    .values({ repo_id: repoId, last: num })
    .onConflict((oc) => oc.column('repo_id').doUpdateSet({ last: num }))
    .execute()
  return num
}
