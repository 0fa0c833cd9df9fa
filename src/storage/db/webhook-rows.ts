import type { Selectable, Transaction } from 'kysely'
import type { RepoKind } from '../../domain/types.js'
import type {
  Disabled,
  SiteChange,
  WatchedItem,
  Webhook,
  WebhookDomain,
} from '../../domain/webhooks/ports.js'
import type { Db } from './open.js'
import type { Schema } from './schema.js'

export async function findWebhook(
  db: Db | Transaction<Schema>,
  id: string,
): Promise<Webhook | undefined> {
  const rows = await db.selectFrom('webhook').selectAll().where('id', '=', id).execute()
  return (await withWatched(db, rows))[0]
}

export async function withWatched(
  db: Db | Transaction<Schema>,
  rows: readonly Selectable<Schema['webhook']>[],
): Promise<Webhook[]> {
  if (rows.length === 0) return []
  const watches = await db
    .selectFrom('webhook_watch')
    .leftJoin('repo', 'repo.id', 'webhook_watch.repo_id')
    .innerJoin('namespace', (on) =>
      on.on((eb) =>
        eb('namespace.id', '=', eb.fn.coalesce('webhook_watch.namespace_id', 'repo.namespace_id')),
      ),
    )
    .select([
      'webhook_watch.webhook_id',
      'namespace.type',
      'namespace.name as namespace',
      'repo.kind',
      'repo.name',
    ])
    .where(
      'webhook_watch.webhook_id',
      'in',
      rows.map((it) => it.id),
    )
    .where((eb) => eb.or([eb('repo.state', 'is', null), eb('repo.state', '!=', 'deleting')]))
    .orderBy('webhook_watch.position')
    .execute()
  return rows.map((row) => ({
    id: row.id,
    ownerId: row.owner_id,
    isSite: row.is_site === 1,
    url: row.url,
    watched: watches.filter((it) => it.webhook_id === row.id).map(toWatched),
    domains: JSON.parse(row.domains) as WebhookDomain[],
    sealedSecret: row.sealed_secret,
    disabled: row.disabled as Disabled | null,
    baseUrl: row.base_url,
  }))
}

function toWatched(row: {
  type: 'user' | 'org'
  namespace: string
  kind: RepoKind | null
  name: string | null
}): WatchedItem {
  return row.kind
    ? { type: row.kind, name: `${row.namespace}/${row.name}` }
    : { type: row.type, name: row.namespace }
}

export function toSiteChange(text: string | null): SiteChange | null {
  return text === null ? null : (JSON.parse(text) as SiteChange)
}
