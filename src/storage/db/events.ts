import type { Insertable, Transaction } from 'kysely'
import type { EventStore } from '../../domain/events/ports.js'
import type { HubEvent, RepoKind } from '../../domain/types.js'
import type { Db } from './open.js'
import { now } from './rows.js'
import type { Schema } from './schema.js'
import { announce } from './webhook-announce.js'

export function eventRow(event: HubEvent): Insertable<Schema['event']> {
  const { repo, actor } = event
  return {
    at: now(),
    type: event.type,
    repo_id: repo?.id ?? null,
    repo_kind: repo?.kind ?? null,
    repo_name: repo ? `${repo.namespace}/${repo.name}` : null,
    actor_id: actor.id,
    actor_name: actor.name,
    address: actor.address,
    dialect: event.dialect,
    data: JSON.stringify(event.data),
    request_id: event.request ?? null,
    credential: event.credential ?? null,
  }
}

/** Also queues what webhooks are told of them. Belongs into the transaction of the change itself, behind it. */
export async function addEvents(
  tx: Transaction<Schema> | Db,
  events: readonly HubEvent[],
): Promise<void> {
  if (events.length) await tx.insertInto('event').values(events.map(eventRow)).execute()
  for (const event of events) await announce(tx, event)
}

export function eventStore(db: Db): EventStore {
  return {
    add: (event) => db.transaction().execute((tx) => addEvents(tx, [event])),
    async list({ repoId, afterId = 0, limit }) {
      let query = db.selectFrom('event').selectAll().where('id', '>', afterId)
      // requests stand here for the audit log
      query = query.where('method', 'is', null)
      if (repoId !== undefined) query = query.where('repo_id', '=', repoId)
      const rows = await query.orderBy('id').limit(limit).execute()
      return rows.map((row) => {
        const [namespace = '', name = ''] = (row.repo_name ?? '').split('/')
        return {
          id: row.id,
          at: row.at,
          type: row.type,
          repo: row.repo_id
            ? { id: row.repo_id, kind: row.repo_kind as RepoKind, namespace, name }
            : undefined,
          actor: { id: row.actor_id, name: row.actor_name, address: row.address },
          dialect: row.dialect,
          data: JSON.parse(row.data) as Record<string, unknown>,
        }
      })
    },
  }
}
