import type { Selectable } from 'kysely'
import type { PlatformToken, PlatformTokenStore } from '../../domain/packages/ports.js'
import type { Db } from './open.js'
import { now } from './rows.js'
import type { Schema } from './schema.js'

export function platformTokenStore(db: Db): PlatformTokenStore {
  const toToken = (row: Selectable<Schema['platform_token']>): PlatformToken => ({
    id: row.id,
    platformId: row.platform_id,
    description: row.description,
    status: row.status,
    createdAt: row.created_at,
  })
  return {
    async create(it) {
      const row = await db
        .insertInto('platform_token')
        .values({
          platform_id: it.platformId,
          hash: it.hash,
          description: it.description,
          status: 'active',
          created_at: now(),
        })
        .returningAll()
        .executeTakeFirstOrThrow()
      return toToken(row)
    },
    async find(id) {
      const row = await db
        .selectFrom('platform_token')
        .selectAll()
        .where('id', '=', id)
        .executeTakeFirst()
      return row && toToken(row)
    },
    async findActive(hash) {
      const row = await db
        .selectFrom('platform_token')
        .selectAll()
        .where('hash', '=', hash)
        .where('status', '=', 'active')
        .executeTakeFirst()
      return row && toToken(row)
    },
    async list(platformId, limit, offset) {
      const rows = await db
        .selectFrom('platform_token')
        .selectAll()
        .where('platform_id', '=', platformId)
        .orderBy('id')
        .limit(limit)
        .offset(offset)
        .execute()
      return rows.map(toToken)
    },
    async count(platformId) {
      const { n } = await db
        .selectFrom('platform_token')
        .select((eb) => eb.fn.countAll<number>().as('n'))
        .where('platform_id', '=', platformId)
        .executeTakeFirstOrThrow()
      return Number(n)
    },
    async setStatus(id, status) {
      await db.updateTable('platform_token').set({ status }).where('id', '=', id).execute()
    },
    async delete(id) {
      await db.deleteFrom('platform_token').where('id', '=', id).execute()
    },
  }
}
