import { type Selectable, type SelectQueryBuilder, sql } from 'kysely'
import { HubError } from '../../domain/errors.js'
import type {
  Platform,
  PlatformFilter,
  PlatformRole,
  PlatformStore,
} from '../../domain/packages/ports.js'
import { isoNow } from '../../lib/ids.js'
import { clonePlatform, makePersonalPlatforms } from './abf-links.js'
import type { Db } from './open.js'
import { escapeLike, isUniqueViolation, type NamespaceRow, now, toOrg, toUser } from './rows.js'
import type { Schema } from './schema.js'

type PlatformRow = Selectable<Schema['platform']> & {
  owner_name: string
  owner_type: 'user' | 'org'
  owner_fullname: string | null
}

export function platformStore(db: Db): PlatformStore {
  const select = () =>
    db
      .selectFrom('platform')
      .innerJoin('namespace', 'namespace.id', 'platform.owner_id')
      .selectAll('platform')
      .select([
        'namespace.name as owner_name',
        'namespace.type as owner_type',
        'namespace.fullname as owner_fullname',
      ])
  const find = async (id: number) => {
    const row = await select().where('platform.id', '=', id).executeTakeFirst()
    return row && toPlatform(row)
  }
  return {
    ensurePersonal: () => db.transaction().execute((tx) => makePersonalPlatforms(tx)),
    find,
    async findByName(name) {
      const row = await select()
        .where('platform.name_key', '=', name.toLowerCase())
        .executeTakeFirst()
      return row && toPlatform(row)
    },
    async list({ limit, offset, ...filter }) {
      const rows = await filtered(select(), filter)
        .orderBy('platform.name_key')
        .limit(limit)
        .offset(offset)
        .execute()
      return rows.map(toPlatform)
    },
    async count(filter) {
      const query = db.selectFrom('platform').select((eb) => eb.fn.countAll<number>().as('n'))
      const { n } = await filtered(query, filter).executeTakeFirstOrThrow()
      return Number(n)
    },
    async create(it) {
      try {
        const { id } = await db
          .insertInto('platform')
          .values({
            name: it.name,
            name_key: it.name.toLowerCase(),
            description: it.description,
            visibility: it.visibility,
            type: 'main',
            distrib_type: it.distribType,
            default_branch: it.defaultBranch,
            released: it.released ? 1 : 0,
            owner_id: it.ownerId,
            personal_of: null,
            created_at: now(),
            updated_at: now(),
          })
          .returning('id')
          .executeTakeFirstOrThrow()
        return (await find(id)) as Platform
      } catch (err) {
        if (!isUniqueViolation(err)) throw err
        throw new HubError('conflict', 'Name has already been taken', {}, err)
      }
    },
    async update(id, change) {
      await db
        .updateTable('platform')
        .set({
          ...(change.description !== undefined ? { description: change.description } : {}),
          ...(change.visibility !== undefined ? { visibility: change.visibility } : {}),
          ...(change.defaultBranch !== undefined ? { default_branch: change.defaultBranch } : {}),
          ...(change.released !== undefined ? { released: change.released ? 1 : 0 } : {}),
          ...(change.ownerId !== undefined ? { owner_id: change.ownerId } : {}),
          updated_at: now(),
        })
        .where('id', '=', id)
        .execute()
    },
    async clone(from, to) {
      try {
        const id = await db.transaction().execute((tx) => clonePlatform(tx, from.id, to))
        return (await find(id)) as Platform
      } catch (err) {
        if (!isUniqueViolation(err)) throw err
        throw new HubError('conflict', 'Name has already been taken', {}, err)
      }
    },
    async clear(id) {
      const shelves = db.selectFrom('shelf').select('id').where('platform_id', '=', id)
      const { numDeletedRows } = await db
        .deleteFrom('shelf_project')
        .where('shelf_id', 'in', shelves)
        .executeTakeFirstOrThrow()
      return Number(numDeletedRows)
    },
    async delete(id) {
      await db.deleteFrom('platform').where('id', '=', id).execute()
    },
    async roles(id, accountIds) {
      if (accountIds.length === 0) return []
      const rows = await db
        .selectFrom('platform_member')
        .select('role')
        .where('platform_id', '=', id)
        .where('account_id', 'in', accountIds)
        .execute()
      return rows.map((it) => it.role as PlatformRole)
    },
    async listMembers(id, limit, offset) {
      const rows = await db
        .selectFrom('platform_member')
        .innerJoin('namespace', 'namespace.id', 'platform_member.account_id')
        .selectAll('namespace')
        .select('platform_member.role')
        .where('platform_member.platform_id', '=', id)
        .orderBy('namespace.name')
        .limit(limit)
        .offset(offset)
        .execute()
      return rows.map((it) => ({ account: toAccount(it), role: it.role as PlatformRole }))
    },
    async countMembers(id) {
      const { n } = await db
        .selectFrom('platform_member')
        .select((eb) => eb.fn.countAll<number>().as('n'))
        .where('platform_id', '=', id)
        .executeTakeFirstOrThrow()
      return Number(n)
    },
    async setMember(id, accountId, role) {
      if (role === null)
        await db
          .deleteFrom('platform_member')
          .where('platform_id', '=', id)
          .where('account_id', '=', accountId)
          .execute()
      else
        await db
          .insertInto('platform_member')
          .values({ platform_id: id, account_id: accountId, role })
          .onConflict((oc) => oc.columns(['platform_id', 'account_id']).doUpdateSet({ role }))
          .execute()
    },
    takeExportTurn: (id, windowSeconds) =>
      db.transaction().execute(async (tx) => {
        const row = await tx
          .selectFrom('package_export')
          .select('accepted_at')
          .where('platform_id', '=', id)
          .executeTakeFirst()
        const endsAt = row ? Date.parse(row.accepted_at) + windowSeconds * 1000 : 0
        if (endsAt > Date.now())
          return { retryAfterSeconds: Math.ceil((endsAt - Date.now()) / 1000) }
        await tx
          .insertInto('package_export')
          .values({ platform_id: id, accepted_at: isoNow() })
          .onConflict((oc) => oc.column('platform_id').doUpdateSet({ accepted_at: isoNow() }))
          .execute()
        return null
      }),
  }
}

