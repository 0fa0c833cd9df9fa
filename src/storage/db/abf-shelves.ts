import type { Selectable } from 'kysely'
import { HubError } from '../../domain/errors.js'
import type {
  KeyPairStore,
  MirrorLockStore,
  Shelf,
  ShelfStore,
} from '../../domain/packages/ports.js'
import { isoNow } from '../../lib/ids.js'
import type { Db } from './open.js'
import { isUniqueViolation, now, pagesOf } from './rows.js'
import type { Schema } from './schema.js'

export function shelfStore(db: Db): ShelfStore {
  return {
    async find(id) {
      const row = await db.selectFrom('shelf').selectAll().where('id', '=', id).executeTakeFirst()
      return row && toShelf(row)
    },
    async findByName(platformId, name) {
      const row = await db
        .selectFrom('shelf')
        .selectAll()
        .where('platform_id', '=', platformId)
        .where('name', '=', name)
        .executeTakeFirst()
      return row && toShelf(row)
    },
    async list(platformIds) {
      const found: Shelf[] = []
      for (const ids of pagesOf(platformIds)) {
        const rows = await db
          .selectFrom('shelf')
          .selectAll()
          .where('platform_id', 'in', ids)
          .orderBy('name')
          .execute()
        found.push(...rows.map(toShelf))
      }
      return found
    },
    async create(it) {
      try {
        const row = await db
          .insertInto('shelf')
          .values({
            platform_id: it.platformId,
            name: it.name,
            description: it.description,
            publish_without_qa: it.publishWithoutQa ? 1 : 0,
            publish_builds_only_from_branch: it.publishBuildsOnlyFromBranch,
            synchronizing_publications: it.synchronizingPublications ? 1 : 0,
            created_at: now(),
            updated_at: now(),
          })
          .returningAll()
          .executeTakeFirstOrThrow()
        return toShelf(row)
      } catch (err) {
        if (!isUniqueViolation(err)) throw err
        throw new HubError('conflict', 'Name has already been taken', {}, err)
      }
    },
    async update(id, change) {
      const branch = change.publishBuildsOnlyFromBranch
      const qa = change.publishWithoutQa
      const sync = change.synchronizingPublications
      await db
        .updateTable('shelf')
        .set({
          ...(change.description !== undefined ? { description: change.description } : {}),
          ...(qa !== undefined ? { publish_without_qa: qa ? 1 : 0 } : {}),
          ...(branch !== undefined ? { publish_builds_only_from_branch: branch } : {}),
          ...(sync !== undefined ? { synchronizing_publications: sync ? 1 : 0 } : {}),
          updated_at: now(),
        })
        .where('id', '=', id)
        .execute()
    },
    async delete(id) {
      await db.deleteFrom('shelf').where('id', '=', id).execute()
    },
    async isMember(id, accountIds) {
      if (accountIds.length === 0) return false
      const row = await db
        .selectFrom('shelf_member')
        .select('shelf_id')
        .where('shelf_id', '=', id)
        .where('account_id', 'in', accountIds)
        .limit(1)
        .executeTakeFirst()
      return row !== undefined
    },
    async isMemberOfAny(platformId, accountIds) {
      if (accountIds.length === 0) return false
      const row = await db
        .selectFrom('shelf_member')
        .innerJoin('shelf', 'shelf.id', 'shelf_member.shelf_id')
        .select('shelf_member.shelf_id')
        .where('shelf.platform_id', '=', platformId)
        .where('shelf_member.account_id', 'in', accountIds)
        .limit(1)
        .executeTakeFirst()
      return row !== undefined
    },
    async setMember(id, accountId, isMember) {
      if (isMember)
        await db
          .insertInto('shelf_member')
          .values({ shelf_id: id, account_id: accountId })
          .onConflict((oc) => oc.doNothing())
          .execute()
      else
        await db
          .deleteFrom('shelf_member')
          .where('shelf_id', '=', id)
          .where('account_id', '=', accountId)
          .execute()
    },
  }
}

export function keyPairStore(db: Db): KeyPairStore {
  return {
    async find(shelfId) {
      const row = await db
        .selectFrom('shelf_key_pair')
        .selectAll()
        .where('shelf_id', '=', shelfId)
        .executeTakeFirst()
      return (
        row && {
          publicKey: row.public_key,
          sealedSecret: row.sealed_secret,
          fingerprint: row.fingerprint,
        }
      )
    },
    async replace(shelfId, pair) {
      const values = {
        public_key: pair.publicKey,
        sealed_secret: pair.sealedSecret,
        fingerprint: pair.fingerprint,
        updated_at: now(),
      }
      await db
        .insertInto('shelf_key_pair')
        .values({ shelf_id: shelfId, ...values })
        .onConflict((oc) => oc.column('shelf_id').doUpdateSet(values))
        .execute()
    },
  }
}

export function mirrorLockStore(db: Db): MirrorLockStore {
  const toLock = (row: Selectable<Schema['mirror_lock']>) => ({
    shelfId: row.shelf_id,
    holder: row.holder,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  })
  return {
    acquire: (shelfId, holder, seconds) =>
      db.transaction().execute(async (tx) => {
        await tx.deleteFrom('mirror_lock').where('expires_at', '<=', now()).execute()
        const exclusive = await tx
          .selectFrom('repo_hold')
          .innerJoin('shelf_project', 'shelf_project.repo_id', 'repo_hold.repo_id')
          .select('repo_hold.id')
          .where('shelf_project.shelf_id', '=', shelfId)
          .where('repo_hold.expires_at', '>', now())
          .limit(1)
          .executeTakeFirst()
        if (exclusive) return undefined
        const expires_at = isoNow(seconds * 1000)
        const row = await tx
          .insertInto('mirror_lock')
          .values({ shelf_id: shelfId, holder, created_at: now(), expires_at })
          .onConflict((oc) => oc.columns(['shelf_id', 'holder']).doUpdateSet({ expires_at }))
          .returningAll()
          .executeTakeFirstOrThrow()
        return toLock(row)
      }),
    async release(shelfId, holder) {
      let query = db.deleteFrom('mirror_lock').where('shelf_id', '=', shelfId)
      if (holder !== undefined) query = query.where('holder', '=', holder)
      await query.execute()
    },
    async list(shelfIds) {
      const rows = await db
        .selectFrom('mirror_lock')
        .selectAll()
        .where('shelf_id', 'in', shelfIds)
        .where('expires_at', '>', now())
        .orderBy('created_at')
        .execute()
      return rows.map(toLock)
    },
    async listRepoIds(shelfId, after, limit) {
      const rows = await db
        .selectFrom('shelf_project')
        .select('repo_id')
        .where('shelf_id', '=', shelfId)
        .where('repo_id', '>', after)
        .orderBy('repo_id')
        .limit(limit)
        .execute()
      return rows.map((it) => it.repo_id)
    },
  }
}

export function toShelf(row: Selectable<Schema['shelf']>): Shelf {
  return {
    id: row.id,
    platformId: row.platform_id,
    name: row.name,
    description: row.description,
    publishWithoutQa: row.publish_without_qa === 1,
    publishBuildsOnlyFromBranch: row.publish_builds_only_from_branch,
    synchronizingPublications: row.synchronizing_publications === 1,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}
