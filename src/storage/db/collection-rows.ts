import { type RawBuilder, sql, type Transaction } from 'kysely'
import type { Collection, CollectionTarget, Viewer } from '../../domain/collections/ports.js'
import type { Db } from './open.js'
import type { Schema } from './schema.js'

export function selectCollections(db: Db | Transaction<Schema>) {
  return db
    .selectFrom('collection')
    .innerJoin('namespace', 'namespace.id', 'collection.namespace_id')
    .selectAll('collection')
    .select([
      'namespace.name as namespace',
      'namespace.fullname as namespace_fullname',
      'namespace.type as namespace_type',
    ])
}

type Row = Awaited<ReturnType<ReturnType<typeof selectCollections>['executeTakeFirstOrThrow']>>

export function toCollection(row: Row): Collection {
  return {
    id: row.id,
    namespaceId: row.namespace_id,
    namespace: row.namespace,
    namespaceFullname: row.namespace_fullname,
    namespaceType: row.namespace_type,
    title: row.title,
    description: row.description,
    theme: row.theme,
    isPrivate: row.is_private === 1,
    position: row.position,
    upvotes: row.upvotes,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

/** Condition on the table `collection` of a query: public ones, and those of the viewer's own namespaces. */
export function isCollectionVisible(who: Viewer): RawBuilder<boolean> {
  if (!who) return sql<boolean>`1 = 1`
  // a credential for some repositories reaches nothing else that is private
  if (who.within || who.namespaceIds.length === 0) return sql<boolean>`collection.is_private = 0`
  return sql<boolean>`(collection.is_private = 0
    or collection.namespace_id in (${sql.join(who.namespaceIds)}))`
}

export function keyOf(target: CollectionTarget): string {
  if (target.type === 'paper') return target.paperId
  return target.type === 'collection' ? target.collectionId : target.repoId
}
