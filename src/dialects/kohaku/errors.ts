import type { ErrorRequestHandler } from 'express'
import { asHubError, type HubErrorCode } from '../../domain/errors.js'

/** Status and X-Error-Code: the codes huggingface_hub acts on (huggingface-wire A4), else KohakuHub's own (kohaku-outpost A.1). */
const WIRE = {
  not_authenticated: [401],
  bad_credentials: [401],
  repo_needs_login: [401, 'RepoNotFound'],
  forbidden: [403, 'Forbidden'],
  rate_limited: [429],
  repo_not_found: [404, 'RepoNotFound'],
  repo_gated: [403, 'GatedRepo'],
  repo_disabled: [403],
  repo_exists: [409, 'RepoExists'],
  repo_locked: [423],
  revision_not_found: [404, 'RevisionNotFound'],
  entry_not_found: [404, 'EntryNotFound'],
  object_not_found: [404],
  account_not_found: [404],
  not_found: [404],
  conflict: [409],
  stale_parent: [412],
  invalid_input: [400, 'BadRequest'],
  unprocessable: [422],
  unsupported_media: [415],
  unsupported: [501, 'NotImplemented'],
  too_large: [413],
  quota_exceeded: [413],
  checksum_mismatch: [422],
  range_not_satisfiable: [416, 'RangeNotSatisfiable'],
  busy: [503],
  git_failed: [500, 'ServerError'],
  storage_failed: [500, 'ServerError'],
  internal: [500, 'ServerError'],
} as const satisfies Record<HubErrorCode, readonly [status: number, code?: string]>

export const kohakuErrors: ErrorRequestHandler = (err, req, res, next) => {
  const failure = asHubError(err)
  const [status, usual] = WIRE[failure.code] as readonly [number, string?]
  const code = (failure.facts.errorCode as string | undefined) ?? usual
  if (status >= 500) req.log.error({ err, ...failure.facts }, 'request failed')
  if (res.headersSent) {
    next(err)
    return
  }
  if (status === 401)
    res.set('WWW-Authenticate', 'Bearer realm="Authentication required", charset="UTF-8"')
  if (status === 429 || status === 503)
    res.set('Retry-After', String(failure.facts.retryAfterSeconds ?? 5))
  if (code) res.set('X-Error-Code', code)
  const { url, repo_id, detail = failure.message } = failure.facts
  res.status(status).set('X-Error-Message', failure.message.replace(/[^\x20-\x7e]/g, ' '))
  // Hugging Face clients read `error`, KohakuHub's own read FastAPI's `detail`
  res.json({ error: failure.message, detail, ...(url ? { url, repo_id } : {}) })
}
