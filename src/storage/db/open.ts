import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import { CompiledQuery, type Driver, Kysely, Migrator, SqliteDialect } from 'kysely'
import { MIGRATIONS } from './migrations/index.js'
import type { Schema } from './schema.js'

export type Db = Kysely<Schema>

/**
 * Opens the SQLite file, creating it, and brings it to this build's schema.
 * Throws when the file was written by a newer build: nothing is changed then.
 */
export async function openDatabase(file: string): Promise<Db> {
  if (/^postgres(ql)?:/.test(file))
    throw new Error(
      'PACKHORSE_DB: Postgres is not supported by this build, give a SQLite file name',
    )
  if (file !== ':memory:') mkdirSync(dirname(file), { recursive: true })
  const sqlite = new Database(file, { timeout: 10_000 })
  sqlite.pragma('journal_mode = WAL')
  sqlite.pragma('synchronous = FULL')
  sqlite.pragma('foreign_keys = ON')
  sqlite.pragma('cache_size = -32768')
  sqlite.pragma('temp_store = MEMORY')
  const db = new Kysely<Schema>({ dialect: new ImmediateSqlite({ database: sqlite }) })
  await migrate(db)
  return db
}

/**
 * Transactions take the write lock at once. A deferred one that read first fails with SQLITE_BUSY when another process
 * wrote in between, whatever the timeout.
 */
class ImmediateSqlite extends SqliteDialect {
  override createDriver(): Driver {
    const driver = super.createDriver()
    driver.beginTransaction = async (connection) => {
      await connection.executeQuery(CompiledQuery.raw('begin immediate'))
    }
    return driver
  }
}

async function migrate(db: Db): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => MIGRATIONS } })
  const { error, results } = await migrator.migrateToLatest()
  if (error) {
    const failed = results?.find((it) => it.status === 'Error')?.migrationName
    throw new Error(
      failed
        ? `database migration ${failed} failed`
        : 'the database was written by a newer build, or its migrations do not match this build',
      { cause: error },
    )
  }
}
