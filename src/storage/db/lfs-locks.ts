import { HubError } from '../../domain/errors.js'
import type { LfsLock, LfsLockStore } from '../../domain/lfs/ports.js'
import { newId } from '../../lib/ids.js'
import type { Db } from './open.js'
import { isUniqueViolation, now } from './rows.js'

export function lfsLockStore(db: Db): LfsLockStore {
  const toLock = (row: {
    id: string
    path: string
    ref: string | null
    owner_id: number
    owner_name: string
    locked_at: string
  }): LfsLock => ({
    id: row.id,
    path: row.path,
    ref: row.ref,
    ownerId: row.owner_id,
    ownerName: row.owner_name,
    lockedAt: row.locked_at,
  })
  return {
    async createLock(repoId, lock) {
      try {
        const row = await db
          .insertInto('lfs_lock')
          .values({
            id: newId(),
            repo_id: repoId,
            path: lock.path,
            ref: lock.ref,
            owner_id: lock.ownerId,
            owner_name: lock.ownerName,
            locked_at: now(),
          })
          .returningAll()
          .executeTakeFirstOrThrow()
        return toLock(row)
      } catch (err) {
        if (!isUniqueViolation(err)) throw err
        const [existing] = await db
          .selectFrom('lfs_lock')
          .selectAll()
          .where('repo_id', '=', repoId)
          .where('path', '=', lock.path)
          .execute()
        throw new HubError('conflict', 'already created lock', {
          lock: existing && toLock(existing),
        })
      }
    },
    async findLock(repoId, id) {
      const row = await db
        .selectFrom('lfs_lock')
        .selectAll()
        .where('repo_id', '=', repoId)
        .where('id', '=', id)
        .executeTakeFirst()
      return row && toLock(row)
    },
    async listLocks(repoId, filter) {
      let q = db.selectFrom('lfs_lock').selectAll().where('repo_id', '=', repoId)
      if (filter.path !== undefined) q = q.where('path', '=', filter.path)
      if (filter.id !== undefined) q = q.where('id', '=', filter.id)
      if (filter.ref !== undefined) q = q.where('ref', '=', filter.ref)
      if (filter.after !== undefined) q = q.where('id', '>', filter.after)
      return (await q.orderBy('id').limit(filter.limit).execute()).map(toLock)
    },
    async deleteLock(repoId, id) {
      const { numDeletedRows } = await db
        .deleteFrom('lfs_lock')
        .where('repo_id', '=', repoId)
        .where('id', '=', id)
        .executeTakeFirst()
      return numDeletedRows > 0n
    },
  }
}
