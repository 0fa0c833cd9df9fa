import type { Kysely, Migration } from 'kysely'

/** Which process is creating a repository, so that the next start knows at once which creations were cut off. */
export const creatingOwner: Migration = {
  async up(db: Kysely<unknown>) {
    await db.schema.alterTable('repo').addColumn('creating_owner', 'text').execute()
  },
}