function filtered<O>(
  query: SelectQueryBuilder<Schema, 'platform', O>,
  filter: PlatformFilter,
): SelectQueryBuilder<Schema, 'platform', O>
function filtered<O>(
  query: SelectQueryBuilder<Schema, 'platform' | 'namespace', O>,
  filter: PlatformFilter,
): SelectQueryBuilder<Schema, 'platform' | 'namespace', O>
function filtered<O>(
  query: SelectQueryBuilder<Schema, 'platform', O>,
  filter: PlatformFilter,
): SelectQueryBuilder<Schema, 'platform', O> {
  let q = query
  if (filter.type) q = q.where('platform.type', '=', filter.type)
  if (filter.search)
    q = q.where(
      sql<boolean>`platform.name_key like ${`%${escapeLike(filter.search.toLowerCase())}%`} escape '\\'`,
    )
  const accounts = filter.visibleTo
  if (accounts)
    q = q.where((eb) =>
      eb.or([
        eb('platform.visibility', '=', 'open'),
        ...(accounts.length === 0
          ? []
          : [
              eb('platform.owner_id', 'in', accounts),
              eb(
                'platform.id',
                'in',
                eb
                  .selectFrom('platform_member')
                  .select('platform_member.platform_id')
                  .where('platform_member.account_id', 'in', accounts),
              ),
              eb(
                'platform.id',
                'in',
                eb
                  .selectFrom('shelf_member')
                  .innerJoin('shelf', 'shelf.id', 'shelf_member.shelf_id')
                  .select('shelf.platform_id')
                  .where('shelf_member.account_id', 'in', accounts),
              ),
            ]),
      ]),
    )
  return q
}

export function toAccount(row: NamespaceRow) {
  return row.type === 'user' ? toUser(row) : toOrg(row)
}

function toPlatform(row: PlatformRow): Platform {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    visibility: row.visibility,
    type: row.type,
    distribType: row.distrib_type,
    defaultBranch: row.default_branch,
    released: row.released === 1,
    owner: {
      id: row.owner_id,
      name: row.owner_name,
      type: row.owner_type,
      fullname: row.owner_fullname,
    },
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}
