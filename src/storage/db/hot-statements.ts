import type Database from 'better-sqlite3'
import type { Kysely } from 'kysely'
import type { Schema } from './schema.js'

type Statement = Database.Statement<unknown[]>

/**
 * Statements of the few paths on which building a query costs more than running it. They run in one turn of the event
 * loop, on the one connection that there is: so only for whoever holds it (`whenFree`, `LateSync.transact`).
 */
export class HotStatements {
  readonly #sqlite: Database.Database
  readonly #onRun: (text: string) => void
  readonly #kept = new Map<string, Statement>()

  /** @param onRun hears each statement before it runs. */
  constructor(sqlite: Database.Database, onRun: (text: string) => void) {
    this.#sqlite = sqlite
    this.#onRun = onRun
  }

  /** The statement, to be run at once. The texts are few and fixed. */
  of(text: string): Statement {
    this.#onRun(text)
    const known = this.#kept.get(text)
    if (known) return known
    const statement = this.#sqlite.prepare(text)
    this.#kept.set(text, statement)
    return statement
  }

  /** Some pragmas take effect when they are compiled, so that they are not kept. */
  pragma(text: string): void {
    this.#sqlite.pragma(text)
  }

  /** Between other people's transactions. */
  whenFree<T>(db: Kysely<Schema>, read: () => T): Promise<T> {
    return db.connection().execute(async () => read())
  }
}
