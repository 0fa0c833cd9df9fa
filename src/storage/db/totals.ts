import { sql } from 'kysely'
import type { Db } from './open.js'

/** How much there is, for metrics. */
export interface Totals {
  readonly repositories: number
  readonly users: number
  readonly lfsObjects: number
  readonly lfsBytes: number
}

export async function countTotals(db: Db): Promise<Totals> {
  const { rows } = await sql<Totals>`select
    (select count(*) from repo where state = 'ready') as "repositories",
    (select count(*) from namespace where type = 'user') as "users",
    (select count(*) from lfs_object) as "lfsObjects",
    (select coalesce(sum(size), 0) from lfs_object) as "lfsBytes"`.execute(db)
  return rows[0] as Totals
}
