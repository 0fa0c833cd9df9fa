import { sql, type Transaction } from 'kysely'
import { nameKey } from '../../domain/repos/names.js'
import type { HubEvent } from '../../domain/types.js'
import { announcementOf, siteChangesOf } from '../../domain/webhooks/announcements.js'
import type { Announcement, SiteChange, WebhookEvent } from '../../domain/webhooks/ports.js'
import type { Db } from './open.js'
import { now, pagesOf } from './rows.js'
import type { Schema } from './schema.js'
import { addToLanes } from './webhook-lanes.js'

type Tx = Transaction<Schema> | Db

/**
 * Queues an event for every webhook that is to hear of it, in the transaction of the event itself: both are there after a
 * crash, or neither. The repository's row is read as the change left it.
 */
export async function announce(tx: Tx, event: HubEvent): Promise<void> {
  const told = event.repo && announcementOf(event)
  if (!event.repo || !told) return
  const { id: repoId } = event.repo
  const listeners: Awaited<ReturnType<typeof findListeners>> = []
  for (const ids of pagesOf(await findWatching(tx, repoId, event)))
    listeners.push(...(await findListeners(tx, repoId, ids)))
  const hearing = listeners.filter((it) =>
    (JSON.parse(it.domains) as string[]).includes(told.domain),
  )
  if (hearing.length === 0) return
  const repo = await readRepo(tx, repoId)
  const address = `${repo.namespace}/${repo.name}`
  const siteChanges = siteChangesOf(event, told, { visibility: repo.visibility, address })
  const each = hearing.flatMap(({ id, is_site, was_member }) =>
    (is_site === 1 ? siteChanges : [null]).map((change: SiteChange | null) => ({
      webhook_id: id,
      repo_id: repo.id,
      site_change: change && JSON.stringify(change),
      was_member: was_member === null ? 0 : 1,
    })),
  )
  if (each.length === 0) return
  const left = told.movedTo === undefined ? undefined : await findNamespaceId(tx, event)
  const eventId = await addEvent(tx, snapshotOf(event.repo, repo, told, left))
  await addToLanes(
    tx,
    each.map((it) => ({ ...it, event_id: eventId })),
  )
}

/** Webhooks that watch it, where it is and where it was, and those of the site: by indexes, since every push asks. */
async function findWatching(tx: Tx, repoId: string, event: HubEvent): Promise<string[]> {
  const left = event.type === 'repo.move' ? nameKey(event.repo?.namespace ?? '') : null
  const { rows } = await sql<{ id: string }>`
    select webhook_id as id from webhook_watch where repo_id = ${repoId}
    union select webhook_id from webhook_watch
      where namespace_id = (select namespace_id from repo where id = ${repoId})
    union select webhook_id from webhook_watch
      where namespace_id = (select id from namespace where name_key = ${left})
    union select id from webhook where is_site = 1`.execute(tx)
  return rows.map((it) => it.id)
}

/** By owners who may read the repository as it is now. While it is being created nobody hears of it. */
async function findListeners(tx: Tx, repoId: string, ids: readonly string[]) {
  const { rows } = await sql<{
    id: string
    is_site: number
    domains: string
    was_member: string | null
  }>`
    select webhook.id, webhook.is_site, webhook.domains, repo_member.role as was_member
    from webhook
    join namespace owner on owner.id = webhook.owner_id and owner.is_active = 1
    join repo on repo.id = ${repoId}
    left join repo_member on repo_member.repo_id = repo.id and repo_member.user_id = owner.id
    left join org_member on org_member.org_id = repo.namespace_id and org_member.user_id = owner.id
    where webhook.id in (${sql.join(ids)})
      and webhook.disabled is null and repo.state <> 'creating' and repo.disabled = 0
      and case when webhook.is_site = 1
        then owner.is_site_admin = 1 and repo.kind = 'model'
        else repo.visibility in ('public', 'internal') or repo.namespace_id = owner.id
          or org_member.user_id is not null or repo_member.user_id is not null end
    order by webhook.id`.execute(tx)
  return rows
}

async function readRepo(tx: Tx, repoId: string) {
  return tx
    .selectFrom('repo')
    .innerJoin('namespace', 'namespace.id', 'repo.namespace_id')
    .leftJoin('repo_card', 'repo_card.seq', 'repo.seq')
    .select([
      'repo.id',
      'repo.seq',
      'repo.kind',
      'repo.name',
      'repo.namespace_id',
      'namespace.name as namespace',
      'repo.visibility',
      'repo.head_oid',
      'repo_card.tags',
    ])
    .where('repo.id', '=', repoId)
    .executeTakeFirstOrThrow()
}

/** The owner before the event. */
async function findNamespaceId(tx: Tx, { repo }: HubEvent): Promise<number | undefined> {
  const row = await tx
    .selectFrom('namespace')
    .select('id')
    .where('name_key', '=', nameKey(repo?.namespace ?? ''))
    .executeTakeFirst()
  return row?.id
}

/** A move is told of the address that was left. */
function snapshotOf(
  { id, namespace, name }: NonNullable<HubEvent['repo']>,
  row: Awaited<ReturnType<typeof readRepo>>,
  told: Announcement,
  leftId: number | undefined,
): WebhookEvent {
  return {
    told,
    repo: {
      id,
      seq: row.seq,
      kind: row.kind,
      namespace,
      name,
      namespaceId: row.namespace_id,
      visibility: row.visibility,
      headOid: row.head_oid,
      tags: JSON.parse(row.tags ?? '[]') as string[],
    },
    ...(leftId === undefined ? {} : { owners: { from: leftId, to: row.namespace_id } }),
  }
}

async function addEvent(tx: Tx, data: WebhookEvent): Promise<number> {
  const row = await tx
    .insertInto('webhook_event')
    .values({ at: now(), data: JSON.stringify(data) })
    .returning('id')
    .executeTakeFirstOrThrow()
  return row.id
}
