import type { ErrorRequestHandler } from 'express'
import { asHubError, type HubErrorCode, isGateForLogin } from '../../domain/errors.js'
import { dropRest } from '../../http/body.js'

export const LFS_JSON = 'application/vnd.git-lfs+json'

/** git-lfs docs/api/batch.md "Response Errors"; the same numbers stand in the per-object errors of a batch. */
export const LFS_STATUS = {
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
  invalid_input: 422,
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

export const lfsErrors: ErrorRequestHandler = (err, req, res, _next) => {
  // the client went away in the middle: nobody is left to hear of it, and nothing is wrong with the hub
  if (res.destroyed || req.aborted) return
  const failure = asHubError(err)
  const status = isGateForLogin(failure) ? 401 : LFS_STATUS[failure.code]
  if (status === 500) req.log.error({ err, ...failure.facts }, 'LFS request failed')
  if (res.headersSent) {
    // an error is never appended to a file
    res.destroy()
    return
  }
  dropRest(req)
  if (status === 401) {
    const challenge = 'Basic realm="Packhorse", charset="UTF-8"'
    res.set({ 'LFS-Authenticate': challenge, 'WWW-Authenticate': challenge })
  }
  if (status === 429 || status === 503)
    res.set('Retry-After', String(failure.facts.retryAfterSeconds ?? 5))
  // Hugging Face clients ask for LFS batches too and read this header, not the status
  if (failure.code === 'repo_not_found' || failure.code === 'repo_needs_login')
    res.set('X-Error-Code', 'RepoNotFound')
  if (failure.code === 'repo_gated') res.set('X-Error-Code', 'GatedRepo')
  res.removeHeader('Content-Length')
  res.status(status).set('X-Error-Message', failure.message.replace(/[^\x20-\x7e]/g, ' '))
  res.type(LFS_JSON).send(JSON.stringify({ message: failure.message, request_id: String(req.id) }))
}
