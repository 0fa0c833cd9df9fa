import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import Database from 'better-sqlite3'
import {
  CompiledQuery,
  type DatabaseConnection,
  type DialectAdapter,
  type Driver,
  Kysely,
  Migrator,
  SqliteAdapter,
  type SqliteDatabase,
  SqliteDialect,
  type SqliteStatement,
} from 'kysely'
import { LRUCache } from 'lru-cache'
import { HotStatements } from './hot-statements.js'
import { MIGRATIONS } from './migrations/index.js'
import type { Schema } from './schema.js'

export type Db = Kysely<Schema>

/** One connection, two ways to ask it. */
export interface Opened {
  readonly db: Db
  readonly hot: HotStatements
}

/** How long a statement blocks this thread for another process's transaction before it waits without blocking. */
const BLOCKING_MS = 20
const PATIENCE_MS = 15_000
const KEPT_STATEMENTS = 500
const MAX_KEPT_TEXT = 8_000
/** Nobody else reads between two statements of a transaction, so that its borders change nothing either. */
const CHANGES_NOTHING = /^\s*(select|begin|commit|rollback)\b/i
/** No right and no lock hangs on what these tables hold, nor on the bytes that a repository has. */
const CHANGES_NO_RIGHT =
  /^(?:insert into|update|delete from) "(?:lfs_object|lfs_link|lfs_lease|lfs_upload|lfs_removed|lfs_discard|quota_reservation|event)"[ (]|^update "repo" set "lfs_bytes" = [^,]* where "id" = \?$/

/**
 * Opens the SQLite file, creating it, and brings it to this build's schema.
 * Throws when the file was written by a newer build: nothing is changed then. `onQuery` hears every statement;
 * `version` answers another text after every write, `rightsVersion` after every one that may change a right or a lock.
 */
export async function openDatabase(
  file: string,
  onQuery: (sql: string) => void = () => undefined,
): Promise<Opened & { version: () => string; rightsVersion: () => string }> {
  if (/^postgres(ql)?:/.test(file))
    throw new Error(
      'PACKHORSE_DB: Postgres is not supported by this build, give a SQLite file name',
    )
  if (file !== ':memory:') {
    mkdirSync(dirname(file), { recursive: true })
    // SQLite would go by the umask; -wal and -shm get the mode of the file itself
    closeSync(openSync(file, 'a', 0o600))
  }
  const sqlite = new Database(file, { timeout: 10_000 })
  try {
    sqlite.pragma('journal_mode = WAL')
    sqlite.pragma('synchronous = FULL')
    sqlite.pragma('foreign_keys = ON')
    sqlite.pragma('cache_size = -32768')
    sqlite.pragma('temp_store = MEMORY')
    // a page that many uploads touch (their keys come in random order) is copied into the file once for all of them
    sqlite.pragma('wal_autocheckpoint = 4000')
    sqlite.pragma(`busy_timeout = ${BLOCKING_MS}`)
  } catch (err) {
    sqlite.close()
    throw new Error(`cannot open the database ${file}: ${(err as Error).message}`, { cause: err })
  }
  const writes: Writes = { all: 0, rights: 0 }
  const db = new Kysely<Schema>({
    dialect: new SharedSqlite({ database: keepStatements(sqlite) }, writes),
    log: (event) => onQuery(event.query.sql),
  })
  try {
    await migrate(db)
  } catch (err) {
    await db.destroy()
    throw err
  }
  const hot = new HotStatements(sqlite, (text) => {
    if (!CHANGES_NOTHING.test(text)) countWrite(writes, text)
    onQuery(text)
  })
  // other processes' writes are only known to be there, not what they were
  const others = sqlite.prepare('pragma data_version').pluck()
  return {
    db,
    hot,
    version: () => `${others.get()} ${writes.all}`,
    rightsVersion: () => `${others.get()} ${writes.rights}`,
  }
}

/** Our own; SQLite says when others commit (pragma data_version). */
interface Writes {
  all: number
  rights: number
}

function countWrite(writes: Writes, text: string): void {
  writes.all += 1
  if (!CHANGES_NO_RIGHT.test(text)) writes.rights += 1
}

/** Compiling a statement costs more than most of them take to run, and the hub asks the same few hundred over and over. */
function keepStatements(sqlite: Database.Database): SqliteDatabase {
  const kept = new LRUCache<string, SqliteStatement>({ max: KEPT_STATEMENTS })
  return {
    close: () => void sqlite.close(),
    prepare(text) {
      const known = kept.get(text)
      if (known) return known
      const statement = sqlite.prepare(text) as unknown as SqliteStatement
      // lists of values make many long texts that nobody asks twice
      if (text.length <= MAX_KEPT_TEXT) kept.set(text, statement)
      return statement
    },
  }
}

/** A consistent copy of the database into `target`, which must not exist, while others read and write it. */
export async function copyDatabase(db: Db, target: string): Promise<void> {
  closeSync(openSync(target, 'ax', 0o600)) // an empty file is as good as none to SQLite
  await db.executeQuery(CompiledQuery.raw('vacuum into ?', [target]))
}

/** SQLite as several processes share it: hubs on the same data, and the command line beside them. */
class SharedSqlite extends SqliteDialect {
  readonly #writes: Writes

  constructor(config: { database: SqliteDatabase }, writes: Writes) {
    super(config)
    this.#writes = writes
  }

  override createDriver(): Driver {
    const driver = super.createDriver()
    // A deferred transaction that read first fails with SQLITE_BUSY when another process wrote in between, whatever the
    // timeout. So the write lock is taken at once.
    driver.beginTransaction = async (connection) => {
      await connection.executeQuery(CompiledQuery.raw('begin immediate'))
    }
    const acquire = driver.acquireConnection.bind(driver)
    driver.acquireConnection = async () => patient(await acquire(), this.#writes)
    return driver
  }

  override createAdapter(): DialectAdapter {
    return new TransactionalDdl()
  }
}

/** SQLite rolls schema changes back, too: a migration that is killed half-way leaves nothing, and two starts take turns. */
class TransactionalDdl extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true
  }
}

/** Waits for other processes' transactions without holding up everything else in this one. */
function patient(connection: DatabaseConnection, writes: Writes): DatabaseConnection {
  return {
    streamQuery: (query, chunkSize) => connection.streamQuery(query, chunkSize),
    async executeQuery(query) {
      const deadline = Date.now() + PATIENCE_MS
      const reads = CHANGES_NOTHING.test(query.sql)
      for (let waitMs = 5; ; waitMs = Math.min(waitMs * 2, 100)) {
        try {
          if (!reads) countWrite(writes, query.sql)
          return await connection.executeQuery(query)
        } catch (err) {
          const busy = (err as { code?: string }).code?.startsWith('SQLITE_BUSY')
          if (!busy || Date.now() > deadline) throw err
        } finally {
          // once more when it is done: what was read while it ran is of no known state
          if (!reads) countWrite(writes, query.sql)
        }
        await sleep(waitMs)
      }
    },
  }
}

async function migrate(db: Db): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => MIGRATIONS } })
  const { error, results } = await migrator.migrateToLatest()
  if (error) {
    const failed = results?.find((it) => it.status === 'Error')?.migrationName
    throw new Error(
      failed
        ? `database migration ${failed} failed: ${(error as Error).message}`
        : `the database was written by a newer build, or its migrations do not match this build (${(error as Error).message})`,
      { cause: error },
    )
  }
}
