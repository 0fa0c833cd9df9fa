import type { Transaction } from 'kysely'
import type { AccessRequest, AccessRequestStore, GateAnswers } from '../../domain/gating/ports.js'
import type { Db } from './open.js'
import { type NamespaceRow, now, toUser } from './rows.js'
import type { Schema } from './schema.js'

export function accessRequestStore(db: Db): AccessRequestStore {
  return {
    async hasGrant(repoId, userId) {
      const row = await db
        .selectFrom('access_request')
        .select('user_id')
        .where('repo_id', '=', repoId)
        .where('user_id', '=', userId)
        .where('status', '=', 'accepted')
        .executeTakeFirst()
      return row !== undefined
    },
    find: (repoId, userId) => find(db, repoId, userId),
    async list(repoId, status, page) {
      const rows = await select(db)
        .where('access_request.repo_id', '=', repoId)
        .where('access_request.status', '=', status)
        .where('access_request.user_id', '>', page.afterUserId)
        .orderBy('access_request.user_id')
        .limit(page.limit)
        .execute()
      return rows.map(toRequest)
    },
    ask: ({ repoId, userId, status, answers }) =>
      db.transaction().execute(async (tx) => {
        const before = await find(tx, repoId, userId)
        const asked = { asked_at: now(), answers: JSON.stringify(answers) }
        if (!before)
          await tx
            .insertInto('access_request')
            .values({ repo_id: repoId, user_id: userId, status, ...asked })
            .execute()
        else if (before.status === 'pending')
          await tx
            .updateTable('access_request')
            .set(before.decidedAt === null ? { ...asked, status } : asked)
            .where('repo_id', '=', repoId)
            .where('user_id', '=', userId)
            .execute()
        return (await find(tx, repoId, userId)) as AccessRequest
      }),
    decide: ({ repoId, userId, create, ...decision }) =>
      db.transaction().execute(async (tx) => {
        const set = {
          status: decision.status,
          reason: decision.reason,
          decided_by: decision.decidedBy,
          decided_at: now(),
        }
        const { numUpdatedRows } = await tx
          .updateTable('access_request')
          .set(set)
          .where('repo_id', '=', repoId)
          .where('user_id', '=', userId)
          .where('status', '!=', decision.status)
          .executeTakeFirst()
        if (numUpdatedRows > 0n || !create) return numUpdatedRows > 0n
        const { numInsertedOrUpdatedRows } = await tx
          .insertInto('access_request')
          .values({ repo_id: repoId, user_id: userId, answers: '{}', ...set })
          .onConflict((oc) => oc.doNothing())
          .executeTakeFirst()
        return (numInsertedOrUpdatedRows ?? 0n) > 0n
      }),
  }
}

function select(db: Db | Transaction<Schema>) {
  return db
    .selectFrom('access_request')
    .innerJoin('namespace', 'namespace.id', 'access_request.user_id')
    .leftJoin('namespace as decider', 'decider.id', 'access_request.decided_by')
    .selectAll('namespace')
    .select([
      'access_request.status',
      'access_request.asked_at',
      'access_request.decided_at',
      'access_request.reason',
      'access_request.answers',
      'decider.name as decided_by',
    ])
}

async function find(db: Db | Transaction<Schema>, repoId: string, userId: number) {
  const row = await select(db)
    .where('access_request.repo_id', '=', repoId)
    .where('access_request.user_id', '=', userId)
    .executeTakeFirst()
  return row && toRequest(row)
}

function toRequest(
  row: NamespaceRow & {
    status: Schema['access_request']['status']
    asked_at: string | null
    decided_at: string | null
    decided_by: string | null
    reason: string | null
    answers: string
  },
): AccessRequest {
  return {
    user: toUser(row),
    status: row.status,
    askedAt: row.asked_at,
    decidedAt: row.decided_at,
    decidedBy: row.decided_by,
    reason: row.reason,
    answers: JSON.parse(row.answers) as GateAnswers,
  }
}
