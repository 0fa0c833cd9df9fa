import { type RawBuilder, sql } from 'kysely'
import { isArxivId } from '../../domain/cards/arxiv.js'
import type { Viewer } from '../../domain/collections/ports.js'
import type { Paper, PaperAuthor, PaperStore } from '../../domain/papers/ports.js'
import { undescribed } from '../../domain/papers/undescribed.js'
import type { Db } from './open.js'
import { escapeLike, toRepo } from './rows.js'
import type { Schema } from './schema.js'
import { selectRepos } from './select-repos.js'
import { isVisible } from './visible.js'

const PREFIX = 'arxiv:'

export function paperStore(db: Db): PaperStore {
  const described = () =>
    db
      .selectFrom('paper')
      .leftJoin('namespace', 'namespace.id', 'paper.submitted_by')
      .selectAll('paper')
      .select('namespace.name as submitted_by_name')
  return {
    async find(id) {
      const row = await described().where('paper.id', '=', id).executeTakeFirst()
      return row && toPaper(row)
    },
    async search({ text, visibleTo, limit }) {
      const like = text === undefined ? undefined : `%${escapeLike(text.toLowerCase())}%`
      let query = described().orderBy('paper.id', 'desc').limit(limit)
      if (like !== undefined) query = query.where(matches(like))
      const rows = (await query.execute()).map(toPaper)
      const tagged = (await listTagged(db, like, visibleTo, limit)).map(undescribed)
      return [...rows, ...tagged].sort((a, b) => (a.id < b.id ? 1 : -1)).slice(0, limit)
    },
    async listDaily({ from, until, submitter, sort, limit, offset }) {
      const order = sort === 'publishedAt' ? 'paper.published_at' : 'paper.submitted_at'
      let query = described()
        .where('paper.submitted_at', 'is not', null)
        .orderBy(order, 'desc')
        .orderBy('paper.id', 'desc')
        .limit(limit)
        .offset(offset)
      if (from !== undefined) query = query.where('paper.submitted_at', '>=', from)
      if (until !== undefined) query = query.where('paper.submitted_at', '<', until)
      if (submitter !== undefined) query = query.where('namespace.name', '=', submitter)
      return (await query.execute()).map(toPaper)
    },
    async save(paper) {
      const submitter = paper.submittedOnDailyBy
      await db.transaction().execute(async (tx) => {
        const by = submitter
          ? await tx
              .selectFrom('namespace')
              .select('id')
              .where('name', '=', submitter)
              .executeTakeFirst()
          : undefined
        const row = {
          title: paper.title,
          summary: paper.summary,
          authors: JSON.stringify(paper.authors),
          published_at: paper.publishedAt,
          source: paper.source,
          submitted_at: paper.submittedOnDailyAt,
          submitted_by: by?.id ?? null,
        }
        await tx
          .insertInto('paper')
          .values({ id: paper.id, ...row })
          .onConflict((oc) => oc.column('id').doUpdateSet(row))
          .execute()
      })
    },
    async delete(id) {
      const { numDeletedRows } = await db
        .deleteFrom('paper')
        .where('id', '=', id)
        .executeTakeFirst()
      return numDeletedRows > 0n
    },
    async listRepos(id, { kind, visibleTo, limit }) {
      let query = selectRepos(db)
        .innerJoin('repo_tag', 'repo_tag.seq', 'repo.seq')
        .where('repo_tag.tag', '=', PREFIX + id)
        .where('repo_tag.kind', 'in', kind ? [kind] : ['model', 'dataset', 'space'])
        .where('repo.state', '=', 'ready')
        .where('repo.disabled', '=', 0)
        .where(isVisible(visibleTo))
        .orderBy('repo.likes', 'desc')
        .orderBy('repo.seq')
        .limit(limit)
      if (kind) query = query.where('repo.kind', '=', kind)
      return (await query.execute()).map(toRepo)
    },
  }
}

function matches(like: string): RawBuilder<boolean> {
  return sql<boolean>`lower(paper.id || ' ' || coalesce(paper.title, '') || ' '
    || coalesce(paper.summary, '') || ' ' || paper.authors) like ${like} escape '\\'`
}

/** Ids that only tags name, newest first. */
async function listTagged(
  db: Db,
  like: string | undefined,
  viewer: Viewer,
  limit: number,
): Promise<string[]> {
  let query = db
    .selectFrom('repo_tag')
    .innerJoin('repo', 'repo.seq', 'repo_tag.seq')
    .select('repo_tag.tag')
    .distinct()
    .where('repo_tag.kind', 'in', ['model', 'dataset', 'space'])
    .where(
      sql<boolean>`(repo_tag.tag like 'arxiv:____.____%' or repo_tag.tag like 'arxiv:%/_______')`,
    )
    .where('repo_tag.tag', '>=', PREFIX)
    .where('repo_tag.tag', '<', 'arxiv;')
    .where('repo.state', '=', 'ready')
    .where('repo.disabled', '=', 0)
    .where(isVisible(viewer))
    .where(sql<boolean>`not exists (select 1 from paper where 'arxiv:' || paper.id = repo_tag.tag)`)
    .orderBy('repo_tag.tag', 'desc')
    .limit(limit)
  if (like !== undefined)
    query = query.where(sql<boolean>`lower(repo_tag.tag) like ${like} escape '\\'`)
  return (await query.execute()).map((it) => it.tag.slice(PREFIX.length)).filter(isArxivId)
}

function toPaper(
  row: { [K in keyof Schema['paper']]: Schema['paper'][K] } & { submitted_by_name: string | null },
): Paper {
  return {
    id: row.id,
    title: row.title,
    summary: row.summary,
    authors: JSON.parse(row.authors) as PaperAuthor[],
    publishedAt: row.published_at,
    source: row.source,
    submittedOnDailyAt: row.submitted_at,
    submittedOnDailyBy: row.submitted_by_name,
  }
}
