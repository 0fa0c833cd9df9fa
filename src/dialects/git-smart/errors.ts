import type { ErrorRequestHandler } from 'express'
import { asHubError, type HubErrorCode, isGateForLogin } from '../../domain/errors.js'
import { dropRest } from '../../http/body.js'

const CHALLENGE = 'Basic realm="Packhorse", charset="UTF-8"'

/** Plain text: git shows it to the user behind "remote:". */
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
  unsupported: 403,
  too_large: 413,
  quota_exceeded: 507,
  checksum_mismatch: 422,
  range_not_satisfiable: 416,
  busy: 503,
  git_failed: 500,
  storage_failed: 500,
  internal: 500,
} as const satisfies Record<HubErrorCode, number>

export const gitErrors: ErrorRequestHandler = (err, req, res, next) => {
  const failure = asHubError(err)
  const status = isGateForLogin(failure) ? 401 : STATUS[failure.code]
  if (status >= 500) req.log.error({ err, ...failure.facts }, 'git request failed')
  if (res.headersSent) {
    next(err) // Express destroys the socket: an error is never appended to a pack
    return
  }
  if (status === 401) res.set('WWW-Authenticate', CHALLENGE)
  const { retryAfterSeconds } = failure.facts
  if (status === 429 || status === 503) res.set('Retry-After', String(retryAfterSeconds ?? 5))
  res.removeHeader('Content-Length')
  dropRest(req)
  res.status(status).type('text/plain').send(`${failure.message}\n`)
}
