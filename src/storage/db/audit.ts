import type { Selectable } from 'kysely'
import type { AuditFilter, AuditStore, Outcome, StoredEntry } from '../../domain/audit/ports.js'
import type { RepoKind } from '../../domain/types.js'
import type { LateSync } from './late-sync.js'
import type { Db } from './open.js'
import type { Schema } from './schema.js'

const ADD = `insert into "event" ("at", "type", "repo_id", "repo_kind", "repo_name", "actor_id", "actor_name", "address",
    "dialect", "data", "request_id", "credential", "outcome", "status", "method", "path")
  values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

/** Over the events: what the domain recorded in its own transactions stands beside the requests that asked for it. */
export function auditStore(db: Db, late: LateSync): AuditStore {
  return {
    async append(entries) {
      await late.transact((hot) => {
        for (const it of entries)
          hot
            .of(ADD)
            .run(
              it.at,
              it.action,
              it.repo?.id ?? null,
              it.repo?.kind ?? null,
              it.repo?.name ?? null,
              it.actor.id,
              it.actor.name,
              it.address,
              it.dialect,
              JSON.stringify(it.data),
              it.request,
              it.credential,
              it.outcome,
              it.status,
              it.method,
              it.path,
            )
      })
      await late.sync()
    },
    async page(filter, order, cursor, limit) {
      const newest = order === 'newest'
      let query = matching(db, filter)
      if (cursor !== undefined) query = query.where('event.id', newest ? '<' : '>', cursor)
      const rows = await query
        .orderBy('event.id', newest ? 'desc' : 'asc')
        .limit(limit)
        .execute()
      return rows.map(toEntry)
    },
    async deleteBefore(before, limit) {
      const { numDeletedRows } = await db
        .deleteFrom('event')
        .where('id', 'in', (from) =>
          from.selectFrom('event').select('id').where('at', '<', before).orderBy('at').limit(limit),
        )
        .executeTakeFirstOrThrow()
      return Number(numDeletedRows)
    },
  }
}

function matching(db: Db, filter: AuditFilter) {
  const { actor, action, repo, outcome, address, request, since, until } = filter
  let query = db.selectFrom('event').selectAll()
  if (actor !== undefined) query = query.where('actor_name', '=', actor)
  if (outcome !== undefined) query = query.where('outcome', '=', outcome)
  if (address !== undefined) query = query.where('address', '=', address)
  if (request !== undefined) query = query.where('request_id', '=', request)
  if (since !== undefined) query = query.where('at', '>=', since)
  if (until !== undefined) query = query.where('at', '<', until)
  if (action !== undefined)
    query = query.where((eb) =>
      eb.or([
        eb('type', '=', action),
        // '/' follows '.' in ASCII: everything below `action.`
        eb.and([eb('type', '>=', `${action}.`), eb('type', '<', `${action}/`)]),
      ]),
    )
  if (repo !== undefined)
    query = query.where((eb) => {
      const [namespace = '', name = ''] = repo.split('/')
      const now = eb
        .selectFrom('repo')
        .innerJoin('namespace', 'namespace.id', 'repo.namespace_id')
        .select('repo.id')
        .where('namespace.name', '=', namespace)
        .where('repo.name', '=', name)
      return eb.or([eb('repo_name', '=', repo), eb('repo_id', '=', repo), eb('repo_id', 'in', now)])
    })
  return query
}

function toEntry(row: Selectable<Schema['event']>): StoredEntry {
  return {
    id: row.id,
    at: row.at,
    action: row.type,
    outcome: row.outcome as Outcome,
    actor: { id: row.actor_id, name: row.actor_name },
    credential: row.credential,
    address: row.address,
    dialect: row.dialect,
    repo:
      row.repo_name === null
        ? null
        : { id: row.repo_id, kind: row.repo_kind as RepoKind | null, name: row.repo_name },
    request: row.request_id,
    method: row.method,
    path: row.path,
    status: row.status,
    data: JSON.parse(row.data) as Record<string, unknown>,
  }
}
