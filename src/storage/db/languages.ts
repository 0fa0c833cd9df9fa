import type { LanguageStore } from '../../domain/repos/ports.js'
import type { Db } from './open.js'
import { pagesOf } from './rows.js'

export function languageStore(db: Db): LanguageStore {
  return {
    async find(repoIds) {
      const pages = await Promise.all(
        pagesOf(repoIds).map((page) =>
          db
            .selectFrom('repo_language')
            .select(['repo_id', 'language'])
            .where('repo_id', 'in', page)
            .execute(),
        ),
      )
      return new Map(pages.flat().map((it) => [it.repo_id, it.language]))
    },
    async set(repoId, language, headOid) {
      const values = { language, head_oid: headOid }
      await db
        .insertInto('repo_language')
        .values({ repo_id: repoId, ...values })
        .onConflict((oc) => oc.column('repo_id').doUpdateSet(values))
        .execute()
    },
  }
}
