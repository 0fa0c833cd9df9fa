import type { Selectable } from 'kysely'
import type { AppRun, AppRunStore } from '../../domain/apps/ports.js'
import type { Db } from './open.js'
import { now, pagesOf } from './rows.js'
import type { Schema } from './schema.js'

export function appRunStore(db: Db): AppRunStore {
  return {
    async find(id) {
      const row = await db.selectFrom('app_run').selectAll().where('id', '=', id).executeTakeFirst()
      return row && toRun(row)
    },
    async findMany(ids) {
      const found = new Map<string, AppRun>()
      for (const page of pagesOf(ids))
        for (const row of await db
          .selectFrom('app_run')
          .selectAll()
          .where('id', 'in', page)
          .execute())
          found.set(row.id, toRun(row))
      return found
    },
    async list() {
      return (await db.selectFrom('app_run').selectAll().orderBy('id').execute()).map(toRun)
    },
    async put(run) {
      const { id, ...rest } = toRow(run)
      await db
        .insertInto('app_run')
        .values({ id, ...rest })
        .onConflict((oc) => oc.column('id').doUpdateSet(rest))
        .execute()
    },
    async update(run) {
      const { id, version, ...rest } = toRow(run)
      const { numUpdatedRows } = await db
        .updateTable('app_run')
        .set(rest)
        .where('id', '=', id)
        .where('version', '=', version)
        .executeTakeFirst()
      return numUpdatedRows > 0n
    },
    async touch(id) {
      await db.updateTable('app_run').set({ used_at: now() }).where('id', '=', id).execute()
    },
    async remove(id) {
      await db.deleteFrom('app_run').where('id', '=', id).execute()
    },
  }
}

function toRow(run: AppRun): Selectable<Schema['app_run']> {
  const { startedAt, checkedAt, usedAt, ...rest } = run
  return { ...rest, started_at: startedAt, checked_at: checkedAt, used_at: usedAt }
}

function toRun(row: Selectable<Schema['app_run']>): AppRun {
  const { started_at, checked_at, used_at, ...rest } = row
  return { ...rest, startedAt: started_at, checkedAt: checked_at, usedAt: used_at }
}
