import type { Selectable, Transaction } from 'kysely'
import type { Invitation, InvitationStore } from '../../domain/accounts/ports.js'
import type { OrgRole } from '../../domain/types.js'
import type { Db } from './open.js'
import { now } from './rows.js'
import type { Schema } from './schema.js'

export function invitationStore(db: Db): InvitationStore {
  return {
    async createInvitation(it) {
      await db
        .insertInto('invitation')
        .values({
          token_hash: it.tokenHash,
          org_id: it.orgId,
          role: it.role,
          email: it.email,
          created_by: it.createdBy,
          max_usage: it.maxUsage,
          usage_count: 0,
          created_at: now(),
          expires_at: it.expiresAt,
        })
        .execute()
    },
    async findInvitation(tokenHash) {
      const row = await db
        .selectFrom('invitation')
        .selectAll()
        .where('token_hash', '=', tokenHash)
        .executeTakeFirst()
      return row && toInvitation(row)
    },
    async listInvitations(orgId) {
      const rows = await db
        .selectFrom('invitation')
        .selectAll()
        .where('org_id', orgId === null ? 'is' : '=', orgId)
        .orderBy('created_at')
        .execute()
      return rows.map(toInvitation)
    },
    acceptInvitation: (tokenHash, userId) =>
      db.transaction().execute(async (tx) => {
        const invitation = await tx
          .selectFrom('invitation')
          .select(['org_id', 'role'])
          .where('token_hash', '=', tokenHash)
          .executeTakeFirst()
        if (!invitation?.org_id) return false
        const member = await tx
          .selectFrom('org_member')
          .select('role')
          .where('org_id', '=', invitation.org_id)
          .where('user_id', '=', userId)
          .executeTakeFirst()
        if (member) return true
        if (!(await useInvitation(tx, tokenHash))) return false
        await addMember(tx, invitation.org_id, userId, invitation.role)
        return true
      }),
    async deleteInvitation(tokenHash) {
      const { numDeletedRows } = await db
        .deleteFrom('invitation')
        .where('token_hash', '=', tokenHash)
        .executeTakeFirst()
      return numDeletedRows > 0n
    },
  }
}

function toInvitation(row: Selectable<Schema['invitation']>): Invitation {
  return {
    tokenHash: row.token_hash,
    orgId: row.org_id,
    role: row.role as OrgRole,
    email: row.email,
    maxUsage: row.max_usage,
    usageCount: row.usage_count,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  }
}

/** Counts one use; false when the invitation is used up, expired or gone. */
export async function useInvitation(tx: Transaction<Schema>, tokenHash: string): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('invitation')
    .set((eb) => ({ usage_count: eb('usage_count', '+', 1) }))
    .where('token_hash', '=', tokenHash)
    .where('expires_at', '>', now())
    .where((eb) => eb.or([eb('max_usage', '=', -1), eb('usage_count', '<', eb.ref('max_usage'))]))
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

export async function addMember(
  tx: Transaction<Schema>,
  orgId: number,
  userId: number,
  role: string,
): Promise<void> {
  await tx
    .insertInto('org_member')
    .values({ org_id: orgId, user_id: userId, role, created_at: now() })
    .execute()
}
