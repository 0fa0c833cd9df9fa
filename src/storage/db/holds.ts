import type { Hold, HoldStore } from '../../domain/repos/ports.js'
import { isoNow, newId } from '../../lib/ids.js'
import { mirrorLocksOn } from './abf-links.js'
import type { Db } from './open.js'
import { now } from './rows.js'

type MirrorLockRow = Awaited<ReturnType<typeof mirrorLocksOn>>[number]

export function holdStore(db: Db): HoldStore {
  const toHold = (row: {
    id: string
    repo_id: string
    kind: string
    holder: string
    owner: string
    created_at: string
    expires_at: string
  }): Hold => ({
    id: row.id,
    repoId: row.repo_id,
    kind: row.kind,
    holder: row.holder,
    owner: row.owner,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  })
  return {
    acquire: (hold) =>
      db.transaction().execute(async (tx) => {
        await tx.deleteFrom('repo_hold').where('expires_at', '<=', now()).execute()
        const other = await tx
          .selectFrom('repo_hold')
          .select('id')
          .where('repo_id', '=', hold.repoId)
          .limit(1)
          .executeTakeFirst()
        if (other || (await mirrorLocksOn(tx, hold.repoId)).length > 0) return undefined
        const row = await tx
          .insertInto('repo_hold')
          .values({
            id: newId(),
            repo_id: hold.repoId,
            kind: hold.kind,
            holder: hold.holder,
            owner: hold.owner,
            created_at: now(),
            expires_at: isoNow(hold.seconds * 1000),
          })
          .returningAll()
          .executeTakeFirstOrThrow()
        return toHold(row)
      }),
    async renew(id, seconds) {
      const { numUpdatedRows } = await db
        .updateTable('repo_hold')
        .set({ expires_at: isoNow(seconds * 1000) })
        .where('id', '=', id)
        .where('expires_at', '>', now())
        .executeTakeFirst()
      return numUpdatedRows > 0n
    },
    async release(id) {
      await db.deleteFrom('repo_hold').where('id', '=', id).execute()
    },
    async find(repoId) {
      const rows = await db
        .selectFrom('repo_hold')
        .selectAll()
        .where('repo_id', '=', repoId)
        .where('expires_at', '>', now())
        .execute()
      return [
        ...rows.map(toHold),
        ...(await mirrorLocksOn(db, repoId)).map((it) => toMirrorHold(repoId, it)),
      ]
    },
    async releaseOwner(owner) {
      await db.deleteFrom('repo_hold').where('owner', '=', owner).execute()
    },
    async listOwners() {
      const rows = await db.selectFrom('repo_hold').select('owner').distinct().execute()
      return rows.map((it) => it.owner)
    },
  }
}

/** Lives as a row of the shelf, not of each repository: what is put on a locked shelf is locked, and needs no owner to sweep it. */
function toMirrorHold(repoId: string, lock: MirrorLockRow): Hold {
  const place =
    lock.visibility === 'open' ? `${lock.platform_name}/${lock.shelf_name}` : 'a hidden platform'
  return {
    id: `mirror:${lock.shelf_id}:${lock.holder}`,
    repoId,
    kind: 'mirroring',
    holder: `${lock.holder} (.repo.lock of ${place})`,
    owner: '',
    createdAt: lock.created_at,
    expiresAt: lock.expires_at,
  }
}
