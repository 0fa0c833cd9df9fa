import { HubError } from '../errors.js'

const BAD = /[\x00-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|\.lock(\/|$)|(^|\/)\.|\.$|\/$|^\/|^@$|\ufffd/

/** Half a surrogate pair, which git would be told as U+FFFD. */
const NOT_UNICODE = /\p{Surrogate}/u

/** git-check-ref-format(1), applied to a full name such as `refs/heads/main`; names that are not UTF-8 do not pass. */
export function isRefName(name: string): boolean {
  const isText = name.length <= 1024 && !NOT_UNICODE.test(name)
  return isText && name.includes('/') && !BAD.test(name)
}

/** Throws `invalid_input` unless `name` can be a branch or tag (the part after `refs/heads/` or `refs/tags/`). */
export function checkShortRefName(name: string): void {
  if (name.startsWith('-') || name === 'HEAD' || !isRefName(`refs/heads/${name}`))
    throw new HubError(
      'invalid_input',
      `"${name.slice(0, 100)}" is not a valid branch or tag name.`,
    )
}

/**
 * Revisions that callers may name: a branch, tag, full ref, commit id (7 hex digits or more) or HEAD.
 * git's own operators (`^`, `~`, `@{`, `:`, `..`) and options never get through.
 */
export function isSafeRevision(revision: string): boolean {
  return revision === 'HEAD' || (!revision.startsWith('-') && isRefName(`x/${revision}`))
}
