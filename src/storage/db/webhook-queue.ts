import { type Selectable, sql, type Transaction } from 'kysely'
import type {
  ClaimedDelivery,
  DeliveryQueue,
  Settlement,
  WebhookEvent,
} from '../../domain/webhooks/ports.js'
import { isoNow } from '../../lib/ids.js'
import type { Db } from './open.js'
import { now } from './rows.js'
import type { Schema } from './schema.js'
import { findWebhook, toSiteChange } from './webhook-rows.js'

type Tx = Transaction<Schema>
type Lane = Selectable<Schema['webhook_lane']>

export function deliveryQueue(db: Db): DeliveryQueue {
  return {
    async claim(owner, leaseSeconds, limits) {
      for (;;) {
        // looked for outside a transaction: while nothing is due nobody needs the write lock
        const due = await findDue(db, limits)
        if (!due) return undefined
        const claimed = await db
          .transaction()
          .execute((tx) => claimLane(tx, due, owner, isoNow(leaseSeconds * 1000)))
        if (claimed) return claimed
      }
    },
    settle: (owner, delivery, settlement) =>
      db.transaction().execute(async (tx) => {
        await settleDelivery(tx, delivery, settlement)
        await leaveLane(tx, owner, delivery, settlement)
      }),
    async listOwners() {
      const rows = await db
        .selectFrom('webhook_lane')
        .select('lease_owner')
        .where('lease_owner', 'is not', null)
        .distinct()
        .execute()
      return rows.flatMap((it) => it.lease_owner ?? [])
    },
    async releaseOwner(owner) {
      await db
        .updateTable('webhook_lane')
        .set({ lease_owner: null, lease_until: null })
        .where('lease_owner', '=', owner)
        .execute()
    },
    async counts() {
      const at = now()
      const row = await db
        .selectFrom('webhook_lane')
        .innerJoin('webhook', 'webhook.id', 'webhook_lane.webhook_id')
        .select((eb) => [
          eb.fn.countAll<number>().as('all'),
          sql<number>`count(case when lease_until >= ${at} then 1 end)`.as('running'),
          sql<number>`count(case when (lease_until is null or lease_until < ${at})
            and next_at <= ${at} and disabled is null then 1 end)`.as('due'),
        ])
        .executeTakeFirstOrThrow()
      const [due, running] = [Number(row.due), Number(row.running)]
      return { due, running, later: Number(row.all) - due - running }
    },
    deleteBefore: (before, limit) =>
      db.transaction().execute(async (tx) => {
        const { numDeletedRows } = await tx
          .deleteFrom('webhook_delivery')
          .where('id', 'in', (from) =>
            from
              .selectFrom('webhook_delivery')
              .select('id')
              .where('created_at', '<', before)
              .orderBy('created_at')
              .limit(limit),
          )
          .executeTakeFirstOrThrow()
        await sql`delete from webhook_event where at < ${before} and not exists
          (select 1 from webhook_delivery where event_id = webhook_event.id)`.execute(tx)
        return Number(numDeletedRows)
      }),
  }
}

/** The lane that has been due longest and whose target and owner have less under way than they may. */
async function findDue(
  db: Db,
  { perTarget, perOwner }: Parameters<DeliveryQueue['claim']>[2],
): Promise<Lane | undefined> {
  const busy = await db
    .selectFrom('webhook_lane')
    .innerJoin('webhook', 'webhook.id', 'webhook_lane.webhook_id')
    .select(['webhook.target', 'webhook.owner_id'])
    .where('lease_until', '>=', now())
    .execute()
  const targets = atLeast(
    perTarget,
    busy.map((it) => it.target),
  )
  const owners = atLeast(
    perOwner,
    busy.map((it) => it.owner_id),
  )
  let query = db
    .selectFrom('webhook_lane')
    .innerJoin('webhook', 'webhook.id', 'webhook_lane.webhook_id')
    .selectAll('webhook_lane')
    .where('next_at', '<=', now())
    .where('webhook.disabled', 'is', null)
    .where((eb) => eb.or([eb('lease_until', 'is', null), eb('lease_until', '<', now())]))
  if (targets.length > 0) query = query.where('webhook.target', 'not in', targets)
  if (owners.length > 0) query = query.where('webhook.owner_id', 'not in', owners)
  return query.orderBy('next_at').limit(1).executeTakeFirst()
}

function atLeast<T>(limit: number, values: readonly T[]): T[] {
  const counts = new Map<T, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return [...counts].filter(([, n]) => n >= limit).map(([value]) => value)
}

