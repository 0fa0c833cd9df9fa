import { sql, type Transaction } from 'kysely'
import { HubError } from '../../domain/errors.js'
import type { Db } from './open.js'
import { now, pagesOf } from './rows.js'
import type { Schema } from './schema.js'

/*
 * What keeps personal platforms and project links right while accounts and repositories come, move and go. Each function
 * belongs into the transaction that makes the change.
 */

type Tx = Db | Transaction<Schema>

/** Gives accounts (all, or one) without a personal platform theirs, with a shelf `main` that holds their repositories. */
export async function makePersonalPlatforms(tx: Tx, accountId?: number): Promise<void> {
  const at = now()
  const made = await sql<{ id: number }>`
    insert into platform (name, name_key, description, visibility, type, distrib_type, default_branch,
      released, owner_id, personal_of, created_at, updated_at)
    select n.name || '_personal', lower(n.name || '_personal'), n.name || '_personal', 'open', 'personal', 'mdv',
      n.name || '_personal', 0, n.id, n.id, ${at}, ${at}
    from namespace n
    where not exists (select 1 from platform p where p.personal_of = n.id)
      and ${accountId === undefined ? sql`1 = 1` : sql`n.id = ${accountId}`}
    on conflict do nothing
    returning id`.execute(tx)
  for (const ids of pagesOf(made.rows.map((it) => it.id))) {
    await sql`
      insert into shelf (platform_id, name, description, publish_without_qa, synchronizing_publications,
        created_at, updated_at)
      select id, 'main', 'main', 1, 0, ${at}, ${at} from platform where id in (${sql.join(ids)})`.execute(
      tx,
    )
    // of equal names (a model and a dataset) the older one is the project
    await sql`
      insert into shelf_project (shelf_id, repo_id, created_at)
      select s.id, r.id, ${at} from platform p
      join shelf s on s.platform_id = p.id
      join repo r on r.namespace_id = p.personal_of
      where p.id in (${sql.join(ids)}) and r.seq in
        (select min(seq) from repo where state = 'ready' group by namespace_id, lower(name))`.execute(
      tx,
    )
  }
}

/** Another main platform with the same shelves, and the same projects on them; answers its id. */
export async function clonePlatform(
  tx: Tx,
  from: number,
  to: { name: string; description: string; defaultBranch: string; ownerId: number },
): Promise<number> {
  const at = now()
  const made = await sql<{ id: number }>`
    insert into platform (name, name_key, description, visibility, type, distrib_type, default_branch,
      released, owner_id, personal_of, created_at, updated_at)
    select ${to.name}, ${to.name.toLowerCase()}, ${to.description}, visibility, 'main', distrib_type,
      ${to.defaultBranch}, 0, ${to.ownerId}, null, ${at}, ${at}
    from platform where id = ${from} returning id`.execute(tx)
  const id = made.rows[0]?.id
  if (id === undefined) throw new HubError('not_found', 'the platform is gone')
  await sql`
    insert into shelf (platform_id, name, description, publish_without_qa, publish_builds_only_from_branch,
      synchronizing_publications, created_at, updated_at)
    select ${id}, name, description, publish_without_qa, publish_builds_only_from_branch,
      synchronizing_publications, ${at}, ${at} from shelf where platform_id = ${from}`.execute(tx)
  await sql`
    insert into shelf_project (shelf_id, repo_id, created_at)
    select mine.id, l.repo_id, ${at} from shelf_project l
    join shelf theirs on theirs.id = l.shelf_id and theirs.platform_id = ${from}
    join shelf mine on mine.platform_id = ${id} and mine.name = theirs.name`.execute(tx)
  return id
}

/** Onto the shelf `main` of its owner's personal platform, unless a project of that name is there. */
export async function putOnPersonalShelf(tx: Tx, repoId: string): Promise<void> {
  await sql`
    insert into shelf_project (shelf_id, repo_id, created_at)
    select s.id, r.id, ${now()} from repo r
    join platform p on p.personal_of = r.namespace_id
    join shelf s on s.platform_id = p.id and s.name = 'main'
    where r.id = ${repoId} and not exists (
      select 1 from shelf s2 join shelf_project l on l.shelf_id = s2.id
      where s2.platform_id = p.id and l.repo_id <> r.id and l.shown <> '' and lower(l.name) = lower(r.name))
    on conflict do nothing`.execute(tx)
}

/**
 * After a repository got another name or owner. It follows its owner to the personal platform. Throws `conflict` when a
 * main platform that it is on has another project of the new name.
 */
export async function keepLinksRight(
  tx: Tx,
  repoId: string,
  before: { namespaceId: number },
): Promise<void> {
  const clashes = await sql<{ type: string; shelf_id: number }>`
    select p.type, l.shelf_id from shelf_project l
    join shelf s on s.id = l.shelf_id
    join platform p on p.id = s.platform_id
    join repo r on r.id = l.repo_id
    where l.repo_id = ${repoId} and exists (
      select 1 from shelf s2 join shelf_project l2 on l2.shelf_id = s2.id
      where s2.platform_id = p.id and l2.repo_id <> r.id and l2.shown <> '' and lower(l2.name) = lower(r.name))`.execute(
    tx,
  )
  if (clashes.rows.some((it) => it.type === 'main'))
    throw new HubError(
      'conflict',
      'A platform that this repository is linked to has another project of that name.',
    )
  for (const { shelf_id } of clashes.rows)
    await tx
      .deleteFrom('shelf_project')
      .where('shelf_id', '=', shelf_id)
      .where('repo_id', '=', repoId)
      .execute()
  const left = await sql`
    delete from shelf_project where repo_id = ${repoId} and shelf_id in (
      select s.id from shelf s join platform p on p.id = s.platform_id
      where p.personal_of = ${before.namespaceId}
        and p.personal_of <> (select namespace_id from repo where id = ${repoId}))`.execute(tx)
  if (left.numAffectedRows) await putOnPersonalShelf(tx, repoId)
}

/** Mirrors that are copying a shelf which this repository is on: whatever holds it from being written, last to end first. */
export async function mirrorLocksOn(tx: Tx, repoId: string) {
  return tx
    .selectFrom('mirror_lock')
    .innerJoin('shelf_project', 'shelf_project.shelf_id', 'mirror_lock.shelf_id')
    .innerJoin('shelf', 'shelf.id', 'mirror_lock.shelf_id')
    .innerJoin('platform', 'platform.id', 'shelf.platform_id')
    .selectAll('mirror_lock')
    .select(['shelf.name as shelf_name', 'platform.name as platform_name', 'platform.visibility'])
    .where('shelf_project.repo_id', '=', repoId)
    .where('mirror_lock.expires_at', '>', now())
    .orderBy('mirror_lock.expires_at', 'desc')
    .execute()
}
