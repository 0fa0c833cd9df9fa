import type { SettingStore } from '../../domain/ports.js'
import type { Db } from './open.js'

export function settingStore(db: Db): SettingStore {
  const find = async (key: string) =>
    (await db.selectFrom('setting').select('value').where('key', '=', key).executeTakeFirst())
      ?.value
  return {
    find,
    async findOrCreate(key, value) {
      const known = await find(key)
      if (known !== undefined) return known
      await db
        .insertInto('setting')
        .values({ key, value })
        .onConflict((oc) => oc.column('key').doNothing())
        .execute()
      return (await find(key)) ?? value
    },
    async put(key, value) {
      await db
        .insertInto('setting')
        .values({ key, value })
        .onConflict((oc) => oc.column('key').doUpdateSet({ value }))
        .execute()
    },
    async remove(key) {
      await db.deleteFrom('setting').where('key', '=', key).execute()
    },
  }
}
