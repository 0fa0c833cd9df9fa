import type { ErrorRequestHandler, Request } from 'express'
import { asHubError, HubError, type HubErrorCode } from '../../domain/errors.js'
import { sendJson } from './send.js'

/** ABF has four shapes, by status (abf.md 1.3); what it has no status for comes in the shape of a refused change. */
const STATUS = {
  not_authenticated: 401,
  bad_credentials: 401,
  repo_needs_login: 401,
  forbidden: 403,
  rate_limited: 403,
  repo_not_found: 404,
  repo_gated: 403,
  repo_disabled: 403,
  repo_exists: 422,
  repo_locked: 423,
  revision_not_found: 422,
  entry_not_found: 404,
  object_not_found: 404,
  account_not_found: 404,
  not_found: 404,
  conflict: 422,
  stale_parent: 422,
  invalid_input: 422,
  unprocessable: 422,
  unsupported_media: 422,
  unsupported: 422,
  too_large: 413,
  quota_exceeded: 422,
  checksum_mismatch: 422,
  range_not_satisfiable: 416,
  busy: 503,
  git_failed: 500,
  storage_failed: 500,
  internal: 500,
} as const satisfies Record<HubErrorCode, number>

/* Clients compare these texts. */
const SIGN_IN = 'You need to sign in or sign up before continuing.'
const WRONG_CREDENTIALS = 'Invalid email or password.'
const DENIED = 'Access violation to this page!'
const TOO_MANY = '403 Forbidden | Rate Limit Exceeded'
const MISSING = 'Error 404. Resource not found!'
const FAILED =
  "Something went wrong. We've been notified about this issue and we'll take a look at it shortly."
const BUSY = 'We update the site, it will take some time. Please try again later.'

/** What a refused change is about, by the first word of the path. */
const SUBJECTS: Readonly<Record<string, string>> = {
  repositories: 'repository',
  platforms: 'platform',
  projects: 'project',
  groups: 'group',
  users: 'user',
  user: 'user',
  tokens: 'token',
}

export const abfErrors: ErrorRequestHandler = (err, req, res, next) => {
  const failure = asHubError(err)
  const status = STATUS[failure.code]
  if (status >= 500) req.log.error({ err, ...failure.facts }, 'request failed')
  if (res.headersSent) {
    next(err)
    return
  }
  const wait = failure.facts.retryAfterSeconds ?? (status === 503 ? 5 : undefined)
  if (wait !== undefined) res.set('Retry-After', String(wait))
  if (status === 401) res.set('WWW-Authenticate', 'Basic realm="Application"')
  for (const name of ['Content-Length', 'Content-Disposition', 'ETag']) res.removeHeader(name)
  res.status(status)
  if (req.originalUrl.split('?')[0]?.endsWith('.csv')) {
    res.type('text/plain').send(status === 403 ? DENIED : failure.message)
    return
  }
  sendJson(req, res, bodyOf(status, failure, req))
}

function bodyOf(status: number, failure: HubError, req: Request): object {
  switch (status) {
    case 401:
      return { error: failure.code === 'bad_credentials' ? WRONG_CREDENTIALS : SIGN_IN }
    case 403:
      return { message: failure.code === 'rate_limited' ? TOO_MANY : DENIED }
    case 404:
      return { status, message: MISSING }
    case 500:
      return { status, message: FAILED }
    case 503:
      return { status, message: BUSY }
    default: {
      const subject = SUBJECTS[req.originalUrl.split(/[/.?]/)[3] ?? ''] ?? 'error'
      return { [subject]: { id: null, message: failure.message } }
    }
  }
}

/** Runs a change; whatever the hub refuses in it is told behind `prefix`, as ABF does. */
export async function refusedAs<T>(prefix: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (err) {
    if (err instanceof HubError && STATUS[err.code] === 422)
      throw new HubError(
        'unprocessable',
        err.message ? `${prefix}. ${err.message}` : prefix,
        err.facts,
        err,
      )
    throw err
  }
}

export function refused(message: string): HubError {
  return new HubError('unprocessable', message)
}
