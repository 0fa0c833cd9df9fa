import { type RawBuilder, type SelectQueryBuilder, sql } from 'kysely'
import type { RepoListQuery, RepoStore } from '../../domain/repos/ports.js'
import type { Db } from './open.js'
import { addressContains, few, fewWithText } from './repo-search.js'
import { toRepo } from './rows.js'
import type { Schema } from './schema.js'
import { selectRepos } from './select-repos.js'
import { isOpen, isVisible } from './visible.js'

/*
 * Lists with page numbers have to walk over what stands before the page. They do so in an index that has everything the
 * conditions ask for; rows are read for the page alone. `|| ''` keeps an index out of the way that is not meant.
 */

type Lists = Pick<RepoStore, 'list' | 'count' | 'listMostDownloaded'>
type CountQuery = Parameters<RepoStore['count']>[0]
type Query<O> = SelectQueryBuilder<Schema, 'repo', O>

const SORT_COLUMN = {
  updatedAt: 'repo.updated_at',
  createdAt: 'repo.created_at',
  downloads: 'repo.downloads',
  likes: 'repo.likes',
  trendingScore: 'repo.trending_score',
  name: 'repo.name',
  size: 'repo.git_bytes + repo.lfs_bytes',
} as const

export function repoLists(db: Db): Lists {
  return {
    async list(query) {
      const seqs = await pageOf(db, query)
      if (!seqs) return []
      const rows = await selectRepos(db)
        .where(sql<boolean>`repo.seq in (${seqs})`)
        .orderBy(sql.raw(SORT_COLUMN[query.sort]), query.order)
        .orderBy('repo.seq', query.order)
        .execute()
      return rows.map(toRepo)
    },
    async count(query) {
      const counted = countOf(db, query) ?? (await countRows(db, query))
      if (!counted) return 0
      const { rows } = await sql<{ n: number | null }>`select ${counted} as n`.execute(db)
      return Number(rows[0]?.n ?? 0)
    },
    async listMostDownloaded({ sinceDay, kind, visibleTo, limit }) {
      const { rows } = await sql<{ seq: number; sessions: number }>`
        select repo.seq as seq, d.sessions as sessions
        from (select repo_id, sum(sessions) as sessions from download_day where day >= ${sinceDay} group by repo_id) d
        cross join repo on repo.id = d.repo_id
        where repo.state = 'ready' ${kind ? sql`and repo.kind = ${kind}` : sql``} and ${isVisible(visibleTo)}
        order by d.sessions desc, repo.seq desc limit ${limit}`.execute(db)
      if (rows.length === 0) return []
      const found = await selectRepos(db)
        .where(
          'repo.seq',
          'in',
          rows.map((it) => it.seq),
        )
        .execute()
      const bySeq = new Map(found.map((it) => [it.seq, toRepo(it)]))
      return rows.flatMap(({ seq, sessions }) => {
        const repo = bySeq.get(seq)
        return repo ? [{ repo, sessions: Number(sessions) }] : []
      })
    },
  }
}

/** The query for the numbers of the repositories on a page; undefined when there are none. */
async function pageOf(db: Db, query: RepoListQuery): Promise<RawBuilder<unknown> | undefined> {
  const special = query.sort === 'name' ? (shelfPage(query) ?? membershipPage(query)) : undefined
  if (special) return special
  const narrow = await narrowest(db, query)
  if (narrow?.length === 0) return undefined
  const column = sql.raw<string | number>(SORT_COLUMN[query.sort])
  let q = filtered(db.selectFrom('repo').select('repo.seq'), query)
  if (narrow) q = q.where('repo.seq', 'in', narrow)
  q = q.orderBy(column, query.order).orderBy('repo.seq', query.order)
  if (query.after) {
    const op = sql.raw(query.order === 'asc' ? '>' : '<')
    const { value, seq } = query.after
    q = q.where(sql<boolean>`(${column}, repo.seq) ${op} (${value}, ${seq})`)
  }
  q = q.limit(query.limit)
  if (query.offset) q = q.offset(query.offset)
  return sql`${q}`
}

