import type { Request } from 'express'
import { HubError } from '../../domain/errors.js'

const MAX_VALUES = 100

/** Query parameters as the clients spell them: lists as repeated keys, with `[]`, or with commas (huggingface-wire A3). */
export function listParam(req: Request, name: string): string[] {
  return texts(req, name)
    .flatMap((it) => it.split(','))
    .filter((it) => it !== '')
}

/** Every value of a repeated parameter as it is, commas and all. */
export function texts(req: Request, name: string): string[] {
  const values = [req.query[name], req.query[`${name}[]`]]
    .flatMap((it) =>
      Array.isArray(it) ? it : it && typeof it === 'object' ? Object.values(it) : [it],
    )
    .filter((it) => typeof it === 'string')
  if (values.length > MAX_VALUES || values.some((it) => it.length > 1_000 || it.includes('\0')))
    throw new HubError('invalid_input', `"${name}" has too many or too long values.`)
  return values
}

export function textParam(req: Request, name: string): string | undefined {
  return texts(req, name)[0]
}

/** Python sends `True`, JavaScript `true`; undefined when absent. */
export function boolParam(req: Request, name: string): boolean | undefined {
  const text = textParam(req, name)?.toLowerCase()
  if (text === undefined) return undefined
  if (['true', '1', 'yes', ''].includes(text)) return true
  if (['false', '0', 'no', 'none'].includes(text)) return false
  throw new HubError('invalid_input', `"${name}" must be true or false.`)
}

/** Clamped to `max`; throws `invalid_input` below `min`. */
export function intParam(
  req: Request,
  name: string,
  range: { min: number; max: number },
): number | undefined {
  const text = textParam(req, name)
  if (text === undefined || text === '') return undefined
  const value = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= range.min))
    throw new HubError('invalid_input', `"${name}" must be a number of at least ${range.min}.`)
  return Math.min(value, range.max)
}

/** `Link` header value for the next page: the same request with `changes` put over its parameters. */
export function linkNext(baseUrl: string, req: Request, changes: Record<string, string>): string {
  const url = new URL(req.originalUrl, `${baseUrl}/`)
  for (const [key, value] of Object.entries(changes)) url.searchParams.set(key, value)
  return `<${baseUrl}${url.pathname}${url.search}>; rel="next"`
}

/** Opaque position in a list. */
export function encodeCursor(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

/** Throws `invalid_input` for what is no cursor at all; its shape is the caller's to check. */
export function decodeCursor(text: string | undefined): unknown {
  if (text === undefined || text === '') return undefined
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as unknown
  } catch {
    throw new HubError('invalid_input', 'The cursor is not one of this list.')
  }
}
