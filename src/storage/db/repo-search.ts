import { type RawBuilder, type SelectQueryBuilder, sql } from 'kysely'
import type { ListedRepo, ListPosition, RepoSearch } from '../../domain/cards/ports.js'
import type { Db } from './open.js'
import { escapeLike, toCard, toRepo } from './rows.js'
import type { Schema } from './schema.js'
import { isVisible } from './visible.js'

/*
 * A page of a list is read in one of two ways, because no database chooses well between them without statistics:
 *   - few repositories meet a condition (a rare tag, a search, a small namespace): those first, then sorted;
 *   - otherwise along the index of the sort order, testing each repository until the page is full.
 * `|| ''` and `+ 0` keep an index out of the way that is not meant.
 */
const FEW = 2_000

type Query<O> = SelectQueryBuilder<
  Schema & { repo_card: Schema['repo_card'] },
  'repo' | 'namespace' | 'repo_card',
  O
>

const SORT: Record<RepoSearch['sort'], () => RawBuilder<string | number>> = {
  createdAt: () => sql`repo.created_at`,
  lastModified: () => sql`coalesce(repo.head_at, repo.created_at)`,
  downloads: () => sql`repo.downloads`,
  likes: () => sql`repo.likes`,
  trendingScore: () => sql`repo.trending_score`,
  mainSize: () => sql`repo.git_bytes + repo.lfs_bytes`,
  parameters: () => sql`repo.parameters`,
  likes30d: () => sql`repo.likes_30d`,
  id: () => sql`repo.address`,
}

export async function searchRepos(db: Db, query: RepoSearch): Promise<ListedRepo[]> {
  const found = await select(db, query)
  if (!found) return []
  const columns = query.withCards
    ? (['card_data', 'config', 'safetensors', 'papers', 'formats'] as const)
    : ([] as const)
  const rows = await found
    .selectAll('repo')
    .select(['namespace.name as namespace', 'tags', 'pipeline_tag', 'library_name', ...columns])
    .select(SORT[query.sort]().as('sort_value'))
    .limit(query.limit)
    .execute()
  return rows.map((row) => ({
    repo: toRepo(row),
    tags: row.tags === null ? [] : (JSON.parse(row.tags) as string[]),
    pipelineTag: row.pipeline_tag ?? undefined,
    libraryName: row.library_name ?? undefined,
    position: { value: row.sort_value, seq: row.seq },
    card: query.withCards && row.formats ? toCard(row as Parameters<typeof toCard>[0]) : undefined,
  }))
}

export async function searchBoundary(
  db: Db,
  query: RepoSearch,
  n: number,
): Promise<ListPosition | undefined> {
  const found = await select(db, query)
  const rows = await found
    ?.select(['repo.seq', SORT[query.sort]().as('value')])
    .limit(2)
    .offset(n - 1)
    .execute()
  return rows?.length === 2 ? rows[0] : undefined
}

/** Conditions and order; undefined when nothing can match. */
async function select(db: Db, query: RepoSearch): Promise<Query<object> | undefined> {
  const few = await fewest(db, query)
  if (few?.length === 0) return undefined
  let q = db
    .selectFrom('repo')
    .innerJoin('namespace', 'namespace.id', 'repo.namespace_id')
    .leftJoin('repo_card', 'repo_card.seq', 'repo.seq')
    .where('repo.state', '=', 'ready') as unknown as Query<object>
  q = few
    ? q.where('repo.seq', 'in', few).where(sql<boolean>`repo.kind || '' = ${query.kind}`)
    : q.where('repo.kind', '=', query.kind)
  q = conditions(q, query)
  const value = SORT[query.sort]()
  const { order, after } = query
  if (after) {
    const op = sql.raw(order === 'asc' ? '>' : '<')
    q = q.where(sql<boolean>`(${value}, repo.seq) ${op} (${after.value}, ${after.seq})`)
  }
  return q.orderBy(value, order).orderBy('repo.seq', order)
}

function conditions(query: Query<object>, it: RepoSearch): Query<object> {
  let q = query
  if (it.namespaceId !== undefined)
    q = q.where(sql<boolean>`repo.namespace_id + 0 = ${it.namespaceId}`)
  if (it.gated !== undefined) q = q.where('repo.gate', it.gated ? '!=' : '=', 'none')
  for (const tag of it.tags)
    q = q.where((eb) =>
      eb.exists(
        eb
          .selectFrom('repo_tag')
          .select('repo_tag.seq')
          .where('repo_tag.kind', '=', it.kind)
          .where('repo_tag.tag', '=', tag)
          .whereRef('repo_tag.seq', '=', 'repo.seq'),
      ),
    )
  for (const text of it.search) q = q.where(contains(text))
  if (it.parameters?.min !== undefined) q = q.where('repo.parameters', '>=', it.parameters.min)
  if (it.parameters?.max !== undefined) q = q.where('repo.parameters', '<=', it.parameters.max)
  return q.where(isVisible(it.visibleTo))
}

function contains(text: string): RawBuilder<boolean> {
  return sql<boolean>`lower(repo.address) like ${`%${escapeLike(text.toLowerCase())}%`} escape '\\'`
}

/** The repositories of the narrowest condition, when they are few; each condition is looked at no further than that. */
async function fewest(db: Db, query: RepoSearch): Promise<number[] | undefined> {
  const limit = FEW + 1
  const candidates: (() => Promise<{ seq: number }[]>)[] = query.tags.map(
    (tag) => () =>
      db
        .selectFrom('repo_tag')
        .select('seq')
        .where('kind', '=', query.kind)
        .where('tag', '=', tag)
        .limit(limit)
        .execute(),
  )
  const words = query.search.filter((it) => [...it].length >= 3)
  if (words.length > 0) {
    const match = words.map((it) => `"${it.replace(/"/g, '""')}"`).join(' AND ')
    candidates.push(
      async () =>
        (
          await sql<{ seq: number }>`select rowid as seq from repo_search
            where repo_search match ${match} limit ${limit}`.execute(db)
        ).rows,
    )
  }
  const [short] = query.search
  if (short !== undefined && words.length === 0)
    // too short for trigrams: along the index that has the address, not through the rows
    candidates.push(() =>
      db
        .selectFrom('repo')
        .select('seq')
        .where('kind', '=', query.kind)
        .where(contains(short))
        .limit(limit)
        .execute(),
    )
  const { namespaceId } = query
  if (namespaceId !== undefined)
    candidates.push(() =>
      db
        .selectFrom('repo')
        .select('seq')
        .where('namespace_id', '=', namespaceId)
        .where('kind', '=', query.kind)
        .limit(limit)
        .execute(),
    )
  let best: number[] | undefined
  for (const read of candidates) {
    const rows = await read()
    if (rows.length <= FEW && rows.length < (best?.length ?? limit)) best = rows.map((it) => it.seq)
  }
  return best
}
