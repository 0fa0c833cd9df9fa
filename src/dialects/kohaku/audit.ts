import { type AuditFilter, OUTCOMES, type StoredEntry } from '../../domain/audit/ports.js'
import { HubError } from '../../domain/errors.js'
import type { KohakuRequest, KohakuRoute } from './parts.js'
import { intQuery, wordQuery } from './shapes.js'

const MAX_TEXT = 200

/** Ours, below /admin/api: the audit log, newest first, by pages. */
export const auditRoutes: readonly KohakuRoute[] = [
  { method: 'get', path: '/audit', handle: listAudit },
]

async function listAudit(it: KohakuRequest): Promise<void> {
  const limit = intQuery(it, 'limit', { min: 1, max: 1_000, default: 100 })
  const last = Number.MAX_SAFE_INTEGER
  const before = it.req.query.before
    ? intQuery(it, 'before', { min: 1, max: last, default: last })
    : undefined
  const entries = await it.parts.audit.list(filterOf(it), before, limit)
  it.res.json({
    entries: entries.map(wireOf),
    next_before: entries.length === limit ? (entries.at(-1)?.id ?? null) : null,
  })
}

function filterOf(it: KohakuRequest): AuditFilter {
  const outcome = wordQuery(it, 'outcome', ['', ...OUTCOMES], '')
  return {
    actor: textQuery(it, 'actor'),
    action: textQuery(it, 'action'),
    repo: textQuery(it, 'repo'),
    address: textQuery(it, 'address'),
    request: textQuery(it, 'request'),
    since: timeQuery(it, 'since'),
    until: timeQuery(it, 'until'),
    outcome: outcome || undefined,
  }
}

function textQuery({ req }: KohakuRequest, name: string): string | undefined {
  const value = req.query[name]
  if (value === undefined || value === '') return undefined
  if (typeof value !== 'string' || value.length > MAX_TEXT)
    throw new HubError('unprocessable', `${name} must be one text of at most ${MAX_TEXT} letters.`)
  return value
}

function timeQuery(it: KohakuRequest, name: string): string | undefined {
  const text = textQuery(it, name)
  if (text === undefined) return undefined
  const at = Date.parse(text)
  if (Number.isNaN(at)) throw new HubError('unprocessable', `${name} must be an ISO 8601 time.`)
  return new Date(at).toISOString()
}

function wireOf(it: StoredEntry) {
  return {
    id: it.id,
    at: it.at,
    action: it.action,
    outcome: it.outcome,
    actor: it.actor.name,
    actor_id: it.actor.id,
    credential: it.credential,
    address: it.address,
    dialect: it.dialect,
    repo: it.repo && { id: it.repo.id, type: it.repo.kind, name: it.repo.name },
    request: it.request,
    method: it.method,
    path: it.path,
    status: it.status,
    data: it.data,
  }
}