/** What a text is found in, or what a namespace has where no index has the order asked; undefined when that is many. */
async function narrowest(db: Db, query: RepoListQuery): Promise<number[] | undefined> {
  const text = query.search?.length ? await fewWithText(db, query.search) : undefined
  if (text || query.namespaceId === undefined || hasIndexInNamespace(query)) return text
  return few(sql`select seq from repo where namespace_id = ${query.namespaceId}`, db)
}

/** By name along the index of the shelf. */
function shelfPage(query: RepoListQuery): RawBuilder<unknown> | undefined {
  if (query.shelfId === undefined || !only(query, 'shelfId')) return undefined
  const order = sql.raw(query.order)
  const op = sql.raw(query.order === 'asc' ? '>' : '<')
  const { after } = query
  return sql`select l.repo_seq from shelf_project l where ${onShelf(query.shelfId, query.visibleTo)}
    ${after ? sql`and (l.name, l.repo_seq) ${op} (${after.value}, ${after.seq})` : sql``}
    order by l.name ${order}, l.repo_seq ${order} limit ${query.limit} offset ${query.offset ?? 0}`
}

function onShelf(shelfId: number, who: RepoListQuery['visibleTo']): RawBuilder<unknown> {
  if (!who) return sql`l.shelf_id = ${shelfId} and l.shown <> ''`
  return sql`l.shelf_id = ${shelfId} and (${isOpen(sql`l.shown`, who)} or (l.shown <> '' and exists
    (select 1 from repo where repo.seq = l.repo_seq and ${isVisible(who)})))`
}

const MAX_MERGED = 50

/** By name along the indexes of each account's namespace, merged, with what else they are members of. */
function membershipPage(query: RepoListQuery): RawBuilder<unknown> | undefined {
  const ids = query.memberOf?.accountIds
  if (!ids?.length || ids.length > MAX_MERGED || query.after || query.visibleTo) return undefined
  if (!only(query, 'memberOf')) return undefined
  const order = sql.raw(query.order)
  const parts = ids.map(
    (id) =>
      sql`select seq, name from repo where namespace_id = ${id} and state = 'ready' union all `,
  )
  return sql`select seq from (${sql.join(parts, sql``)}
    select seq, name from repo where ${onlyAsMember(ids)}
    order by name ${order}, seq ${order} limit ${query.limit} offset ${query.offset ?? 0})`
}

function onlyAsMember(accountIds: readonly number[]): RawBuilder<unknown> {
  const ids = sql.join(accountIds)
  return sql`id in (select repo_id from repo_member where user_id in (${ids}))
    and namespace_id not in (${ids}) and state = 'ready'`
}

/** What a namespace has is counted as it changes; undefined when other conditions are asked. */
function countOf(db: Db, query: CountQuery): RawBuilder<unknown> | undefined {
  const { shelfId, memberOf, visibleTo: who } = query
  if (shelfId !== undefined && only(query, 'shelfId')) return countOnShelf(shelfId, who)
  const ids = memberOf?.accountIds
  if (ids?.length && !who && only(query, 'memberOf'))
    return sql`(select coalesce(sum(repos), 0) from repo_count where namespace_id in (${sql.join(ids)}))
      + (select count(*) from repo where ${onlyAsMember(ids)})`
  if (!only(query, 'namespaceId', 'kind', 'visibility')) return undefined
  let kept = db.selectFrom('repo_count').select(sql`coalesce(sum(repos), 0)`.as('n'))
  if (query.namespaceId !== undefined) kept = kept.where('namespace_id', '=', query.namespaceId)
  if (query.kind) kept = kept.where('kind', '=', query.kind)
  if (query.visibility) kept = kept.where('visibility', '=', query.visibility)
  if (!who) return sql`(${kept})`
  const own = who.within ? [] : who.namespaceIds
  const sure = (
    table: 'repo' | 'repo_count',
  ) => sql<boolean>`(${isOpen(sql.ref(`${table}.visibility`), who)}
    or ${sql.ref(`${table}.namespace_id`)} in (${sql.join(own.length ? own : [-1])}))`
  const accounts = [who.userId ?? -1, ...who.namespaceIds]
  const others = who.within
    ? sql`${sql.join(who.within.length ? who.within : [''])}`
    : sql`select repo_id from repo_member where user_id in (${sql.join(accounts)})`
  const { namespaceId, ...elsewhere } = query
  const home = namespaceId === undefined ? sql`` : sql`and repo.namespace_id + 0 = ${namespaceId}`
  const rest = filtered(db.selectFrom('repo').select(sql`count(*)`.as('n')), elsewhere)
    .where(sql<boolean>`repo.id in (${others}) ${home}`)
    .where(sql<boolean>`not ${sure('repo')}`)
  return sql`(${kept.where(sure('repo_count'))}) + (${rest})`
}

