import { type RawBuilder, sql } from 'kysely'
import type { RepoListQuery } from '../../domain/repos/ports.js'

/** What everybody of this kind may see, whatever else they have: a condition on a column of visibilities. */
export function isOpen(
  column: RawBuilder<unknown>,
  who: NonNullable<RepoListQuery['visibleTo']>,
): RawBuilder<boolean> {
  const open = who.userId === null || who.within ? ['public'] : ['public', 'internal']
  return sql<boolean>`${column} in (${sql.join(open)})`
}

/** Condition on the table `repo` of a query: only what `Access.visibleTo` lets a caller see. */
export function isVisible(who: RepoListQuery['visibleTo']): RawBuilder<boolean> {
  if (!who) return sql<boolean>`1 = 1`
  const open = who.userId === null ? ['public'] : ['public', 'internal']
  const own = who.namespaceIds.length
    ? sql`or repo.namespace_id in (${sql.join(who.namespaceIds)})`
    : sql``
  const member =
    who.userId === null
      ? sql``
      : sql`or exists (select 1 from repo_member
          where repo_member.repo_id = repo.id and repo_member.user_id in (${sql.join([who.userId, ...who.namespaceIds])}))`
  const within = who.within
    ? sql`and (repo.visibility = 'public' or repo.id in (${sql.join(who.within.length ? who.within : [''])}))`
    : sql``
  return sql<boolean>`(repo.visibility in (${sql.join(open)}) ${own} ${member}) ${within}`
}
