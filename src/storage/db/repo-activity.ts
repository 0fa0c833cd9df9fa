import { sql, type Transaction } from 'kysely'
import type { RepoStore } from '../../domain/repos/ports.js'
import type { Db } from './open.js'
import { now, pagesOf, toRepo, toUser } from './rows.js'
import type { Schema } from './schema.js'

const BUCKET_MS = 15 * 60 * 1000
const DAY_MS = 24 * 60 * 60 * 1000

type Activity = Pick<
  RepoStore,
  | 'addLike'
  | 'removeLike'
  | 'hasLike'
  | 'listLikers'
  | 'listLikes'
  | 'countDownloads'
  | 'downloadsByDay'
  | 'refreshTrending'
>

/** Likes and downloads, with the counters on the repository row kept in the same transaction. */
export function repoActivity(db: Db): Activity {
  return {
    addLike: (id, userId) =>
      db.transaction().execute(async (tx) => {
        const { numInsertedOrUpdatedRows } = await tx
          .insertInto('like')
          .values({ repo_id: id, user_id: userId, created_at: now() })
          .onConflict((oc) => oc.doNothing())
          .executeTakeFirst()
        if (!numInsertedOrUpdatedRows) return false
        await tx
          .updateTable('repo')
          .set((eb) => ({ likes: eb('likes', '+', 1), likes_30d: recentLikes(id) }))
          .where('id', '=', id)
          .execute()
        return true
      }),
    removeLike: (id, userId) =>
      db.transaction().execute(async (tx) => {
        const { numDeletedRows } = await tx
          .deleteFrom('like')
          .where('repo_id', '=', id)
          .where('user_id', '=', userId)
          .executeTakeFirst()
        if (numDeletedRows === 0n) return false
        await tx
          .updateTable('repo')
          .set((eb) => ({ likes: eb('likes', '-', 1), likes_30d: recentLikes(id) }))
          .where('id', '=', id)
          .execute()
        return true
      }),
    async hasLike(id, userId) {
      const row = await db
        .selectFrom('like')
        .select('user_id')
        .where('repo_id', '=', id)
        .where('user_id', '=', userId)
        .executeTakeFirst()
      return row !== undefined
    },
    async listLikers(id, limit, offset) {
      const rows = await db
        .selectFrom('like')
        .innerJoin('namespace', 'namespace.id', 'like.user_id')
        .selectAll('namespace')
        .select('like.created_at as at')
        .where('like.repo_id', '=', id)
        .orderBy('like.created_at')
        .orderBy('like.user_id')
        .limit(limit)
        .offset(offset)
        .execute()
      return rows.map((row) => ({ user: toUser(row), at: row.at }))
    },
    async listLikes(userId, limit, offset) {
      const rows = await db
        .selectFrom('like')
        .innerJoin('repo', 'repo.id', 'like.repo_id')
        .innerJoin('namespace', 'namespace.id', 'repo.namespace_id')
        .selectAll('repo')
        .select(['namespace.name as namespace', 'like.created_at as at'])
        .where('like.user_id', '=', userId)
        .where('repo.state', '=', 'ready')
        .orderBy('like.created_at', 'desc')
        .orderBy('repo.seq', 'desc')
        .limit(limit)
        .offset(offset)
        .execute()
      return rows.map((row) => ({ repo: toRepo(row), at: row.at }))
    },
    countDownloads: (batch) =>
      db.transaction().execute(async (tx) => {
        const now = Date.now()
        const day = new Date(now).toISOString().slice(0, 10)
        for (const [id, count] of await countSessions(tx, batch, Math.floor(now / BUCKET_MS))) {
          await tx
            .insertInto('download_day')
            .values({ repo_id: id, day, ...count })
            .onConflict((oc) =>
              oc.columns(['repo_id', 'day']).doUpdateSet((eb) => ({
                sessions: eb('download_day.sessions', '+', count.sessions),
                authenticated: eb('download_day.authenticated', '+', count.authenticated),
                files: eb('download_day.files', '+', count.files),
              })),
            )
            .execute()
          if (count.sessions > 0)
            await tx
              .updateTable('repo')
              .set((eb) => ({ downloads: eb('downloads', '+', count.sessions) }))
              .where('id', '=', id)
              .execute()
        }
      }),
    downloadsByDay: (id, sinceDay) =>
      db
        .selectFrom('download_day')
        .select(['day', 'sessions', 'authenticated', 'files'])
        .where('repo_id', '=', id)
        .where('day', '>=', sinceDay)
        .orderBy('day')
        .execute(),
    async refreshTrending() {
      // KohakuHub's formula: ln(1 + sessions) of each of the last 7 days, weighed by 0.8^days ago
      const dayOf = (ago: number) => new Date(Date.now() - ago * DAY_MS).toISOString().slice(0, 10)
      const rows = await db
        .selectFrom('download_day')
        .select(['repo_id', 'day', 'sessions'])
        .where('day', '>', dayOf(7))
        .execute()
      const scores = new Map<string, number>()
      for (const row of rows) {
        const daysAgo = Math.round((Date.parse(dayOf(0)) - Date.parse(row.day)) / DAY_MS)
        const score = Math.log(1 + row.sessions) * 0.8 ** daysAgo
        scores.set(row.repo_id, (scores.get(row.repo_id) ?? 0) + score)
      }
      await db.transaction().execute(async (tx) => {
        const was = await tx
          .selectFrom('repo')
          .select(['id', 'trending_score'])
          .where('trending_score', '!=', 0)
          .execute()
        for (const { id } of was) if (!scores.has(id)) scores.set(id, 0)
        for (const [id, score] of scores)
          await tx.updateTable('repo').set({ trending_score: score }).where('id', '=', id).execute()
        const liked = await tx.selectFrom('repo').select('id').where('likes_30d', '!=', 0).execute()
        for (const { id } of liked)
          await tx
            .updateTable('repo')
            .set({ likes_30d: recentLikes(id) })
            .where('id', '=', id)
            .execute()
        await tx
          .deleteFrom('download_session')
          .where('bucket', '<', Math.floor(Date.now() / BUCKET_MS) - 2)
          .execute()
      })
    },
  }
}

