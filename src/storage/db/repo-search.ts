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
/** How far tags are counted to find the rarest. */
const COUNTED = 20_000

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
  if (it.gated !== undefined)
    q = q.where(it.gated ? sql<boolean>`repo.gate <> 'none'` : sql<boolean>`repo.gate = 'none'`)
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
  for (const text of it.search) q = q.where(addressContains(text))
  q = q.where(hasParameters(it.parameters, sql`repo.parameters + 0`))
  return q.where(isVisible(it.visibleTo))
}

/** Whether `namespace/name` has the text, without case. */
export function addressContains(text: string): RawBuilder<boolean> {
  return sql<boolean>`lower(repo.address) like ${`%${escapeLike(text.toLowerCase())}%`} escape '\\'`
}

function hasParameters(
  asked: RepoSearch['parameters'],
  column: RawBuilder<unknown>,
): RawBuilder<boolean> {
  const [min, max] = [asked?.min, asked?.max]
  const least = min === undefined ? sql`` : sql`and ${column} >= ${min}`
  const most = max === undefined ? sql`` : sql`and ${column} <= ${max}`
  return sql<boolean>`(1 = 1 ${least} ${most})`
}

/**
 * The repositories whose address may have all these texts, when they are few (a superset where a text is short).
 * Each way is looked at no further than that.
 */
export async function fewWithText(
  db: Db,
  texts: readonly string[],
  kind?: RepoSearch['kind'],
): Promise<number[] | undefined> {
  const words = texts.filter((it) => [...it].length >= 3)
  const [short] = texts
  if (words.length > 0) {
    const match = words.map((it) => `"${it.replace(/"/g, '""')}"`).join(' AND ')
    return few(
      sql<Found>`select rowid as seq from repo_search where repo_search match ${match}`,
      db,
    )
  }
  // too short for trigrams: along the index that has the address, not through the rows
  return short === undefined
    ? undefined
    : few(
        sql<Found>`select seq from repo where ${addressContains(short)} ${kind ? sql`and kind = ${kind}` : sql``}`,
        db,
      )
}

interface Found {
  readonly seq: number
}

/** Undefined when there are many. */
export async function few(query: RawBuilder<Found>, db: Db): Promise<number[] | undefined> {
  const { rows } = await sql<Found>`${query} limit ${FEW + 1}`.execute(db)
  return rows.length > FEW ? undefined : rows.map((it) => it.seq)
}

/** The repositories of the narrowest condition, when they are few; each condition is looked at no further than that. */
async function fewest(db: Db, query: RepoSearch): Promise<number[] | undefined> {
  const { kind, namespaceId, tags } = query
  const found = await Promise.all([
    fewWithText(db, query.search, kind),
    ...tags.map((tag) => few(withTag(query, tag), db)),
    namespaceId === undefined
      ? undefined
      : few(
          sql`select seq from repo where namespace_id = ${namespaceId} and kind || '' = ${kind}`,
          db,
        ),
    query.gated
      ? few(sql`select seq from repo where kind = ${kind} and gate <> 'none'`, db)
      : undefined,
    query.parameters
      ? few(
          sql`select seq from repo where kind = ${kind} and ${hasParameters(query.parameters, sql`parameters`)}`,
          db,
        )
      : undefined,
  ])
  const short = found.filter((it) => it !== undefined).sort((a, b) => a.length - b.length)
  return short[0] ?? fewWithAllTags(db, query)
}

const withTag = ({ kind }: RepoSearch, tag: string): RawBuilder<Found> =>
  sql`select seq from repo_tag where kind = ${kind} and tag = ${tag}`

/** Every condition has many, but perhaps few have them all: that is a matter of the index of tags alone. */
async function fewWithAllTags(db: Db, query: RepoSearch): Promise<number[] | undefined> {
  const { kind, namespaceId, tags } = query
  const unique = [...new Set(tags)]
  if (unique.length + (namespaceId === undefined ? 0 : 1) < 2 || unique.length === 0)
    return undefined
  const counted = await Promise.all(
    unique.map(async (tag) => {
      const { rows } = await sql<{ n: number }>`select count(*) as n from
        (${withTag(query, tag)} limit ${COUNTED})`.execute(db)
      return { tag, n: Number(rows[0]?.n) }
    }),
  )
  const [rarest, ...rest] = counted.sort((a, b) => a.n - b.n).map((it) => it.tag)
  const others = rest.map(
    (tag) => sql`and exists (select 1 from repo_tag o
      where o.kind = ${kind} and o.tag = ${tag} and o.seq = t.seq)`,
  )
  const home =
    namespaceId === undefined
      ? sql``
      : sql`and exists (select 1 from repo where repo.seq = t.seq and repo.namespace_id + 0 = ${namespaceId})`
  return few(
    sql`select t.seq from repo_tag t where t.kind = ${kind} and t.tag = ${rarest}
      ${sql.join(others, sql` `)} ${home}`,
    db,
  )
}
