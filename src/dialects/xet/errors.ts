import type { ErrorRequestHandler } from 'express'
import { asHubError, type HubErrorCode } from '../../domain/errors.js'

/**
 * hf_xet repeats a request on 408, 429 and 5xx but 501, takes 403 on a data URL for an old link, 404 and 501 for a missing
 * API version, and gives up on everything else (xet-wire 2): so what will not go away by itself is never a 5xx.
 */
export const XET_STATUS = {
  not_authenticated: 401,
  bad_credentials: 401,
  repo_needs_login: 401,
  forbidden: 403,
  rate_limited: 429,
  repo_not_found: 404,
  repo_gated: 403,
  repo_disabled: 403,
  repo_exists: 409,
  repo_locked: 503,
  revision_not_found: 404,
  entry_not_found: 404,
  object_not_found: 404,
  account_not_found: 404,
  not_found: 404,
  conflict: 409,
  stale_parent: 409,
  invalid_input: 400,
  unprocessable: 400,
  unsupported_media: 415,
  unsupported: 501,
  too_large: 400,
  quota_exceeded: 413,
  checksum_mismatch: 400,
  range_not_satisfiable: 416,
  busy: 503,
  git_failed: 500,
  storage_failed: 500,
  internal: 500,
} as const satisfies Record<HubErrorCode, number>

/** Could the same request do better later? */
export function isRetryable(code: HubErrorCode): boolean {
  const status = XET_STATUS[code]
  return status === 429 || (status >= 500 && status !== 501)
}

export const xetErrors: ErrorRequestHandler = (err, req, res, next) => {
  const failure = asHubError(err)
  const status = XET_STATUS[failure.code]
  // who hangs up in the middle of an upload is no failure of ours
  const gone = req.destroyed && !req.complete
  if (status >= 500 && !gone) req.log.error({ err, ...failure.facts }, 'Xet request failed')
  if (res.headersSent) {
    next(err)
    return
  }
  if (status === 429 || status === 503)
    res.set('Retry-After', String(failure.facts.retryAfterSeconds ?? 5))
  for (const header of ['Content-Length', 'ETag', 'Content-Range']) res.removeHeader(header)
  // the client may still be sending, and reads the answer only when it could end
  req.resume()
  res.status(status).json({ error: failure.message })
}
