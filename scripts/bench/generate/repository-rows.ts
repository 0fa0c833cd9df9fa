import { randomBytes } from 'node:crypto'
import Database from 'better-sqlite3'

/** So many at once: the hub waits for the write lock no longer than one of these takes. */
const BATCH = 2_000
/** What differs from row to row; the rest is copied. */
const OWN = ['seq', 'id', 'name', 'name_key', 'address', 'downloads', 'likes', 'trending_score']

/**
 * Repositories `PREFIX-FIRST` to `PREFIX-LAST` as rows of the hub's database, copied from one that it made itself and that
 * is on the same shelves. They have no directory: lists and searches read rows and nothing else, and 100,000 directories
 * would take an hour.
 */
export function addRepositoryRows(
  file: string,
  { like, prefix, first, last }: { like: string; prefix: string; first: number; last: number },
): void {
  const db = new Database(file, { timeout: 30_000 })
  try {
    db.pragma('foreign_keys = ON')
    const columns = (db.pragma('table_info(repo)') as { name: string }[])
      .map(({ name }) => name)
      .filter((name) => !OWN.includes(name))
    const same = columns.join(', ')
    const repo =
      db.prepare(`insert into repo (id, name, name_key, downloads, likes, trending_score, ${same})
      select @id, @name, @key, @number, @number / 7, @number / 3.0, ${same} from repo where name = @like`)
    const shelf = db.prepare(`insert into shelf_project (shelf_id, repo_id, created_at)
      select shelf_id, @id, created_at from shelf_project
      where repo_id = (select id from repo where name = @like)`)
    const add = db.transaction((from: number, to: number) => {
      for (let index = from; index <= to; index++) {
        const name = `${prefix}-${index}`
        const row = { id: `repo_${randomBytes(6).toString('hex')}`, like }
        const key = name.replace(/[-_]/g, '')
        repo.run({ ...row, name, key, number: (index * 7_919) % 99_991 })
        shelf.run(row)
      }
    })
    for (let from = first; from <= last; from += BATCH) add(from, Math.min(last, from + BATCH - 1))
  } finally {
    db.close()
  }
}
