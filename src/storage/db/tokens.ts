import type { TokenStore } from '../../domain/accounts/ports.js'
import { newId } from '../../lib/ids.js'
import type { Db } from './open.js'
import { now, toToken } from './rows.js'

export function tokenStore(db: Db): TokenStore {
  return {
    async createToken(token) {
      const row = await db
        .insertInto('token')
        .values({
          id: newId(),
          user_id: token.userId,
          name: token.name,
          kind: token.kind,
          hash: token.hash,
          role: token.role,
          repo_ids: JSON.stringify(token.repoIds),
          created_at: now(),
          expires_at: token.expiresAt,
          last_used_at: null,
        })
        .returningAll()
        .executeTakeFirstOrThrow()
      return toToken(row)
    },
    async findTokenByHash(hash) {
      const row = await db
        .selectFrom('token')
        .selectAll()
        .where('hash', '=', hash)
        .executeTakeFirst()
      return row && toToken(row)
    },
    async findToken(id) {
      const row = await db.selectFrom('token').selectAll().where('id', '=', id).executeTakeFirst()
      return row && toToken(row)
    },
    async listTokens(userId) {
      const rows = await db
        .selectFrom('token')
        .selectAll()
        .where('user_id', '=', userId)
        .where('kind', '=', 'token')
        .orderBy('created_at')
        .execute()
      return rows.map(toToken)
    },
    async touchToken(id) {
      await db.updateTable('token').set({ last_used_at: now() }).where('id', '=', id).execute()
    },
    async deleteToken(userId, id) {
      const { numDeletedRows } = await db
        .deleteFrom('token')
        .where('id', '=', id)
        .where('user_id', '=', userId)
        .executeTakeFirst()
      return numDeletedRows > 0n
    },

    async deleteSessions(userId, exceptTokenId) {
      await db
        .deleteFrom('token')
        .where('user_id', '=', userId)
        .where('kind', '=', 'session')
        .where('id', '!=', exceptTokenId ?? '')
        .execute()
    },
    async scanTokens(kind, limit, offset) {
      const rows = await db
        .selectFrom('token')
        .selectAll()
        .where('kind', '=', kind)
        .orderBy('created_at', 'desc')
        .orderBy('id')
        .limit(limit)
        .offset(offset)
        .execute()
      return rows.map(toToken)
    },
    async deleteExpiredTokens() {
      await db.deleteFrom('token').where('expires_at', '<=', now()).execute()
    },
  }
}
