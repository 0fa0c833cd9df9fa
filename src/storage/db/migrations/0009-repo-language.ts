import type { Kysely, Migration } from 'kysely'

/** Main language of a repository's default branch, and the tip that it was counted at. */
export const repoLanguage: Migration = {
  async up(db: Kysely<unknown>) {
    await db.schema
      .createTable('repo_language')
      .addColumn('repo_id', 'text', (c) => c.primaryKey().references('repo.id').onDelete('cascade'))
      .addColumn('language', 'text')
      .addColumn('head_oid', 'text')
      .execute()
  },
}
