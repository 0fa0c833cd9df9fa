/** Every way in which a request can fail. Each dialect owns a total map from these to its wire shape. */
export const HUB_ERROR_CODES = [
  'not_authenticated',
  'bad_credentials',
  'forbidden',
  'rate_limited',
  'repo_not_found',
  /** An anonymous caller asked for a repository that is absent or hidden: the two must look alike. */
  'repo_needs_login',
  'repo_gated',
  'repo_disabled',
  'repo_exists',
  'repo_locked',
  'revision_not_found',
  'entry_not_found',
  'object_not_found',
  'account_not_found',
  'not_found',
  'conflict',
  /** The branch moved since the caller looked (compare-and-swap failed for good). */
  'stale_parent',
  'invalid_input',
  'unprocessable',
  'unsupported_media',
  'unsupported',
  'too_large',
  'quota_exceeded',
  'checksum_mismatch',
  'range_not_satisfiable',
  'busy',
  'git_failed',
  'storage_failed',
  'internal',
] as const

export type HubErrorCode = (typeof HUB_ERROR_CODES)[number]

/**
 * The one error of the domain. `message` is short, factual and safe to show to the caller;
 * `facts` are for the log only, except where a dialect names one (`url` of a conflict, `retryAfterSeconds`).
 */
export class HubError extends Error {
  override name = 'HubError'
  readonly code: HubErrorCode
  readonly facts: Readonly<Record<string, unknown>>

  constructor(
    code: HubErrorCode,
    message: string,
    facts: Record<string, unknown> = {},
    cause?: unknown,
  ) {
    super(message, { cause })
    this.code = code
    this.facts = facts
  }
}

/** A gate that may open once its caller logs in: to be answered as a request for credentials. */
export function isGateForLogin({ code, facts }: HubError): boolean {
  return code === 'repo_gated' && facts.anonymous === true
}

/** Anything unknown becomes `internal` with a fixed message, so nothing inner leaks to a caller. */
export function asHubError(err: unknown): HubError {
  if (err instanceof HubError) return err
  // a path with %ff in it: what a caller sent, wherever it was first decoded
  if (err instanceof URIError)
    return new HubError('invalid_input', 'The path is not percent-encoded correctly.', {}, err)
  return new HubError('internal', 'internal error', {}, err)
}
