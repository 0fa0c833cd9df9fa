import { HubError } from '../../domain/errors.js'

/** One percent-encoded piece of a path. Throws `invalid_input`. */
export function decode(text: string | undefined): string {
  try {
    return decodeURIComponent(text ?? '')
  } catch {
    throw new HubError('invalid_input', 'The URL is not percent-encoded correctly.')
  }
}
