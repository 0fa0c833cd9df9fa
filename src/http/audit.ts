import type { Request, RequestHandler } from 'express'
import type { Access } from '../domain/access/access.js'
import type { AuditLog } from '../domain/audit/audit-log.js'
import type { AuditEntry, Outcome } from '../domain/audit/ports.js'
import { HubError } from '../domain/errors.js'
import { credentialOf } from '../domain/events/events.js'
import type { Caller, Repo } from '../domain/types.js'
import { parseKind } from '../protocol/repo-path.js'
import { callerOf } from './caller.js'
import { dialectOf, loggablePath, repoOfPath } from './request-facts.js'
import type { Ended } from './request-log.js'

const SAFE = ['GET', 'HEAD', 'OPTIONS']
const REFUSED = [401, 403, 404, 423, 429]
/** Parameters of routes whose values let somebody in. */
const SECRET_PARAM = /^:\w*(token|secret|password)\w*/i
const MAX_PATH = 500

const READS = new WeakSet<object>()

/** Says of a request whose method could write that it only reads; the audit log leaves it out. */
export function noteRead(req: object): void {
  READS.add(req)
}

/**
 * Records every request that came to change something, whatever route it was for: each method but GET, HEAD and OPTIONS,
 * unless its handler called `noteRead`. Wrong credentials are recorded with any method. Neither query strings, headers nor
 * bodies get here.
 */
export function recordActs(audit: AuditLog, access: Access): RequestHandler {
  return (req, res, next) => {
    res.once('close', () => {
      const caller = whoAsked(req)
      const badLogin = caller instanceof HubError
      const isWrite = !SAFE.includes(req.method) && !READS.has(req)
      const dialect = dialectOf(req)
      // without a dialect no route took it, so nothing can have changed
      if (!badLogin && (!isWrite || dialect === 'none')) return
      const outcome = outcomeOf(res.statusCode, res.writableFinished)
      const entry: AuditEntry = {
        action: badLogin ? 'login.failed' : 'request',
        outcome: badLogin ? 'refused' : outcome,
        ...actorOf(caller),
        address: req.ip ?? '',
        dialect,
        repo: repoOf(req, caller, access),
        request: String(req.id),
        method: req.method,
        path: shownPath(req),
        status: res.statusCode,
        data: {},
      }
      const open = badLogin || caller === undefined || caller.via === 'anonymous'
      audit.record(entry, { limited: open || outcome !== 'done' })
    })
    next()
  }
}

/** As `recordActs`, for a request of a caller who was let in, and which was answered in front of Express. */
export function recordDirectAct(audit: AuditLog, caller: Caller, repo: Repo, ended: Ended): void {
  const outcome = outcomeOf(ended.status, !ended.cut)
  const entry: AuditEntry = {
    action: 'request',
    outcome,
    ...actorOf(caller),
    address: caller.address,
    dialect: ended.dialect,
    repo: namedRepo(repo),
    request: ended.id,
    method: ended.method,
    path: loggablePath(ended).slice(0, MAX_PATH),
    status: ended.status,
    data: {},
  }
  audit.record(entry, { limited: caller.via === 'anonymous' || outcome !== 'done' })
}

function whoAsked(req: Request): Caller | HubError | undefined {
  try {
    return callerOf(req)
  } catch (err) {
    // of the routes before the hub's own authentication, those that found nobody out
    return err instanceof HubError && err.code !== 'internal' ? err : undefined
  }
}

function actorOf(caller: Caller | HubError | undefined): Pick<AuditEntry, 'actor' | 'credential'> {
  if (caller instanceof HubError) {
    // only names that exist: people also type passwords where names belong
    const { account } = caller.facts
    const name = typeof account === 'string' ? account : null
    return { actor: { id: null, name }, credential: null }
  }
  const name = caller?.user?.name ?? (caller?.isSiteAdmin ? 'admin' : null)
  return {
    actor: { id: caller?.user?.id ?? null, name },
    credential: caller ? credentialOf(caller) : null,
  }
}

function outcomeOf(status: number, finished: boolean): Outcome {
  if (!finished) return 'cut'
  if (REFUSED.includes(status)) return 'refused'
  return status >= 400 ? 'failed' : 'done'
}

function repoOf(
  req: Request,
  caller: Caller | HubError | undefined,
  access: Access,
): AuditEntry['repo'] {
  const opened = caller && !(caller instanceof HubError) ? access.openedBy(caller) : undefined
  if (opened) return namedRepo(opened)
  const [kind, ...name] = repoOfPath(loggablePath(req))?.split('/') ?? []
  return kind ? { id: null, kind: parseKind(kind) ?? null, name: name.join('/') } : null
}

function namedRepo({ id, kind, namespace, name }: Repo): AuditEntry['repo'] {
  return { id, kind, name: `${namespace}/${name}` }
}

/** The path with what secret parameters of its route stand for taken out; the route's pattern lies at the path's end. */
function shownPath(req: Request): string {
  const segments = loggablePath(req).split('/')
  const route = req.route as { path: unknown } | undefined
  for (const pattern of [route?.path].flat()) {
    if (typeof pattern !== 'string') continue
    const names = pattern.split('/')
    for (const [n, name] of names.entries()) {
      const at = segments.length - names.length + n
      if (SECRET_PARAM.test(name) && segments[at]) segments[at] = '***'
    }
  }
  return segments.join('/').slice(0, MAX_PATH)
}