/** Undefined when somebody else was quicker, or the lane was empty. */
async function claimLane(
  tx: Tx,
  { webhook_id, repo_id }: Lane,
  owner: string,
  until: string,
): Promise<ClaimedDelivery | undefined> {
  const { numUpdatedRows } = await tx
    .updateTable('webhook_lane')
    .set({ lease_owner: owner, lease_until: until })
    .where('webhook_id', '=', webhook_id)
    .where('repo_id', '=', repo_id)
    .where('next_at', '<=', now())
    .where((eb) => eb.or([eb('lease_until', 'is', null), eb('lease_until', '<', now())]))
    .executeTakeFirst()
  if (numUpdatedRows === 0n) return undefined
  const row = await tx
    .selectFrom('webhook_delivery')
    .innerJoin('webhook_event', 'webhook_event.id', 'webhook_delivery.event_id')
    .selectAll('webhook_delivery')
    .select('webhook_event.data')
    .where('webhook_id', '=', webhook_id)
    .where('repo_id', '=', repo_id)
    .where('status', '=', 'waiting')
    .orderBy('webhook_delivery.id')
    .limit(1)
    .executeTakeFirst()
  const webhook = await findWebhook(tx, webhook_id)
  if (!row || !webhook) {
    await removeLane(tx, webhook_id, repo_id)
    return undefined
  }
  return {
    id: row.id,
    webhook,
    repoId: repo_id,
    event: JSON.parse(row.data) as WebhookEvent,
    siteChange: toSiteChange(row.site_change),
    wasMember: row.was_member === 1,
    attempts: row.attempts,
  }
}

async function settleDelivery(
  tx: Tx,
  { id, webhook }: ClaimedDelivery,
  { verdict, attempt }: Settlement,
): Promise<void> {
  const done = verdict === 'delivered' || verdict === 'dropped' || verdict === 'failed'
  if (!done && !attempt) return
  const { numUpdatedRows } = await tx
    .updateTable('webhook_delivery')
    .set((eb) => ({
      ...(attempt ? { attempts: eb('attempts', '+', 1) } : {}),
      ...(done ? { status: verdict, finished_at: now() } : {}),
    }))
    .where('id', '=', id)
    .where('status', '=', 'waiting')
    .executeTakeFirst()
  // the webhook was deleted, or another process had it after this one's lease
  if (numUpdatedRows === 0n) return
  if (attempt) {
    const { at, durationMs, status, error } = attempt
    await tx
      .insertInto('webhook_attempt')
      .values({ delivery_id: id, at, duration_ms: durationMs, status, error })
      .execute()
  }
  if (verdict === 'delivered')
    await tx
      .updateTable('webhook')
      .set({ last_success_at: now() })
      .where('id', '=', webhook.id)
      .execute()
  if (verdict === 'failed')
    await tx
      .updateTable('webhook')
      .set({ disabled: 'suspended-after-failure' })
      .where('id', '=', webhook.id)
      .where('disabled', 'is', null)
      .where(
        sql<boolean>`coalesce(last_success_at, '') < (select min(at) from webhook_attempt where delivery_id = ${id})`,
      )
      .execute()
}

async function leaveLane(
  tx: Tx,
  owner: string,
  { id, webhook, repoId }: ClaimedDelivery,
  { verdict, retryAfterMs = 0 }: Settlement,
): Promise<void> {
  const isLast =
    verdict !== 'retry' &&
    verdict !== 'put-back' &&
    !(await tx
      .selectFrom('webhook_delivery')
      .select('id')
      .where('webhook_id', '=', webhook.id)
      .where('repo_id', '=', repoId)
      .where('status', '=', 'waiting')
      .where('id', '!=', id)
      .limit(1)
      .executeTakeFirst())
  if (isLast) return removeLane(tx, webhook.id, repoId, owner)
  await tx
    .updateTable('webhook_lane')
    .set({ lease_owner: null, lease_until: null, next_at: isoNow(retryAfterMs) })
    .where('webhook_id', '=', webhook.id)
    .where('repo_id', '=', repoId)
    .where('lease_owner', '=', owner)
    .execute()
}

async function removeLane(
  tx: Tx,
  webhookId: string,
  repoId: string,
  owner?: string,
): Promise<void> {
  let query = tx
    .deleteFrom('webhook_lane')
    .where('webhook_id', '=', webhookId)
    .where('repo_id', '=', repoId)
  if (owner !== undefined) query = query.where('lease_owner', '=', owner)
  await query.execute()
}
