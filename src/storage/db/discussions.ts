import type { DiscussionStore } from '../../domain/discussions/ports.js'
import type { Discussion } from '../../domain/types.js'
import type { Db } from './open.js'
import { now } from './rows.js'

export function discussionStore(db: Db): DiscussionStore {
  const select = () =>
    db
      .selectFrom('discussion')
      .leftJoin('namespace', 'namespace.id', 'discussion.author_id')
      .selectAll('discussion')
      .select('namespace.name as author_name')
  const find: DiscussionStore['find'] = async (repoId, num) => {
    const row = await select()
      .where('repo_id', '=', repoId)
      .where('num', '=', num)
      .executeTakeFirst()
    return row && toDiscussion(row)
  }
  const matching = (repoId: string, filter: Parameters<DiscussionStore['list']>[1]) => {
    let query = select().where('repo_id', '=', repoId)
    if (filter.isPullRequest !== undefined)
      query = query.where('is_pull_request', '=', filter.isPullRequest ? 1 : 0)
    if (filter.statuses) query = query.where('status', 'in', filter.statuses)
    if (filter.author !== undefined) query = query.where('namespace.name', '=', filter.author)
    return query
  }
  return {
    find,
    create: (order) =>
      db.transaction().execute(async (tx) => {
        const { last } = await tx
          .selectFrom('discussion')
          .select((eb) => eb.fn.max('num').as('last'))
          .where('repo_id', '=', order.repoId)
          .executeTakeFirstOrThrow()
        const num = Number(last ?? 0) + 1
        const row = {
          repo_id: order.repoId,
          num,
          title: order.title,
          description: order.description,
          author_id: order.authorId,
          is_pull_request: order.isPullRequest ? 1 : 0,
          status: order.status,
          base_ref: order.baseRef,
          head_ref: order.isPullRequest ? `refs/pr/${num}` : null,
          created_at: now(),
        }
        await tx.insertInto('discussion').values(row).execute()
        const author = await tx
          .selectFrom('namespace')
          .select('name')
          .where('id', '=', order.authorId)
          .executeTakeFirst()
        return toDiscussion({ ...row, author_name: author?.name ?? null })
      }),
    async remove(repoId, num) {
      await db
        .deleteFrom('discussion')
        .where('repo_id', '=', repoId)
        .where('num', '=', num)
        .execute()
    },
    async list(repoId, filter, limit, offset) {
      const rows = await matching(repoId, filter)
        .orderBy('num', 'desc')
        .limit(limit)
        .offset(offset)
        .execute()
      return rows.map(toDiscussion)
    },
    async count(repoId, filter) {
      const row = await matching(repoId, filter)
        .clearSelect()
        .select((eb) => eb.fn.countAll<number>().as('n'))
        .executeTakeFirstOrThrow()
      return Number(row.n)
    },
  }
}

function toDiscussion(row: {
  repo_id: string
  num: number
  title: string
  description: string
  author_id: number | null
  author_name: string | null
  is_pull_request: number
  status: Discussion['status']
  base_ref: string | null
  head_ref: string | null
  created_at: string
}): Discussion {
  return {
    repoId: row.repo_id,
    num: row.num,
    title: row.title,
    description: row.description,
    authorId: row.author_id,
    authorName: row.author_name,
    isPullRequest: row.is_pull_request === 1,
    status: row.status,
    baseRef: row.base_ref,
    headRef: row.head_ref,
    createdAt: row.created_at,
  }
}
