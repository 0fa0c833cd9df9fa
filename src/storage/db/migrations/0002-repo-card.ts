import { type Kysely, type Migration, sql } from 'kysely'

/**
 * What a repository's files say about it, and the indexes behind lists. `repo.address` (`namespace/name`) and its trigram
 * index `repo_search` are kept by triggers, so that no way of changing a name can forget them.
 */
export const repoCard: Migration = {
  async up(db: Kysely<unknown>) {
    const t = db.schema
    await t
      .createTable('repo_card')
      .addColumn('seq', 'integer', (c) => c.primaryKey().references('repo.seq').onDelete('cascade'))
      .addColumn('card_data', 'text')
      .addColumn('config', 'text')
      .addColumn('safetensors', 'text')
      .addColumn('formats', 'text', (c) => c.notNull())
      .addColumn('tags', 'text', (c) => c.notNull())
      .addColumn('pipeline_tag', 'text')
      .addColumn('library_name', 'text')
      .execute()
    await t.alterTable('repo').addColumn('address', 'text').execute()
    for (const counter of ['parameters', 'likes_30d'] as const)
      await t
        .alterTable('repo')
        .addColumn(counter, 'bigint', (c) => c.notNull().defaultTo(0))
        .execute()
    await t
      .createTable('repo_tag')
      .addColumn('kind', 'text', (c) => c.notNull())
      .addColumn('tag', 'text', (c) => c.notNull())
      .addColumn('seq', 'integer', (c) => c.notNull().references('repo.seq').onDelete('cascade'))
      .addColumn('type', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('repo_tag_pk', ['kind', 'tag', 'seq'])
      .execute()
    await t.createIndex('repo_tag_seq').on('repo_tag').column('seq').execute()
    await t.createIndex('repo_tag_type').on('repo_tag').columns(['kind', 'type', 'tag']).execute()
    for (const column of SORTED)
      await t.createIndex(`repo_by_${column}`).on('repo').columns(['kind', column, 'seq']).execute()
    await sql`create index repo_by_modified on repo (kind, coalesce(head_at, created_at), seq)`.execute(
      db,
    )
    await sql`create index repo_by_size on repo (kind, (git_bytes + lfs_bytes), seq)`.execute(db)
    await createSearch(db)
    // repositories from before have no card: what was derived goes, and the next start derives all of it
    await sql`delete from file`.execute(db)
    await sql`delete from ref`.execute(db)
    await sql`update repo set refs_digest = '', head_oid = null, commit_count = 0`.execute(db)
  },
}

const SORTED = [
  'address',
  'created_at',
  'downloads',
  'likes',
  'likes_30d',
  'parameters',
  'trending_score',
] as const

async function createSearch(db: Kysely<unknown>): Promise<void> {
  await sql`create virtual table repo_search using fts5(address, tokenize = 'trigram')`.execute(db)
  const name = sql`(select name from namespace where id = repo.namespace_id) || '/' || name`
  await sql`update repo set address = ${name}`.execute(db)
  await sql`insert into repo_search (rowid, address) select seq, address from repo`.execute(db)
  const fresh = sql`(select name from namespace where id = new.namespace_id) || '/' || new.name`
  await sql`create trigger repo_search_insert after insert on repo begin
    update repo set address = ${fresh} where seq = new.seq;
    insert into repo_search (rowid, address) values (new.seq, ${fresh});
  end`.execute(db)
  await sql`create trigger repo_search_move after update of name, namespace_id on repo begin
    update repo set address = ${fresh} where seq = new.seq;
    update repo_search set address = ${fresh} where rowid = new.seq;
  end`.execute(db)
  await sql`create trigger repo_search_delete after delete on repo begin
    delete from repo_search where rowid = old.seq;
  end`.execute(db)
}
