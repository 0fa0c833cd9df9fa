import type { Selectable, Transaction } from 'kysely'
import { HubError } from '../../domain/errors.js'
import type {
  Attempt,
  Delivery,
  DeliveryStatus,
  Watch,
  Webhook,
  WebhookEvent,
  WebhookStore,
} from '../../domain/webhooks/ports.js'
import type { Db } from './open.js'
import { now } from './rows.js'
import type { Schema } from './schema.js'
import { addToLanes, hurryLanes } from './webhook-lanes.js'
import { findWebhook, toSiteChange, withWatched } from './webhook-rows.js'

export function webhookStore(db: Db): WebhookStore {
  return {
    async create({ watches, limit, ...webhook }) {
      await db.transaction().execute(async (tx) => {
        const { n } = await tx
          .selectFrom('webhook')
          .select((eb) => eb.fn.countAll<number>().as('n'))
          .where('owner_id', '=', webhook.ownerId)
          .executeTakeFirstOrThrow()
        if (Number(n) >= limit)
          throw new HubError(
            'conflict',
            `You have ${n} webhooks, which is as many as there may be.`,
          )
        await tx
          .insertInto('webhook')
          .values({
            id: webhook.id,
            owner_id: webhook.ownerId,
            is_site: webhook.isSite ? 1 : 0,
            url: webhook.url,
            target: new URL(webhook.url).origin,
            domains: JSON.stringify(webhook.domains),
            sealed_secret: webhook.sealedSecret,
            disabled: null,
            base_url: webhook.baseUrl,
            created_at: now(),
            updated_at: now(),
            last_success_at: null,
          })
          .execute()
        await setWatches(tx, webhook.id, watches)
      })
      return (await findWebhook(db, webhook.id)) as Webhook
    },
    async find(ownerId, id) {
      const webhook = await findWebhook(db, id)
      return webhook?.ownerId === ownerId ? webhook : undefined
    },
    async list(ownerId) {
      const rows = await db
        .selectFrom('webhook')
        .selectAll()
        .where('owner_id', '=', ownerId)
        .orderBy('created_at')
        .orderBy('id')
        .execute()
      return withWatched(db, rows)
    },
    async update(id, { url, watches, domains, sealedSecret, baseUrl }) {
      await db.transaction().execute(async (tx) => {
        await tx
          .updateTable('webhook')
          .set({
            updated_at: now(),
            ...(url === undefined ? {} : { url, target: new URL(url).origin }),
            ...(domains ? { domains: JSON.stringify(domains) } : {}),
            ...(sealedSecret === undefined ? {} : { sealed_secret: sealedSecret }),
            ...(baseUrl === undefined ? {} : { base_url: baseUrl }),
          })
          .where('id', '=', id)
          .execute()
        if (watches) await setWatches(tx, id, watches)
        if (url !== undefined) await hurryLanes(tx, id)
      })
    },
    async setDisabled(id, disabled) {
      await db.transaction().execute(async (tx) => {
        await tx
          .updateTable('webhook')
          .set({ disabled, updated_at: now() })
          .where('id', '=', id)
          .execute()
        if (disabled === null) await hurryLanes(tx, id)
      })
    },
    async remove(id) {
      await db.deleteFrom('webhook').where('id', '=', id).execute()
    },
    async listDeliveries(webhookId, beforeId, limit) {
      const rows = await selectDeliveries(db, webhookId)
        .where('webhook_delivery.id', '<', beforeId)
        .orderBy('webhook_delivery.id', 'desc')
        .limit(limit)
        .execute()
      return withAttempts(db, rows)
    },
    async findDelivery(webhookId, id) {
      const rows = await selectDeliveries(db, webhookId)
        .where('webhook_delivery.id', '=', id)
        .execute()
      return (await withAttempts(db, rows))[0]
    },
    replay: (webhookId, deliveryId) =>
      db.transaction().execute(async (tx) => {
        const row = await tx
          .selectFrom('webhook_delivery')
          .selectAll()
          .where('id', '=', deliveryId)
          .where('webhook_id', '=', webhookId)
          .executeTakeFirst()
        return row && (await addToLanes(tx, [row]))[0]
      }),
  }
}

async function setWatches(
  tx: Transaction<Schema>,
  webhookId: string,
  watches: readonly Watch[],
): Promise<void> {
  await tx.deleteFrom('webhook_watch').where('webhook_id', '=', webhookId).execute()
  if (watches.length > 0)
    await tx
      .insertInto('webhook_watch')
      .values(
        watches.map(({ namespaceId, repoId }, position) => ({
          webhook_id: webhookId,
          position,
          namespace_id: namespaceId ?? null,
          repo_id: repoId ?? null,
        })),
      )
      .execute()
}

function selectDeliveries(db: Db, webhookId: string) {
  return db
    .selectFrom('webhook_delivery')
    .innerJoin('webhook_event', 'webhook_event.id', 'webhook_delivery.event_id')
    .selectAll('webhook_delivery')
    .select('webhook_event.data')
    .where('webhook_id', '=', webhookId)
}

async function withAttempts(
  db: Db,
  rows: readonly (Selectable<Schema['webhook_delivery']> & { data: string })[],
): Promise<Delivery[]> {
  if (rows.length === 0) return []
  const attempts = await db
    .selectFrom('webhook_attempt')
    .selectAll()
    .where(
      'delivery_id',
      'in',
      rows.map((it) => it.id),
    )
    .orderBy('id')
    .execute()
  return rows.map((row) => ({
    id: row.id,
    event: JSON.parse(row.data) as WebhookEvent,
    siteChange: toSiteChange(row.site_change),
    status: row.status as DeliveryStatus,
    attempts: attempts.filter((it) => it.delivery_id === row.id).map(toAttempt),
    createdAt: row.created_at,
    finishedAt: row.finished_at,
  }))
}

function toAttempt(row: Selectable<Schema['webhook_attempt']>): Attempt {
  return { at: row.at, durationMs: row.duration_ms, status: row.status, error: row.error }
}
