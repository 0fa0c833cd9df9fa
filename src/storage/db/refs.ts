import type { Transaction } from 'kysely'
import type { FileStore } from '../../domain/content/ports.js'
import type { RefRecord, RefStore } from '../../domain/refs/ports.js'
import type { RepoFile } from '../../domain/types.js'
import { writeCard } from './cards.js'
import { changeDiscussion } from './discussion-entries.js'
import { addEvents } from './events.js'
import { enqueueJob } from './jobs.js'
import type { Db } from './open.js'
import { pagesOf } from './rows.js'
import type { Schema } from './schema.js'

export function refStore(db: Db): RefStore {
  return {
    list: (repoId) =>
      db
        .selectFrom('ref')
        .select(['name', 'oid'])
        .where('repo_id', '=', repoId)
        .orderBy('name')
        .execute(),
    record: (change) =>
      db.transaction().execute(async (tx) => {
        const { numUpdatedRows } = await tx
          .updateTable('repo')
          .set({
            refs_digest: change.toDigest,
            default_branch: change.defaultBranch,
            git_bytes: change.gitBytes,
            ...(change.pushedAt ? { pushed_at: change.pushedAt, updated_at: change.pushedAt } : {}),
            ...(change.head
              ? {
                  head_oid: change.head.oid,
                  head_at: change.head.at,
                  commit_count: change.head.commitCount,
                }
              : {}),
          })
          .where('id', '=', change.repoId)
          .where('refs_digest', '=', change.fromDigest)
          .executeTakeFirst()
        if (numUpdatedRows === 0n) return false
        await moveRefs(tx, change)
        if (change.head) await changeFiles(tx, change.repoId, change.head)
        if (change.head) await writeCard(tx, change.repoId, change.head.card)
        await addEvents(tx, change.events)
        for (const it of change.discussions) await changeDiscussion(tx, change.repoId, it)
        for (const job of change.jobs) await enqueueJob(tx, { ...job, key: change.repoId })
        return true
      }),
    forget: (repoId) =>
      db.transaction().execute(async (tx) => {
        await tx.deleteFrom('ref').where('repo_id', '=', repoId).execute()
        await tx.deleteFrom('file').where('repo_id', '=', repoId).execute()
        await tx
          .updateTable('repo')
          .set({ refs_digest: '', head_oid: null, commit_count: 0 })
          .where('id', '=', repoId)
          .execute()
      }),
    async setGitBytes(repoId, gitBytes) {
      await db.updateTable('repo').set({ git_bytes: gitBytes }).where('id', '=', repoId).execute()
    },
  }
}

async function moveRefs(tx: Transaction<Schema>, change: RefRecord): Promise<void> {
  const gone = change.updates.filter((it) => it.newOid === null).map((it) => it.name)
  for (const names of pagesOf(gone))
    await tx
      .deleteFrom('ref')
      .where('repo_id', '=', change.repoId)
      .where('name', 'in', names)
      .execute()
  const set = change.updates.flatMap(({ name, newOid }) =>
    newOid === null ? [] : [{ repo_id: change.repoId, name, oid: newOid }],
  )
  for (const rows of pagesOf(set))
    await tx
      .insertInto('ref')
      .values(rows)
      .onConflict((oc) =>
        oc.columns(['repo_id', 'name']).doUpdateSet((eb) => ({ oid: eb.ref('excluded.oid') })),
      )
      .execute()
}

async function changeFiles(
  tx: Transaction<Schema>,
  repoId: string,
  head: NonNullable<RefRecord['head']>,
): Promise<void> {
  if (head.removed === 'all') await tx.deleteFrom('file').where('repo_id', '=', repoId).execute()
  else
    for (const paths of pagesOf(head.removed))
      await tx.deleteFrom('file').where('repo_id', '=', repoId).where('path', 'in', paths).execute()
  for (const files of pagesOf(head.upserted))
    await tx
      .insertInto('file')
      .values(
        files.map((it) => ({
          repo_id: repoId,
          path: it.path,
          mode: it.mode,
          blob_oid: it.blobOid,
          size: it.size,
          lfs_oid: it.lfsOid,
          pointer_size: it.pointerSize,
        })),
      )
      .onConflict((oc) =>
        oc.columns(['repo_id', 'path']).doUpdateSet((eb) => ({
          mode: eb.ref('excluded.mode'),
          blob_oid: eb.ref('excluded.blob_oid'),
          size: eb.ref('excluded.size'),
          lfs_oid: eb.ref('excluded.lfs_oid'),
          pointer_size: eb.ref('excluded.pointer_size'),
        })),
      )
      .execute()
}

export function fileStore(db: Db): FileStore {
  const select = (repoId: string) =>
    db
      .selectFrom('file')
      .select(['path', 'mode', 'blob_oid', 'size', 'lfs_oid', 'pointer_size'])
      .where('repo_id', '=', repoId)
  return {
    async find(repoId, path) {
      const row = await select(repoId).where('path', '=', path).executeTakeFirst()
      return row && toFile(row)
    },
    async findMany(repoId, paths) {
      const rows = await Promise.all(
        pagesOf(paths).map((page) => select(repoId).where('path', 'in', page).execute()),
      )
      return rows.flat().map(toFile)
    },
    async list(repoId, after, limit, head) {
      let q = select(repoId).where('path', '>', after).orderBy('path').limit(limit)
      if (head !== undefined)
        q = q.where((eb) =>
          eb.exists(
            eb
              .selectFrom('repo')
              .select('repo.seq')
              .where('repo.id', '=', repoId)
              .where('repo.head_oid', '=', head),
          ),
        )
      return (await q.execute()).map(toFile)
    },
    async count(repoId) {
      const row = await db
        .selectFrom('file')
        .select((eb) => eb.fn.countAll<number>().as('n'))
        .where('repo_id', '=', repoId)
        .executeTakeFirstOrThrow()
      return Number(row.n)
    },
  }
}

function toFile(row: {
  path: string
  mode: string
  blob_oid: string
  size: number
  lfs_oid: string | null
  pointer_size: number | null
}): RepoFile {
  return {
    path: row.path,
    mode: row.mode,
    blobOid: row.blob_oid,
    size: row.size,
    lfsOid: row.lfs_oid,
    pointerSize: row.pointer_size,
  }
}
