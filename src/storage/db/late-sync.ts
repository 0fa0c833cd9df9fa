import { realpathSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { CompiledQuery } from 'kysely'
import type { HotStatements } from './hot-statements.js'
import type { Db } from './open.js'

/**
 * Transactions whose wait for the disk does not hold up this process. With `synchronous = FULL` SQLite syncs the
 * write-ahead log inside of COMMIT, on the thread that serves everybody; here COMMIT goes without, and `sync` lets
 * another thread do it before anybody is told. In between others may see what could still be lost to a power cut;
 * whatever they commit themselves syncs it as well, since the log is one file in the order of the commits.
 */
export class LateSync {
  readonly #db: Db
  readonly #hot: HotStatements
  readonly #file: string
  #log: Promise<FileHandle> | undefined

  /** @param file the database's; `:memory:` has nothing to sync. */
  constructor({ db, hot }: { db: Db; hot: HotStatements }, file: string) {
    this.#db = db
    this.#hot = hot
    this.#file = file
  }

  /** Committed when it resolves, durable after the next `sync`. `work` runs in one turn of the event loop. */
  transact<T>(work: (hot: HotStatements) => T): Promise<T> {
    const hot = this.#hot
    return this.#db.connection().execute(async (connection) => {
      hot.pragma('synchronous = NORMAL')
      try {
        // may wait for another process's transaction; nothing after it waits
        await connection.executeQuery(CompiledQuery.raw('begin immediate'))
        return this.#complete(work)
      } finally {
        hot.pragma('synchronous = FULL')
      }
    })
  }

  #complete<T>(work: (hot: HotStatements) => T): T {
    const hot = this.#hot
    try {
      const result = work(hot)
      hot.of('commit').run()
      return result
    } catch (err) {
      hot.of('rollback').run()
      throw err
    }
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
