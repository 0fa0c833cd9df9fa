import { sql, type Transaction } from 'kysely'
import type { JobStore } from '../../domain/jobs/ports.js'
import { isoNow } from '../../lib/ids.js'
import type { Db } from './open.js'
import { now } from './rows.js'
import type { Schema } from './schema.js'

/** Also for use inside other transactions, so that a change and the work it leaves behind appear together. */
export async function enqueueJob(
  tx: Db | Transaction<Schema>,
  job: { kind: string; key: string; data?: Record<string, unknown>; delayMs?: number },
): Promise<void> {
  const runAfter = isoNow(job.delayMs ?? 0)
  const data = JSON.stringify(job.data ?? {})
  // one that waits and comes soon enough needs no write: pushes in a row ask for the same upkeep again and again
  const waiting = await tx
    .selectFrom('job')
    .select('id')
    .where('kind', '=', job.kind)
    .where('key', '=', job.key)
    .where('data', '=', data)
    .where('lease_owner', 'is', null)
    .where('run_after', '<=', runAfter)
    .executeTakeFirst()
  if (waiting) return
  await tx
    .insertInto('job')
    .values({
      kind: job.kind,
      key: job.key,
      data,
      run_after: runAfter,
      attempts: 0,
      created_at: now(),
    })
    .onConflict((oc) =>
      oc.columns(['kind', 'key']).doUpdateSet({
        data,
        // of a job that runs it is the time of that run, unless it was told to run again already
        run_after: sql`case when job.run_after < ${runAfter} and (job.lease_owner is null or job.attempts < 0)
          then job.run_after else ${runAfter} end`,
        // told to run again while it runs: `finish` then leaves it in place
        attempts: sql`case when job.lease_owner is null then job.attempts else -1 end`,
      }),
    )
    .execute()
}

export function jobStore(db: Db): JobStore {
  return {
    enqueue: (job) => enqueueJob(db, job),
    claim: (owner, leaseSeconds, but = []) =>
      db.transaction().execute(async (tx) => {
        const row = await tx
          .selectFrom('job')
          .selectAll()
          .where('run_after', '<=', now())
          .where((eb) => eb.or([eb('lease_until', 'is', null), eb('lease_until', '<', now())]))
          .$if(but.length > 0, (it) => it.where('kind', 'not in', but))
          .orderBy('run_after')
          .limit(1)
          .executeTakeFirst()
        if (!row) return undefined
        const attempts = Math.max(row.attempts, 0) + 1
        await tx
          .updateTable('job')
          .set({ attempts, lease_owner: owner, lease_until: isoNow(leaseSeconds * 1000) })
          .where('id', '=', row.id)
          .execute()
        return {
          id: row.id,
          kind: row.kind,
          key: row.key,
          data: JSON.parse(row.data) as Record<string, unknown>,
          attempts,
        }
      }),
    async renew(id, owner, leaseSeconds) {
      const { numUpdatedRows } = await db
        .updateTable('job')
        .set({ lease_until: isoNow(leaseSeconds * 1000) })
        .where('id', '=', id)
        .where('lease_owner', '=', owner)
        .executeTakeFirst()
      return numUpdatedRows > 0n
    },
    async finish(id, owner) {
      await db.transaction().execute(async (tx) => {
        await tx
          .deleteFrom('job')
          .where('id', '=', id)
          .where('lease_owner', '=', owner)
          .where('attempts', '>=', 0)
          .execute()
        await tx
          .updateTable('job')
          .set({ lease_owner: null, lease_until: null, attempts: 0, last_error: null })
          .where('id', '=', id)
          .where('lease_owner', '=', owner)
          .execute()
      })
    },
    async fail(id, owner, error, retryAfterMs) {
      await db
        .updateTable('job')
        .set({
          lease_owner: null,
          lease_until: null,
          last_error: error.slice(0, 2_000),
          run_after: isoNow(retryAfterMs),
        })
        .where('id', '=', id)
        .where('lease_owner', '=', owner)
        .execute()
    },
    async listOwners() {
      const rows = await db
        .selectFrom('job')
        .select('lease_owner')
        .where('lease_owner', 'is not', null)
        .distinct()
        .execute()
      return rows.flatMap((it) => it.lease_owner ?? [])
    },
    async releaseOwner(owner) {
      await db
        .updateTable('job')
        .set({ lease_owner: null, lease_until: null })
        .where('lease_owner', '=', owner)
        .execute()
    },
    async counts() {
      const row = await db
        .selectFrom('job')
        .select((eb) => [
          eb.fn.countAll<number>().as('all'),
          eb.fn.count<number>('lease_owner').as('running'),
          eb.fn.count<number>('last_error').as('failing'),
        ])
        .executeTakeFirstOrThrow()
      return {
        waiting: Number(row.all) - Number(row.running),
        running: Number(row.running),
        failing: Number(row.failing),
      }
    },
  }
}
