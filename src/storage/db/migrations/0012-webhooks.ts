import type { Kysely, Migration } from 'kysely'

/**
 * Webhooks with what they watch, and their queue: an event once, a delivery for each webhook that hears of it, a lane for
 * each webhook and repository with something to deliver (its lease keeps the order), an attempt for each try.
 */
export const webhooks: Migration = {
  async up(db: Kysely<unknown>) {
    await subscriptions(db)
    await queue(db)
  },
}

async function subscriptions(db: Kysely<unknown>): Promise<void> {
  const t = db.schema
  await t
    .createTable('webhook')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('owner_id', 'integer', (c) =>
      c.notNull().references('namespace.id').onDelete('cascade'),
    )
    .addColumn('is_site', 'integer', (c) => c.notNull())
    .addColumn('url', 'text', (c) => c.notNull())
    // scheme, host and port: what shares its concurrency
    .addColumn('target', 'text', (c) => c.notNull())
    .addColumn('domains', 'text', (c) => c.notNull())
    .addColumn('sealed_secret', 'text')
    .addColumn('disabled', 'text')
    .addColumn('base_url', 'text', (c) => c.notNull())
    .addColumn('created_at', 'text', (c) => c.notNull())
    .addColumn('updated_at', 'text', (c) => c.notNull())
    .addColumn('last_success_at', 'text')
    .execute()
  await t.createIndex('webhook_owner').on('webhook').column('owner_id').execute()
  await t.createIndex('webhook_site').on('webhook').column('is_site').execute()
  await t
    .createTable('webhook_watch')
    .addColumn('webhook_id', 'text', (c) =>
      c.notNull().references('webhook.id').onDelete('cascade'),
    )
    .addColumn('position', 'integer', (c) => c.notNull())
    .addColumn('namespace_id', 'integer', (c) => c.references('namespace.id').onDelete('cascade'))
    .addColumn('repo_id', 'text', (c) => c.references('repo.id').onDelete('cascade'))
    .addPrimaryKeyConstraint('webhook_watch_pk', ['webhook_id', 'position'])
    .execute()
  for (const column of ['namespace_id', 'repo_id'])
    await t.createIndex(`webhook_watch_${column}`).on('webhook_watch').column(column).execute()
}

async function queue(db: Kysely<unknown>): Promise<void> {
  const t = db.schema
  await t
    .createTable('webhook_event')
    .addColumn('id', 'integer', (c) => c.primaryKey().autoIncrement())
    .addColumn('at', 'text', (c) => c.notNull())
    .addColumn('data', 'text', (c) => c.notNull())
    .execute()
  await t
    .createTable('webhook_delivery')
    .addColumn('id', 'integer', (c) => c.primaryKey().autoIncrement())
    .addColumn('webhook_id', 'text', (c) =>
      c.notNull().references('webhook.id').onDelete('cascade'),
    )
    .addColumn('event_id', 'integer', (c) =>
      c.notNull().references('webhook_event.id').onDelete('cascade'),
    )
    // no reference: deliveries outlive the repository
    .addColumn('repo_id', 'text', (c) => c.notNull())
    .addColumn('site_change', 'text')
    .addColumn('was_member', 'integer', (c) => c.notNull())
    .addColumn('status', 'text', (c) => c.notNull())
    .addColumn('attempts', 'integer', (c) => c.notNull().defaultTo(0))
    .addColumn('created_at', 'text', (c) => c.notNull())
    .addColumn('finished_at', 'text')
    .execute()
  const index = (name: string, columns: string[]) =>
    t.createIndex(name).on('webhook_delivery').columns(columns).execute()
  await index('webhook_delivery_next', ['webhook_id', 'repo_id', 'status', 'id'])
  await index('webhook_delivery_log', ['webhook_id', 'id'])
  await index('webhook_delivery_event', ['event_id'])
  await index('webhook_delivery_age', ['created_at'])
  await t
    .createTable('webhook_lane')
    .addColumn('webhook_id', 'text', (c) =>
      c.notNull().references('webhook.id').onDelete('cascade'),
    )
    .addColumn('repo_id', 'text', (c) => c.notNull())
    .addColumn('next_at', 'text', (c) => c.notNull())
    .addColumn('lease_owner', 'text')
    .addColumn('lease_until', 'text')
    .addPrimaryKeyConstraint('webhook_lane_pk', ['webhook_id', 'repo_id'])
    .execute()
  await t.createIndex('webhook_lane_due').on('webhook_lane').column('next_at').execute()
  await t
    .createTable('webhook_attempt')
    .addColumn('id', 'integer', (c) => c.primaryKey().autoIncrement())
    .addColumn('delivery_id', 'integer', (c) =>
      c.notNull().references('webhook_delivery.id').onDelete('cascade'),
    )
    .addColumn('at', 'text', (c) => c.notNull())
    .addColumn('duration_ms', 'integer', (c) => c.notNull())
    .addColumn('status', 'integer')
    .addColumn('error', 'text')
    .execute()
  await t.createIndex('webhook_attempt_of').on('webhook_attempt').column('delivery_id').execute()
}
