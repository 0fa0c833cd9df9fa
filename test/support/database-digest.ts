import { createHash } from 'node:crypto'
import Database from 'better-sqlite3'
import type { TestHub } from './hub.js'

/** Not acts: what the hub keeps for itself or derives when somebody asks (languages, counters, jobs, when a credential was used last, the log). */
const OWN_TABLES = [
  ...['event', 'job', 'login_attempt', 'setting'],
  ...['repo_language', 'download_session', 'download_day'],
]
const OWN_COLUMNS = [
  ...['last_used_at', 'downloads', 'trending_score', 'expires_at'],
  // of repositories, as git has them by now: brought up to date in the background and on access
  ...['refs_digest', 'git_bytes'],
]

/** The hub's database, but for what is its own. */
export function openDigest(hub: TestHub) {
  const db = new Database(hub.domain.config.db, { readonly: true })
  const tables = db
    .prepare("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'")
    .all()
    .map((it) => (it as { name: string }).name)
    .filter((it) => !OWN_TABLES.includes(it) && !it.startsWith('kysely'))
  return {
    tables,
    /** What each table holds, as a hash. */
    read: () =>
      new Map(
        tables.map((table) => {
          const hash = createHash('sha256')
          for (const row of db.prepare(`select * from "${table}"`).all())
            hash.update(
              JSON.stringify(row, (key, value) => (OWN_COLUMNS.includes(key) ? 0 : value)),
            )
          return [table, hash.digest('hex')]
        }),
      ),
    close: () => db.close(),
  }
}

export const changedTables = (before: Map<string, string>, after: Map<string, string>) =>
  [...after].filter(([table, hash]) => before.get(table) !== hash).map(([table]) => table)
