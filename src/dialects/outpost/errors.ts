import { randomBytes } from 'node:crypto'
import type { ErrorRequestHandler, Request } from 'express'
import { asHubError, type HubErrorCode, isGateForLogin } from '../../domain/errors.js'

/** Outpost's table of statuses; only `not_found` is spelled out by its documents, the other codes follow its words. */
const WIRE = {
  not_authenticated: [401, 'unauthorized'],
  bad_credentials: [401, 'unauthorized'],
  repo_needs_login: [401, 'unauthorized'],
  forbidden: [403, 'forbidden'],
  rate_limited: [429, 'rate_limited'],
  repo_not_found: [404, 'not_found'],
  repo_gated: [403, 'forbidden'],
  repo_disabled: [403, 'forbidden'],
  repo_exists: [409, 'conflict'],
  repo_locked: [423, 'locked'],
  revision_not_found: [404, 'not_found'],
  entry_not_found: [404, 'not_found'],
  object_not_found: [404, 'not_found'],
  account_not_found: [404, 'not_found'],
  not_found: [404, 'not_found'],
  conflict: [409, 'conflict'],
  stale_parent: [409, 'conflict'],
  invalid_input: [400, 'bad_request'],
  unprocessable: [422, 'validation_error'],
  unsupported_media: [415, 'bad_request'],
  unsupported: [501, 'not_implemented'],
  too_large: [413, 'bad_request'],
  quota_exceeded: [413, 'quota_exceeded'],
  checksum_mismatch: [422, 'validation_error'],
  range_not_satisfiable: [416, 'bad_request'],
  busy: [503, 'unavailable'],
  git_failed: [500, 'internal_error'],
  storage_failed: [500, 'internal_error'],
  internal: [500, 'internal_error'],
} as const satisfies Record<HubErrorCode, readonly [status: number, code: string]>

export const outpostErrors: ErrorRequestHandler = (err, req, res, next) => {
  const failure = asHubError(err)
  const [status, code] = WIRE[isGateForLogin(failure) ? 'not_authenticated' : failure.code]
  if (status >= 500) req.log.error({ err, ...failure.facts }, 'request failed')
  if (res.headersSent) {
    next(err)
    return
  }
  if (status === 401) res.set('WWW-Authenticate', 'Bearer realm="Packhorse", charset="UTF-8"')
  if (status === 429 || status === 503)
    res.set('Retry-After', String(failure.facts.retryAfterSeconds ?? 5))
  const request_id = requestId(req)
  res.removeHeader('Content-Length')
  res.status(status).json({ error: { code, message: failure.message, request_id } })
}

/** `req_` + 12 hex, whatever the caller chose to call its request. */
function requestId(req: Request): string {
  const id = String(req.id)
  return /^req_[0-9a-f]{12}$/.test(id) ? id : `req_${randomBytes(6).toString('hex')}`
}
