import { sql, type Transaction } from 'kysely'
import type {
  CollectionItem,
  CollectionStore,
  CollectionTarget,
  Viewer,
} from '../../domain/collections/ports.js'
import { isCollectionVisible, keyOf, selectCollections, toCollection } from './collection-rows.js'
import type { Db } from './open.js'
import { now, pagesOf, toRepo } from './rows.js'
import type { Schema } from './schema.js'
import { selectRepos } from './select-repos.js'
import { isVisible } from './visible.js'

/** What the viewer may see of a collection, in order. What is hidden takes no place in it. */
export async function listItems(
  db: Db,
  id: string,
  viewer: Viewer,
  limit: number,
): Promise<CollectionItem[]> {
  const rows = await db
    .selectFrom('collection_item')
    .leftJoin('paper', 'paper.id', 'collection_item.paper_id')
    .selectAll('collection_item')
    .select('paper.title as paper_title')
    .where('collection_item.collection_id', '=', id)
    .where((eb) =>
      eb.or([
        eb('collection_item.paper_id', 'is not', null),
        eb.exists(
          eb
            .selectFrom('repo')
            .select('repo.id')
            .whereRef('repo.id', '=', 'collection_item.repo_id')
            .where('repo.state', '=', 'ready')
            .where(viewer ? sql<boolean>`repo.disabled = 0` : sql<boolean>`1 = 1`)
            .where(isVisible(viewer)),
        ),
        eb.exists(
          eb
            .selectFrom('collection')
            .select('collection.id')
            .whereRef('collection.id', '=', 'collection_item.held_id')
            .where(isCollectionVisible(viewer)),
        ),
      ]),
    )
    .orderBy('collection_item.position')
    .orderBy('collection_item.id')
    .limit(limit)
    .execute()
  const repos = new Map((await reposOf(db, rows)).map((it) => [it.id, it]))
  const held = new Map((await heldOf(db, rows)).map((it) => [it.id, it]))
  return rows.flatMap((row): CollectionItem[] => {
    const { id, note, type } = row
    if (type === 'paper') return [{ id, note, type, paperId: row.target, title: row.paper_title }]
    if (type === 'collection') {
      const collection = held.get(row.target)
      return collection ? [{ id, note, type, collection }] : []
    }
    const repo = repos.get(row.target)
    return repo ? [{ id, note, type, repo }] : []
  })
}

type Targets = readonly { repo_id: string | null; held_id: string | null }[]

async function reposOf(db: Db, rows: Targets) {
  const ids = rows.flatMap((it) => it.repo_id ?? [])
  const found = pagesOf(ids).map((page) => selectRepos(db).where('repo.id', 'in', page).execute())
  return (await Promise.all(found)).flat().map(toRepo)
}

async function heldOf(db: Db, rows: Targets) {
  const ids = rows.flatMap((it) => it.held_id ?? [])
  const found = pagesOf(ids).map((page) =>
    selectCollections(db).where('collection.id', 'in', page).execute(),
  )
  return (await Promise.all(found)).flat().map(toCollection)
}

export function addItem(
  db: Db,
  id: string,
  item: { id: string; target: CollectionTarget; note: string | null; max: number },
): ReturnType<CollectionStore['addItem']> {
  return db.transaction().execute(async (tx) => {
    const { n, last } = await tx
      .selectFrom('collection_item')
      .select((eb) => [eb.fn.countAll<number>().as('n'), eb.fn.max('position').as('last')])
      .where('collection_id', '=', id)
      .executeTakeFirstOrThrow()
    const key = { type: item.target.type, target: keyOf(item.target) }
    const taken = await tx
      .selectFrom('collection_item')
      .select('id')
      .where('collection_id', '=', id)
      .where('type', '=', key.type)
      .where('target', '=', key.target)
      .executeTakeFirst()
    if (taken) return 'taken'
    if (Number(n) >= item.max) return 'full'
    const { target } = item
    await tx
      .insertInto('collection_item')
      .values({
        id: item.id,
        collection_id: id,
        ...key,
        repo_id: 'repoId' in target ? target.repoId : null,
        paper_id: target.type === 'paper' ? target.paperId : null,
        held_id: target.type === 'collection' ? target.collectionId : null,
        note: item.note,
        position: last === null ? 0 : Number(last) + 1,
      })
      .execute()
    await touch(tx, id)
    return 'added'
  })
}

export function updateItem(
  db: Db,
  id: string,
  itemId: string,
  change: { note?: string | null; before?: string | null },
): Promise<boolean> {
  return db.transaction().execute(async (tx) => {
    const places = await tx
      .selectFrom('collection_item')
      .select(['id', 'position'])
      .where('collection_id', '=', id)
      .orderBy('position')
      .orderBy('id')
      .execute()
    const { note, before } = change
    const order = places.map((it) => it.id)
    if (!order.includes(itemId) || (before && !order.includes(before))) return false
    if (note !== undefined)
      await tx.updateTable('collection_item').set({ note }).where('id', '=', itemId).execute()
    if (before !== undefined) {
      const rest = order.filter((it) => it !== itemId)
      rest.splice(before === null ? rest.length : rest.indexOf(before), 0, itemId)
      const was = new Map(places.map((it) => [it.id, it.position]))
      for (const [position, moved] of rest.entries())
        if (was.get(moved) !== position)
          await tx
            .updateTable('collection_item')
            .set({ position })
            .where('id', '=', moved)
            .execute()
    }
    await touch(tx, id)
    return true
  })
}

export function deleteItem(db: Db, id: string, itemId: string): Promise<boolean> {
  return db.transaction().execute(async (tx) => {
    const { numDeletedRows } = await tx
      .deleteFrom('collection_item')
      .where('collection_id', '=', id)
      .where('id', '=', itemId)
      .executeTakeFirst()
    if (numDeletedRows > 0n) await touch(tx, id)
    return numDeletedRows > 0n
  })
}

async function touch(tx: Transaction<Schema>, id: string): Promise<void> {
  await tx.updateTable('collection').set({ updated_at: now() }).where('id', '=', id).execute()
}