function recentLikes(id: string) {
  const since = new Date(Date.now() - 30 * DAY_MS).toISOString()
  return sql<number>`(select count(*) from "like" where repo_id = ${id} and created_at > ${since})`
}

type Downloads = Parameters<RepoStore['countDownloads']>[0]

/** Stores the sessions of this bucket and answers, for each repository that is still there, what came on top. */
async function countSessions(
  tx: Transaction<Schema>,
  batch: Downloads,
  bucket: number,
): Promise<Map<string, { sessions: number; authenticated: number; files: number }>> {
  const counts = new Map<string, { sessions: number; authenticated: number; files: number }>()
  const ids = [...new Set(batch.map((it) => it.repoId))]
  for (const page of pagesOf(ids))
    for (const { id } of await tx.selectFrom('repo').select('id').where('id', 'in', page).execute())
      counts.set(id, { sessions: 0, authenticated: 0, files: 0 })
  for (const page of pagesOf(batch.filter((it) => counts.has(it.repoId)))) {
    const rows = await tx
      .insertInto('download_session')
      .values(page.map((it) => ({ repo_id: it.repoId, visitor: it.visitor, bucket })))
      .onConflict((oc) => oc.doNothing())
      .returning(['repo_id', 'visitor'])
      .execute()
    const fresh = new Set(rows.map((it) => `${it.repo_id} ${it.visitor}`))
    for (const it of page) {
      const count = counts.get(it.repoId)
      if (!count) continue
      const isNew = fresh.has(`${it.repoId} ${it.visitor}`)
      count.files += it.files
      count.sessions += isNew ? 1 : 0
      count.authenticated += isNew && it.known ? 1 : 0
    }
  }
  return counts
}
