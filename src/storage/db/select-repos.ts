import type { Transaction } from 'kysely'
import type { Db } from './open.js'
import type { Schema } from './schema.js'

/** What `toRepo` takes. */
export function selectRepos(db: Db | Transaction<Schema>) {
  return db
    .selectFrom('repo')
    .innerJoin('namespace', 'namespace.id', 'repo.namespace_id')
    .selectAll('repo')
    .select('namespace.name as namespace')
}
