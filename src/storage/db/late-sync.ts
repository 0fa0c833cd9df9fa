import { realpathSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { sql, type Transaction } from 'kysely'
import type { Db } from './open.js'
import type { Schema } from './schema.js'

/**
 * Transactions whose wait for the disk does not hold up this process. With `synchronous = FULL` SQLite syncs the
 * write-ahead log inside of COMMIT, on the thread that serves everybody; here COMMIT goes without, and `sync` lets
 * another thread do it before anybody is told. In between others may see what could still be lost to a power cut;
 * whatever they commit themselves syncs it as well, since the log is one file in the order of the commits.
 */
export class LateSync {
  readonly #db: Db
  readonly #file: string
  #log: Promise<FileHandle> | undefined

  /** @param file the database's; `:memory:` has nothing to sync. */
  constructor(db: Db, file: string) {
    this.#db = db
    this.#file = file
  }

  /** Committed when it resolves, durable after the next `sync`. */
  transact<T>(work: (tx: Transaction<Schema>) => Promise<T>): Promise<T> {
    if (this.#file === ':memory:') return this.#db.transaction().execute(work)
    return this.#db.connection().execute(async (connection) => {
      await sql`pragma synchronous = NORMAL`.execute(connection)
      try {
        return await connection.transaction().execute(work)
      } finally {
        await sql`pragma synchronous = FULL`.execute(connection)
      }
    })
  }

  async sync(): Promise<void> {
    if (this.#file === ':memory:') return
    // SQLite keeps the log beside the file that a link leads to, and as the same file while we are connected
    this.#log ??= open(`${realpathSync(this.#file)}-wal`, 'r')
    await (await this.#log).datasync()
  }

  async close(): Promise<void> {
    await (await this.#log)?.close()
  }
}