/** Apart: testing two conditions on every entry costs five times as much as one. */
function countOnShelf(shelfId: number, who: RepoListQuery['visibleTo']): RawBuilder<unknown> {
  const count = sql`select count(*) from shelf_project l where l.shelf_id = ${shelfId} and l.shown <> ''`
  if (!who) return sql`(${count})`
  const open = isOpen(sql`l.shown`, who)
  return sql`(${count} and ${open}) + (${count} and not ${open} and exists
    (select 1 from repo where repo.seq = l.repo_seq and ${isVisible(who)}))`
}

async function countRows(db: Db, query: CountQuery): Promise<RawBuilder<unknown> | undefined> {
  const text = query.search?.length ? await fewWithText(db, query.search) : undefined
  if (text?.length === 0) return undefined
  let q = filtered(db.selectFrom('repo').select(sql`count(*)`.as('n')), query)
  if (text) q = q.where('repo.seq', 'in', text)
  return sql`(${q})`
}

type Filter = Pick<
  RepoListQuery,
  | 'kind'
  | 'namespaceId'
  | 'search'
  | 'visibility'
  | 'gated'
  | 'repoIds'
  | 'shelfId'
  | 'memberOf'
  | 'visibleTo'
> &
  Partial<Pick<RepoListQuery, 'sort'>>

const CONDITIONS = [
  'kind',
  'namespaceId',
  'visibility',
  'gated',
  'shelfId',
  'memberOf',
] as const satisfies (keyof Filter)[]

const SORTED_IN_NAMESPACE: readonly RepoListQuery['sort'][] = [
  'name',
  'updatedAt',
  'createdAt',
  'size',
]

function hasIndexInNamespace({ namespaceId, sort }: Filter): boolean {
  return namespaceId !== undefined && (sort === undefined || SORTED_IN_NAMESPACE.includes(sort))
}

/** Whether no condition is asked but these, and who may see it. */
function only(filter: Filter, ...known: readonly (keyof Filter)[]): boolean {
  return (
    !filter.search?.length &&
    !filter.repoIds?.length &&
    CONDITIONS.every((it) => known.includes(it) || filter[it] === undefined)
  )
}

function filtered<O>(query: Query<O>, filter: Filter): Query<O> {
  let q = query.where('repo.state', '=', 'ready')
  const { kind, shelfId, memberOf } = filter
  if (kind)
    q = hasIndexInNamespace(filter)
      ? q.where(sql<boolean>`repo.kind || '' = ${kind}`)
      : q.where('repo.kind', '=', kind)
  if (filter.namespaceId !== undefined)
    q = hasIndexInNamespace(filter)
      ? q.where('repo.namespace_id', '=', filter.namespaceId)
      : q.where(sql<boolean>`repo.namespace_id + 0 = ${filter.namespaceId}`)
  if (filter.visibility) q = q.where('repo.visibility', '=', filter.visibility)
  if (filter.gated !== undefined) q = q.where('repo.gate', filter.gated ? '!=' : '=', 'none')
  if (filter.repoIds?.length) q = q.where('repo.id', 'in', filter.repoIds)
  if (shelfId !== undefined)
    q = q.where(
      sql<boolean>`repo.id in (select repo_id from shelf_project where shelf_id = ${shelfId})`,
    )
  if (memberOf) {
    const ids = sql.join(memberOf.accountIds)
    q = q.where(sql<boolean>`(repo.namespace_id in (${ids})
      or repo.id in (select repo_id from repo_member where user_id in (${ids})))`)
  }
  for (const text of filter.search ?? []) q = q.where(addressContains(text))
  return q.where(isVisible(filter.visibleTo))
}
