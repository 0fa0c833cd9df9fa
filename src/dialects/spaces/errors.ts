import type { ErrorRequestHandler } from 'express'
import { asHubError, type HubErrorCode, isGateForLogin } from '../../domain/errors.js'

/** Plain text for a person before a browser. A hidden Space looks like one that is not there. */
const STATUS = {
  not_authenticated: 401,
  bad_credentials: 401,
  repo_needs_login: 401,
  forbidden: 403,
  rate_limited: 429,
  repo_not_found: 404,
  repo_gated: 403,
  repo_disabled: 403,
  repo_exists: 409,
  repo_locked: 423,
  revision_not_found: 404,
  entry_not_found: 404,
  object_not_found: 404,
  account_not_found: 404,
  not_found: 404,
  conflict: 409,
  stale_parent: 409,
  invalid_input: 400,
  unprocessable: 422,
  unsupported_media: 415,
  unsupported: 501,
  too_large: 413,
  quota_exceeded: 507,
  checksum_mismatch: 422,
  range_not_satisfiable: 416,
  busy: 503,
  git_failed: 500,
  storage_failed: 500,
  internal: 500,
} as const satisfies Record<HubErrorCode, number>

export const spacesErrors: ErrorRequestHandler = (err, req, res, next) => {
  const failure = asHubError(err)
  const status = isGateForLogin(failure) ? 401 : STATUS[failure.code]
  if (status >= 500 && failure.code !== 'busy')
    req.log.error({ err, ...failure.facts }, 'request failed')
  if (res.headersSent) {
    next(err)
    return
  }
  // no Basic challenge: a browser would keep the credentials and send them along for every other Space
  if (status === 401) res.set('WWW-Authenticate', 'Bearer realm="Packhorse", charset="UTF-8"')
  if (status === 429 || status === 503)
    res.set('Retry-After', String(failure.facts.retryAfterSeconds ?? 5))
  for (const name of ['Content-Length', 'ETag', 'Content-Type']) res.removeHeader(name)
  res.set({ 'Content-Security-Policy': "default-src 'none'; sandbox", 'Cache-Control': 'no-store' })
  res.status(status).type('text/plain').send(`${failure.message}\n`)
}
