import { sql } from 'kysely'
import type { FollowStore } from '../../domain/accounts/follows.js'
import { isCollectionVisible } from './collection-rows.js'
import type { Db } from './open.js'
import { escapeLike, now, toUser } from './rows.js'
import { isVisible } from './visible.js'

export function followStore(db: Db): FollowStore {
  return {
    async set(followerId, followedId, follows) {
      const row = { follower_id: followerId, followed_id: followedId }
      if (follows)
        await db
          .insertInto('follow')
          .values({ ...row, created_at: now() })
          .onConflict((oc) => oc.doNothing())
          .execute()
      else
        await db
          .deleteFrom('follow')
          .where('follower_id', '=', followerId)
          .where('followed_id', '=', followedId)
          .execute()
    },
    async has(followerId, followedId) {
      const row = await db
        .selectFrom('follow')
        .select('created_at')
        .where('follower_id', '=', followerId)
        .where('followed_id', '=', followedId)
        .executeTakeFirst()
      return row !== undefined
    },
    async count(id) {
      const { rows } = await sql<{ followers: number; following: number }>`select
        (select count(*) from follow where followed_id = ${id}) as followers,
        (select count(*) from follow join namespace on namespace.id = followed_id
          where follower_id = ${id} and namespace.type = 'user') as following`.execute(db)
      const [row] = rows
      return { followers: Number(row?.followers ?? 0), following: Number(row?.following ?? 0) }
    },
    async listFollowers(id, afterId, limit) {
      const rows = await db
        .selectFrom('follow')
        .innerJoin('namespace', 'namespace.id', 'follow.follower_id')
        .selectAll('namespace')
        .where('follow.followed_id', '=', id)
        .where('follow.follower_id', '>', afterId)
        .orderBy('follow.follower_id')
        .limit(limit)
        .execute()
      return rows.map(toUser)
    },
    async listFollowing(id, afterId, limit) {
      const rows = await db
        .selectFrom('follow')
        .innerJoin('namespace', 'namespace.id', 'follow.followed_id')
        .selectAll('namespace')
        .where('follow.follower_id', '=', id)
        .where('follow.followed_id', '>', afterId)
        .where('namespace.type', '=', 'user')
        .orderBy('follow.followed_id')
        .limit(limit)
        .execute()
      return rows.map(toUser)
    },
    async countActivity(user, visibleTo) {
      const named = `%${escapeLike(`"user":${JSON.stringify(user.name)}`)}%`
      const { rows } = await sql<Record<string, number>>`select
        (select count(*) from "like" join repo on repo.id = "like".repo_id
          where "like".user_id = ${user.id} and repo.state = 'ready' and ${isVisible(visibleTo)})
          as likes,
        (select count(*) from discussion join repo on repo.id = discussion.repo_id
          where author_id = ${user.id} and opened = 1 and repo.state = 'ready'
            and ${isVisible(visibleTo)}) as discussions,
        (select count(*) from collection_upvote join collection on collection.id = collection_id
          where user_id = ${user.id} and ${isCollectionVisible(visibleTo)}) as upvotes,
        (select count(*) from paper where authors like ${named} escape '\\') as papers`.execute(db)
      const of = (key: string) => Number(rows[0]?.[key] ?? 0)
      return {
        likes: of('likes'),
        discussions: of('discussions'),
        upvotes: of('upvotes'),
        papers: of('papers'),
      }
    },
  }
}
