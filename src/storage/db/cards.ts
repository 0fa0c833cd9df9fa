import { sql, type Transaction } from 'kysely'
import type { TagType } from '../../domain/cards/card.js'
import type { CardStore } from '../../domain/cards/ports.js'
import type { RefRecord } from '../../domain/refs/ports.js'
import type { Db } from './open.js'
import { searchBoundary, searchRepos } from './repo-search.js'
import { pagesOf, toCard } from './rows.js'
import type { Schema } from './schema.js'

export function cardStore(db: Db): CardStore {
  return {
    async findAt(repoId, head) {
      const row = await db
        .selectFrom('repo_card')
        .innerJoin('repo', 'repo.seq', 'repo_card.seq')
        .select(['card_data', 'config', 'safetensors', 'papers', 'formats'])
        .where('repo.id', '=', repoId)
        .where('repo.head_oid', '=', head)
        .executeTakeFirst()
      return row && toCard(row)
    },
    search: (query) => searchRepos(db, query),
    boundary: (query, n) => searchBoundary(db, query, n),
    listTags: (kind, limit) => listTags(db, kind, limit),
  }
}

/** Part of the transaction that records a change of the default branch, so that card and files always belong together. */
export async function writeCard(
  tx: Transaction<Schema>,
  repoId: string,
  { card, facts }: NonNullable<RefRecord['head']>['card'],
): Promise<void> {
  const repo = await tx
    .selectFrom('repo')
    .select(['seq', 'kind'])
    .where('id', '=', repoId)
    .executeTakeFirstOrThrow()
  const json = (value: unknown) => (value === null ? null : JSON.stringify(value))
  const row = {
    card_data: json(card.cardData),
    config: json(card.config),
    safetensors: json(card.safetensors),
    papers: JSON.stringify(card.papers),
    formats: JSON.stringify(card.formats),
    tags: JSON.stringify(facts.tags.filter((it) => !it.hidden).map((it) => it.name)),
    pipeline_tag: facts.pipelineTag ?? null,
    library_name: facts.libraryName ?? null,
  }
  await tx
    .insertInto('repo_card')
    .values({ seq: repo.seq, ...row })
    .onConflict((oc) => oc.column('seq').doUpdateSet(row))
    .execute()
  await tx
    .updateTable('repo')
    .set({ parameters: card.safetensors?.total ?? 0 })
    .where('seq', '=', repo.seq)
    .execute()
  await changeTags(tx, repo, facts.tags)
}

async function changeTags(
  tx: Transaction<Schema>,
  { seq, kind }: { seq: number; kind: Schema['repo']['kind'] },
  tags: readonly { name: string; type: string }[],
): Promise<void> {
  const rows = await tx.selectFrom('repo_tag').select('tag').where('seq', '=', seq).execute()
  const before = new Set(rows.map((it) => it.tag))
  const after = new Set(tags.map((it) => it.name))
  const gone = [...before].filter((it) => !after.has(it))
  for (const page of pagesOf(gone))
    await tx
      .deleteFrom('repo_tag')
      .where('kind', '=', kind)
      .where('seq', '=', seq)
      .where('tag', 'in', page)
      .execute()
  for (const page of pagesOf(tags.filter((it) => !before.has(it.name))))
    await tx
      .insertInto('repo_tag')
      .values(page.map((it) => ({ kind, tag: it.name, seq, type: it.type })))
      .execute()
}

/** One index look-up a tag (a skip scan), whatever the number of repositories that carry it. */
async function listTags(
  db: Db,
  kind: Schema['repo']['kind'],
  limit: number,
): Promise<Map<TagType, string[]>> {
  const result = new Map<TagType, string[]>()
  const types = await sql<{ value: TagType }>`with recursive found(value) as (
      select min(type) from repo_tag where kind = ${kind}
      union all
      select (select min(type) from repo_tag where kind = ${kind} and type > found.value)
      from found where found.value is not null
    ) select value from found where value is not null`.execute(db)
  for (const { value: type } of types.rows) {
    const tags = await sql<{ value: string }>`with recursive found(value) as (
        select min(tag) from repo_tag where kind = ${kind} and type = ${type}
        union all
        select (select min(tag) from repo_tag
          where kind = ${kind} and type = ${type} and tag > found.value)
        from found where found.value is not null
      ) select value from found where value is not null and exists (
        select 1 from repo_tag join repo on repo.seq = repo_tag.seq
        where repo_tag.kind = ${kind} and repo_tag.tag = found.value
          and repo.visibility = 'public' and repo.state = 'ready'
      ) limit ${limit}`.execute(db)
    result.set(
      type,
      tags.rows.map((it) => it.value),
    )
  }
  return result
}
