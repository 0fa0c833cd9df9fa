import { type RawBuilder, type SelectQueryBuilder, sql, type Transaction } from 'kysely'
import type {
  CollectionQuery,
  CollectionStore,
  CollectionTarget,
} from '../../domain/collections/ports.js'
import { HubError } from '../../domain/errors.js'
import { addItem, deleteItem, listItems, updateItem } from './collection-items.js'
import { isCollectionVisible, keyOf, selectCollections, toCollection } from './collection-rows.js'
import type { Db } from './open.js'
import { escapeLike, isUniqueViolation, now } from './rows.js'
import type { Schema } from './schema.js'

const DAY_MS = 24 * 3600 * 1000
const TRENDING_DAYS = 30

export function collectionStore(db: Db): CollectionStore {
  return {
    find: (id) => findCollection(db, id),
    async findByTitle(namespaceId, title) {
      const row = await selectCollections(db)
        .where('collection.namespace_id', '=', namespaceId)
        .where('collection.title', '=', title)
        .executeTakeFirst()
      return row && toCollection(row)
    },
    list: (query) => list(db, query),
    create: ({ max, ...order }) =>
      titled(() =>
        db.transaction().execute(async (tx) => {
          const others = await idsOf(tx, order.namespaceId)
          if (others.length >= max) return undefined
          const at = now()
          await tx
            .insertInto('collection')
            .values({
              id: order.id,
              namespace_id: order.namespaceId,
              title: order.title,
              description: order.description,
              theme: order.theme,
              is_private: order.isPrivate ? 1 : 0,
              position: others.length,
              created_at: at,
              updated_at: at,
            })
            .execute()
          return findCollection(tx, order.id)
        }),
      ),
    update: (id, { position, isPrivate, ...change }) =>
      titled(() =>
        db.transaction().execute(async (tx) => {
          const row = await tx
            .updateTable('collection')
            .set({
              ...change,
              ...(isPrivate === undefined ? {} : { is_private: isPrivate ? 1 : 0 }),
              updated_at: now(),
            })
            .where('id', '=', id)
            .returning('namespace_id')
            .executeTakeFirst()
          if (row && position !== undefined) {
            const others = (await idsOf(tx, row.namespace_id)).filter((it) => it !== id)
            others.splice(position, 0, id)
            await number(tx, others)
          }
        }),
      ),
    delete: (id) =>
      db.transaction().execute(async (tx) => {
        const row = await tx
          .deleteFrom('collection')
          .where('id', '=', id)
          .returning('namespace_id')
          .executeTakeFirst()
        if (row) await number(tx, await idsOf(tx, row.namespace_id))
        return row !== undefined
      }),
    listItems: (id, viewer, limit) => listItems(db, id, viewer, limit),
    addItem: (id, item) => addItem(db, id, item),
    updateItem: (id, itemId, change) => updateItem(db, id, itemId, change),
    deleteItem: (id, itemId) => deleteItem(db, id, itemId),
    setUpvote: (id, userId, upvoted) =>
      db.transaction().execute(async (tx) => {
        const key = { collection_id: id, user_id: userId }
        if (upvoted)
          await tx
            .insertInto('collection_upvote')
            .values({ ...key, created_at: now() })
            .onConflict((oc) => oc.doNothing())
            .execute()
        else
          await tx
            .deleteFrom('collection_upvote')
            .where('collection_id', '=', id)
            .where('user_id', '=', userId)
            .execute()
        const votes = sql<number>`(select count(*) from collection_upvote where collection_id = ${id})`
        await tx.updateTable('collection').set({ upvotes: votes }).where('id', '=', id).execute()
      }),
    async listUpvoted(userId, ids) {
      if (ids.length === 0) return new Set()
      const rows = await db
        .selectFrom('collection_upvote')
        .select('collection_id')
        .where('user_id', '=', userId)
        .where('collection_id', 'in', ids)
        .execute()
      return new Set(rows.map((it) => it.collection_id))
    },
  }
}

async function findCollection(db: Db | Transaction<Schema>, id: string) {
  const row = await selectCollections(db).where('collection.id', '=', id).executeTakeFirst()
  return row && toCollection(row)
}

async function list(db: Db, query: CollectionQuery) {
  const value = sortValue(query.sort)
  let q = selectCollections(db)
    .select(value.as('value'))
    .where(isCollectionVisible(query.viewer))
    .orderBy(value, 'desc')
    .orderBy('collection.id', 'desc')
    .limit(query.limit)
  if (query.namespaceIds) {
    if (query.namespaceIds.length === 0) return []
    q = q.where('collection.namespace_id', 'in', query.namespaceIds)
  }
  for (const target of query.holding ?? []) q = holding(q, target)
  if (query.text !== undefined) {
    const like = `%${escapeLike(query.text.toLowerCase())}%`
    q = q.where(
      sql<boolean>`lower(collection.title || ' ' || coalesce(collection.description, '')) like ${like} escape '\\'`,
    )
  }
  const { after } = query
  if (after) q = q.where(sql<boolean>`(${value}, collection.id) < (${after.value}, ${after.id})`)
  const rows = await q.execute()
  return rows.map((row) => ({ collection: toCollection(row), value: row.value }))
}

/** Trending: upvotes of the last days. */
function sortValue(sort: CollectionQuery['sort']): RawBuilder<string | number> {
  if (sort === 'lastModified') return sql`collection.updated_at`
  if (sort === 'upvotes') return sql`collection.upvotes`
  const since = new Date(Date.now() - TRENDING_DAYS * DAY_MS).toISOString().slice(0, 10)
  return sql`(select count(*) from collection_upvote
    where collection_id = collection.id and created_at >= ${since})`
}

function holding<O>(
  query: SelectQueryBuilder<Schema, 'collection' | 'namespace', O>,
  target: CollectionTarget,
): SelectQueryBuilder<Schema, 'collection' | 'namespace', O> {
  const { type } = target
  return query.where((eb) =>
    eb.exists(
      eb
        .selectFrom('collection_item')
        .select('collection_item.id')
        .whereRef('collection_item.collection_id', '=', 'collection.id')
        .where('collection_item.type', '=', type)
        .where('collection_item.target', '=', keyOf(target)),
    ),
  )
}

/** Of one owner, in order. */
async function idsOf(tx: Transaction<Schema>, namespaceId: number): Promise<string[]> {
  const rows = await tx
    .selectFrom('collection')
    .select('id')
    .where('namespace_id', '=', namespaceId)
    .orderBy('position')
    .orderBy('id')
    .execute()
  return rows.map((it) => it.id)
}

async function number(tx: Transaction<Schema>, ids: readonly string[]): Promise<void> {
  for (const [position, id] of ids.entries())
    await tx
      .updateTable('collection')
      .set({ position })
      .where('id', '=', id)
      .where('position', '!=', position)
      .execute()
}

async function titled<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (err) {
    if (isUniqueViolation(err)) throw new HubError('conflict', 'The title is taken.', {}, err)
    throw err
  }
}
