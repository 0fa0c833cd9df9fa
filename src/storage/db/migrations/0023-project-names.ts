import { type Kysely, type Migration, sql } from 'kysely'

/** Whether a platform has another project of some name is asked with each repository that is made, moved or linked. */
export const projectNames: Migration = {
  async up(db: Kysely<unknown>) {
    await sql`create index shelf_project_name on shelf_project (shelf_id, lower(name))`.execute(db)
  },
}
