import { type Kysely, type Migration, sql } from 'kysely'

/**
 * What keeps lists of one namespace or shelf quick when they are long. A page is found in an index that has all a list
 * asks for, so that only the rows of the page are read; counts of a namespace are kept, by triggers, as they change.
 */
export const longLists: Migration = {
  async up(db: Kysely<unknown>) {
    for (const [name, order] of ORDERS)
      await sql`create index ${sql.ref(`repo_in_namespace_${name}`)} on repo
        (namespace_id, ${sql.raw(order)}, seq, state, visibility, kind)`.execute(db)
    // without a kind as well: what administrators list
    await sql`drop index repo_updated`.execute(db)
    await sql`create index repo_by_updated on repo (updated_at, seq, state, kind)`.execute(db)
    // a search goes along the names and needs no row to test one
    await sql`drop index repo_by_name`.execute(db)
    await sql`create index repo_by_name on repo (name, seq, state, visibility, address)`.execute(db)
    await sql`create index repo_gated on repo (kind, seq) where gate <> 'none'`.execute(db)
    await counts(db)
    await shelves(db)
  },
}

const ORDERS = [
  ['name', 'name'],
  ['updated', 'updated_at'],
  ['created', 'created_at'],
  ['size', '(git_bytes + lfs_bytes)'],
] as const

async function counts(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('repo_count')
    .addColumn('namespace_id', 'integer', (c) =>
      c.notNull().references('namespace.id').onDelete('cascade'),
    )
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('visibility', 'text', (c) => c.notNull())
    .addColumn('repos', 'integer', (c) => c.notNull())
    .addPrimaryKeyConstraint('repo_count_pk', ['namespace_id', 'kind', 'visibility'])
    .execute()
  await sql`insert into repo_count (namespace_id, kind, visibility, repos)
    select namespace_id, kind, visibility, count(*) from repo where state = 'ready' group by 1, 2, 3`.execute(
    db,
  )
  const more = sql`insert into repo_count (namespace_id, kind, visibility, repos)
    values (new.namespace_id, new.kind, new.visibility, 1)
    on conflict (namespace_id, kind, visibility) do update set repos = repos + 1`
  const less = sql`update repo_count set repos = repos - 1
    where namespace_id = old.namespace_id and kind = old.kind and visibility = old.visibility`
  const changed = sql`update of state, visibility, namespace_id, kind on repo`
  await sql`create trigger repo_count_insert after insert on repo when new.state = 'ready' begin
    ${more}; end`.execute(db)
  await sql`create trigger repo_count_delete after delete on repo when old.state = 'ready' begin
    ${less}; end`.execute(db)
  await sql`create trigger repo_count_leave after ${changed} when old.state = 'ready' begin
    ${less}; end`.execute(db)
  await sql`create trigger repo_count_enter after ${changed} when new.state = 'ready' begin
    ${more}; end`.execute(db)
}

/** `shown` is the visibility of a repository that is ready, and empty for any other. */
async function shelves(db: Kysely<unknown>): Promise<void> {
  const t = db.schema
  await t
    .alterTable('shelf_project')
    .addColumn('repo_seq', 'integer', (c) => c.notNull().defaultTo(0))
    .execute()
  for (const column of ['name', 'shown'] as const)
    await t
      .alterTable('shelf_project')
      .addColumn(column, 'text', (c) => c.notNull().defaultTo(''))
      .execute()
  const copy = sql`update shelf_project set (repo_seq, name, shown) =
    (select seq, name, case state when 'ready' then visibility else '' end from repo where id = shelf_project.repo_id)`
  await copy.execute(db)
  await t
    .createIndex('shelf_project_list')
    .on('shelf_project')
    .columns(['shelf_id', 'name', 'repo_seq', 'shown'])
    .execute()
  await sql`create trigger shelf_project_insert after insert on shelf_project begin
    ${copy} where shelf_id = new.shelf_id and repo_id = new.repo_id; end`.execute(db)
  await sql`create trigger shelf_project_follow after update of name, visibility, state on repo begin
    ${copy} where repo_id = new.id; end`.execute(db)
}
