import { HubError } from '../errors.js'

export const TITLE = { min: 3, max: 200 } as const
export const MAX_COMMENT = 65_536

/** One line without what could not be shown. Throws `invalid_input`. */
export function checkTitle(text: string): string {
  const title = oneLine(text)
  if (title.length < TITLE.min || title.length > TITLE.max)
    throw new HubError(
      'invalid_input',
      `A title has ${TITLE.min} to ${TITLE.max} characters, this one has ${title.length}.`,
    )
  return title
}

/** A title for what was named otherwise (the summary of a commit). */
export function titleFrom(summary: string): string {
  const title = oneLine(summary)
  return title.length > TITLE.max ? `${title.slice(0, TITLE.max - 1)}…` : title
}

/** Throws `invalid_input`. */
export function checkComment(text: string, options: { mayBeEmpty?: boolean } = {}): string {
  const comment = text.replaceAll('\0', '').trim()
  if (comment === '' && !options.mayBeEmpty)
    throw new HubError('invalid_input', 'A comment cannot be empty.')
  if (comment.length > MAX_COMMENT)
    throw new HubError('invalid_input', `A comment has at most ${MAX_COMMENT} characters.`)
  return comment
}

function oneLine(text: string): string {
  return text.replace(/[\0-\x1f\x7f]+/g, ' ').trim()
}
