import type { Transaction } from 'kysely'
import type { Discussion } from '../../domain/types.js'
import type { Db } from './open.js'
import type { Schema } from './schema.js'

export function selectDiscussions(db: Db | Transaction<Schema>) {
  return db
    .selectFrom('discussion')
    .leftJoin('namespace', 'namespace.id', 'discussion.author_id')
    .selectAll('discussion')
    .select('namespace.name as author_name')
    .select((eb) =>
      eb
        .selectFrom('discussion_event')
        .select((it) => it.fn.countAll<number>().as('n'))
        .whereRef('discussion_event.repo_id', '=', 'discussion.repo_id')
        .whereRef('discussion_event.num', '=', 'discussion.num')
        .where('discussion_event.type', '=', 'comment')
        .as('num_comments'),
    )
}

type DiscussionRow = Awaited<
  ReturnType<ReturnType<typeof selectDiscussions>['executeTakeFirstOrThrow']>
>

export async function findDiscussion(
  tx: Transaction<Schema>,
  repoId: string,
  num: number,
): Promise<Discussion> {
  const row = await selectDiscussions(tx)
    .where('discussion.repo_id', '=', repoId)
    .where('discussion.num', '=', num)
    .executeTakeFirstOrThrow()
  return toDiscussion(row)
}

export function toDiscussion(row: DiscussionRow): Discussion {
  return {
    id: row.uid,
    repoId: row.repo_id,
    num: row.num,
    title: row.title,
    authorId: row.author_id,
    authorName: row.author_name,
    isPullRequest: row.is_pull_request === 1,
    status: row.status,
    pinned: row.pinned === 1,
    locked: row.locked === 1,
    baseRef: row.base_ref,
    headRef: row.head_ref,
    headOid: row.head_oid,
    mergeOid: row.merge_oid,
    mergeBaseOid: row.merge_base_oid,
    numComments: Number(row.num_comments ?? 0),
    createdAt: row.created_at,
  }
}
