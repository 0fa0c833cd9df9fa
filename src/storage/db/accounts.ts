import { sql, type Transaction } from 'kysely'
import type { AccountStore } from '../../domain/accounts/ports.js'
import { HubError } from '../../domain/errors.js'
import { nameKey } from '../../domain/repos/names.js'
import type { OrgRole } from '../../domain/types.js'
import { makePersonalPlatforms } from './abf-links.js'
import { addMember, invitationStore, useInvitation } from './invitations.js'
import { loginAttemptStore } from './login-attempts.js'
import type { Db } from './open.js'
import { escapeLike, isUniqueViolation, type NamespaceRow, now, toOrg, toUser } from './rows.js'
import type { Schema } from './schema.js'
import { tokenStore } from './tokens.js'

export function accountStore(db: Db): AccountStore {
  const byName = async (name: string): Promise<NamespaceRow | undefined> => {
    const row = await db
      .selectFrom('namespace')
      .selectAll()
      .where('name_key', '=', nameKey(name))
      .executeTakeFirst()
    return row && row.name.toLowerCase() === name.toLowerCase() ? row : undefined
  }
  const byId = (id: number) =>
    db.selectFrom('namespace').selectAll().where('id', '=', id).executeTakeFirst()
  const toNamespace = (row: NamespaceRow) => (row.type === 'user' ? toUser(row) : toOrg(row))
  return {
    ...tokenStore(db),
    ...invitationStore(db),
    ...loginAttemptStore(db),
    async findNamespace(name) {
      const row = await byName(name)
      return row && toNamespace(row)
    },
    async findNamespaceLike(name) {
      const row = await db
        .selectFrom('namespace')
        .selectAll()
        .where('name_key', '=', nameKey(name))
        .executeTakeFirst()
      return row && toNamespace(row)
    },
    async findNamespaceById(id) {
      const row = await byId(id)
      return row && toNamespace(row)
    },
    async findUser(name) {
      const row = await byName(name)
      return row?.type === 'user' ? toUser(row) : undefined
    },
    async findUserById(id) {
      const row = await byId(id)
      return row?.type === 'user' ? toUser(row) : undefined
    },
    async findUserByEmail(email) {
      const row = await db
        .selectFrom('namespace')
        .selectAll()
        .where('email', '=', email.toLowerCase())
        .where('type', '=', 'user')
        .executeTakeFirst()
      return row && toUser(row)
    },
    async findPasswordHash(userId) {
      return (await byId(userId))?.password_hash ?? undefined
    },
    async findOrg(name) {
      const row = await byName(name)
      return row?.type === 'org' ? toOrg(row) : undefined
    },
    async countUsers() {
      const row = await db
        .selectFrom('namespace')
        .select((eb) => eb.fn.countAll<number>().as('n'))
        .where('type', '=', 'user')
        .executeTakeFirstOrThrow()
      return Number(row.n)
    },
    async listUsers(afterId, limit) {
      const rows = await db
        .selectFrom('namespace')
        .selectAll()
        .where('type', '=', 'user')
        .where('id', '>', afterId)
        .orderBy('id')
        .limit(limit)
        .execute()
      return rows.map(toUser)
    },
    async listOrgs(afterId, limit) {
      const rows = await db
        .selectFrom('namespace')
        .selectAll()
        .where('type', '=', 'org')
        .where('id', '>', afterId)
        .orderBy('id')
        .limit(limit)
        .execute()
      return rows.map(toOrg)
    },
    async searchNamespaces(text, limit) {
      const rows = await db
        .selectFrom('namespace')
        .selectAll()
        .where(sql<boolean>`lower(name) like ${`%${escapeLike(text.toLowerCase())}%`} escape '\\'`)
        .orderBy('name')
        .limit(limit)
        .execute()
      return rows.map(toNamespace)
    },
    async createUser(user) {
      try {
        return await db.transaction().execute(async (tx) => {
          const row = await tx
            .insertInto('namespace')
            .values({
              name: user.name,
              name_key: nameKey(user.name),
              type: 'user',
              fullname: user.fullname,
              description: null,
              email: user.email?.toLowerCase() ?? null,
              password_hash: user.passwordHash,
              is_site_admin: user.isSiteAdmin ? 1 : 0,
              is_active: 1,
              private_quota_bytes: user.quotas.privateBytes,
              public_quota_bytes: user.quotas.publicBytes,
              profile: '{}',
              created_at: now(),
            })
            .returningAll()
            .executeTakeFirstOrThrow()
          if (user.invitationHash !== undefined)
            await registerWith(tx, user.invitationHash, row.id, row.email)
          await makePersonalPlatforms(tx, row.id)
          return toUser(row)
        })
      } catch (err) {
        throw taken(err, user.name)
      }
    },
    async createOrg(org) {
      try {
        return await db.transaction().execute(async (tx) => {
          const row = await tx
            .insertInto('namespace')
            .values({
              name: org.name,
              name_key: nameKey(org.name),
              type: 'org',
              fullname: null,
              description: org.description,
              email: null,
              password_hash: null,
              is_site_admin: 0,
              is_active: 1,
              private_quota_bytes: org.quotas.privateBytes,
              public_quota_bytes: org.quotas.publicBytes,
              profile: '{}',
              created_at: now(),
            })
            .returningAll()
            .executeTakeFirstOrThrow()
          await tx
            .insertInto('org_member')
            .values({ org_id: row.id, user_id: org.ownerId, role: 'owner', created_at: now() })
            .execute()
          await makePersonalPlatforms(tx, row.id)
          return toOrg(row)
        })
      } catch (err) {
        throw taken(err, org.name)
      }
    },
    async updateUser(id, change) {
      const set = {
        ...(change.email !== undefined ? { email: change.email?.toLowerCase() ?? null } : {}),
        ...(change.fullname !== undefined ? { fullname: change.fullname } : {}),
        ...(change.passwordHash !== undefined ? { password_hash: change.passwordHash } : {}),
        ...(change.isSiteAdmin !== undefined ? { is_site_admin: change.isSiteAdmin ? 1 : 0 } : {}),
        ...(change.isActive !== undefined ? { is_active: change.isActive ? 1 : 0 } : {}),
      }
      try {
        if (Object.keys(set).length)
          await db.updateTable('namespace').set(set).where('id', '=', id).execute()
      } catch (err) {
        throw taken(err, '')
      }
    },
    async updateOrg(id, change) {
      const set = {
        ...(change.description !== undefined ? { description: change.description } : {}),
        ...(change.fullname !== undefined ? { fullname: change.fullname } : {}),
      }
      if (Object.keys(set).length)
        await db.updateTable('namespace').set(set).where('id', '=', id).execute()
    },
    async readProfile(id) {
      return JSON.parse((await byId(id))?.profile ?? '{}') as Record<string, unknown>
    },
    updateProfile: (id, change) =>
      db.transaction().execute(async (tx) => {
        const row = await tx
          .selectFrom('namespace')
          .select('profile')
          .where('id', '=', id)
          .executeTakeFirst()
        const merged = { ...(JSON.parse(row?.profile ?? '{}') as object), ...change }
        const kept = Object.entries(merged).filter(([, value]) => value !== null)
        await tx
          .updateTable('namespace')
          .set({ profile: JSON.stringify(Object.fromEntries(kept)) })
          .where('id', '=', id)
          .execute()
      }),
    async setNamespaceQuotas(id, quotas) {
      const set = {
        ...(quotas.privateBytes !== undefined ? { private_quota_bytes: quotas.privateBytes } : {}),
        ...(quotas.publicBytes !== undefined ? { public_quota_bytes: quotas.publicBytes } : {}),
        ...(quotas.totalBytes !== undefined ? { total_quota_bytes: quotas.totalBytes } : {}),
      }
      if (Object.keys(set).length)
        await db.updateTable('namespace').set(set).where('id', '=', id).execute()
    },
    async deleteNamespace(id) {
      await db.transaction().execute(async (tx) => {
        const owned = await tx
          .selectFrom('repo')
          .select('id')
          .where('namespace_id', '=', id)
          .limit(1)
          .executeTakeFirst()
        if (owned) throw new HubError('conflict', 'the namespace still owns repositories')
        const platform = await tx
          .selectFrom('platform')
          .select('name')
          .where('owner_id', '=', id)
          .where('type', '=', 'main')
          .limit(1)
          .executeTakeFirst()
        if (platform)
          throw new HubError('conflict', `the namespace still owns the platform ${platform.name}`)
        await tx.deleteFrom('namespace').where('id', '=', id).execute()
      })
    },
    async listMemberships(userId) {
      const rows = await db
        .selectFrom('org_member')
        .innerJoin('namespace', 'namespace.id', 'org_member.org_id')
        .select(['namespace.id', 'namespace.name', 'namespace.fullname', 'org_member.role'])
        .where('org_member.user_id', '=', userId)
        .orderBy('namespace.name')
        .execute()
      return rows.map((it) => ({
        orgId: it.id,
        orgName: it.name,
        orgFullname: it.fullname,
        role: it.role as OrgRole,
      }))
    },
    async listOrgsWithSoleOwner(userId) {
      const rows = await db
        .selectFrom('org_member')
        .innerJoin('namespace', 'namespace.id', 'org_member.org_id')
        .select('namespace.name')
        .where('org_member.user_id', '=', userId)
        .where('org_member.role', '=', 'owner')
        .where((eb) =>
          eb.not(
            eb.exists(
              eb
                .selectFrom('org_member as other')
                .select('other.user_id')
                .whereRef('other.org_id', '=', 'org_member.org_id')
                .where('other.user_id', '!=', userId)
                .where('other.role', '=', 'owner'),
            ),
          ),
        )
        .execute()
      return rows.map((it) => it.name)
    },
    async listMembers(orgId) {
      const rows = await db
        .selectFrom('org_member')
        .innerJoin('namespace', 'namespace.id', 'org_member.user_id')
        .selectAll('namespace')
        .select(['org_member.role', 'org_member.created_at as since'])
        .where('org_member.org_id', '=', orgId)
        .orderBy('namespace.id')
        .execute()
      return rows.map((it) => ({ user: toUser(it), role: it.role as OrgRole, since: it.since }))
    },
    async setMember(orgId, userId, role) {
      await db.transaction().execute(async (tx) => {
        if (role === null)
          await tx
            .deleteFrom('org_member')
            .where('org_id', '=', orgId)
            .where('user_id', '=', userId)
            .execute()
        else
          await tx
            .insertInto('org_member')
            .values({ org_id: orgId, user_id: userId, role, created_at: now() })
            .onConflict((oc) => oc.columns(['org_id', 'user_id']).doUpdateSet({ role }))
            .execute()
        const owner = await tx
          .selectFrom('org_member')
          .select('user_id')
          .where('org_id', '=', orgId)
          .where('role', '=', 'owner')
          .limit(1)
          .executeTakeFirst()
        if (!owner) throw new HubError('conflict', 'an organisation needs at least one owner')
      })
    },
  }
}

async function registerWith(
  tx: Transaction<Schema>,
  tokenHash: string,
  userId: number,
  email: string | null,
): Promise<void> {
  const invitation = await tx
    .selectFrom('invitation')
    .selectAll()
    .where('token_hash', '=', tokenHash)
    .executeTakeFirst()
  const forOther = invitation?.email && invitation.email.toLowerCase() !== email
  if (!invitation || forOther || !(await useInvitation(tx, tokenHash)))
    throw new HubError('invalid_input', 'The invitation is not valid (any more).')
  if (invitation.org_id !== null) await addMember(tx, invitation.org_id, userId, invitation.role)
}

function taken(err: unknown, name: string): unknown {
  if (!isUniqueViolation(err)) return err
  const message = /email/.test(String((err as Error).message))
    ? 'This e-mail address is taken.'
    : `The name "${name}" is taken.`
  return new HubError('conflict', message, { name }, err)
}
