import type { ErrorRequestHandler } from 'express'
import { asHubError, type HubErrorCode, isGateForLogin } from '../../domain/errors.js'
import { dropRest } from '../../http/body.js'

type Wire = readonly [status: number, code?: string | undefined, text?: string]

/** Status, X-Error-Code and, where clients compare texts, the message (huggingface-wire A4). */
const WIRE = {
  not_authenticated: [401],
  bad_credentials: [401],
  // on plain http clients take a 401 for "repository not found" only by this code
  repo_needs_login: [401, 'RepoNotFound'],
  forbidden: [403],
  rate_limited: [429],
  repo_not_found: [404, 'RepoNotFound'],
  repo_gated: [403, 'GatedRepo'],
  repo_disabled: [403, undefined, 'Access to this resource is disabled.'],
  repo_exists: [409],
  repo_locked: [423],
  revision_not_found: [404, 'RevisionNotFound'],
  entry_not_found: [404, 'EntryNotFound'],
  object_not_found: [400],
  account_not_found: [404],
  not_found: [404],
  conflict: [409],
  stale_parent: [
    412,
    undefined,
    'The branch was updated since you opened this page. Please refresh and try again.',
  ],
  invalid_input: [400],
  unprocessable: [422],
  unsupported_media: [415],
  unsupported: [501],
  too_large: [413],
  quota_exceeded: [413],
  checksum_mismatch: [422],
  range_not_satisfiable: [416],
  busy: [503],
  git_failed: [500],
  storage_failed: [500],
  internal: [500],
} as const satisfies Record<HubErrorCode, Wire>

export const huggingFaceErrors: ErrorRequestHandler = (err, req, res, next) => {
  const failure = asHubError(err)
  const [plainStatus, code, text = failure.message] = WIRE[failure.code] as Wire
  const status = isGateForLogin(failure) ? 401 : plainStatus
  if (status >= 500) req.log.error({ err, ...failure.facts }, 'request failed')
  if (res.headersSent) {
    next(err) // Express destroys the socket: an error is never appended to a file
    return
  }
  dropRest(req)
  if (status === 401)
    res.set('WWW-Authenticate', 'Bearer realm="Authentication required", charset="UTF-8"')
  if (status === 429 || status === 503)
    res.set('Retry-After', String(failure.facts.retryAfterSeconds ?? 5))
  if (code) res.set('X-Error-Code', code)
  if (typeof failure.facts.commit === 'string') res.set('X-Repo-Commit', failure.facts.commit)
  for (const header of ['Content-Length', 'ETag', 'Content-Disposition']) res.removeHeader(header)
  const oneLine = text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 2_000)
  res.status(status).set('X-Error-Message', oneLine)
  const { url, slug } = failure.facts
  res.json({ error: text, ...(url ? { url } : {}), ...(slug ? { slug } : {}) })
}
