import type { Kysely, Migration } from 'kysely'

/** Papers that the text of a README names; cards from before have them from the next change, or from `reindex`, on. */
export const cardPapers: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema.alterTable('repo_card').addColumn('papers', 'text').execute()
  },
}
