import { parse as parseQuery } from 'node:querystring'
import type { Request } from 'express'
import { HubError } from '../../domain/errors.js'
import { readBody } from '../../http/body.js'

const MAX_BODY = 1024 * 1024

export type Params = Readonly<Record<string, unknown>>

/**
 * Parameters of the query and the body, as Rails merges them: for every method, DELETE too. The body is JSON, or a form.
 * Throws `invalid_input`, `too_large`.
 */
export async function readParams(req: Request): Promise<Params> {
  const query = req.query as Params
  const body = await readBody(req, MAX_BODY)
  if (body.length === 0) return query
  const type = (req.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase()
  if (type === 'application/x-www-form-urlencoded')
    return { ...query, ...nested(parseQuery(body.toString('utf8'))) }
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch {
    throw new HubError('invalid_input', 'The request body is not valid JSON.')
  }
  if (!isObject(value))
    throw new HubError('invalid_input', 'The request body must be a JSON object.')
  return { ...query, ...value }
}

/** `repository[name]=x` of a form. */
function nested(form: Record<string, unknown>): Params {
  const found: Record<string, unknown> = Object.create(null)
  for (const [key, value] of Object.entries(form)) {
    const [, outer, inner] = /^(\w+)\[(\w+)\]$/.exec(key) ?? []
    if (outer === undefined || inner === undefined) found[key] = value
    else {
      const object = isObject(found[outer]) ? found[outer] : Object.create(null)
      found[outer] = Object.assign(object, { [inner]: value })
    }
  }
  return found
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** An id as JSON number or digits; undefined for anything else, which no row has. */
export function idOf(value: unknown): number | undefined {
  const text = typeof value === 'number' || typeof value === 'string' ? String(value) : ''
  return /^[1-9]\d{0,14}$/.test(text) ? Number(text) : undefined
}

/** An id, or the name of something: `:id` of platforms, users and groups takes both. */
export function idOrName(text: string): number | string {
  return idOf(text) ?? text
}

/** What the caller sent, for messages that repeat it. */
export function echo(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value).slice(0, 100)
    : ''
}

/** The fields of an order. What has the wrong type is remembered, so that one answer can name all of it. */
export class Fields {
  readonly #values: Params
  readonly #problems: string[] = []

  constructor(values: Params) {
    this.#values = values
  }

  /** Below `wrapper`; when that is missing there are no fields, or the parameters themselves. */
  static within(params: Params, wrapper: string, otherwise: 'none' | 'flat' = 'none'): Fields {
    const inner = params[wrapper]
    if (isObject(inner)) return new Fields(inner)
    const fields = new Fields(otherwise === 'flat' && inner === undefined ? params : {})
    if (inner !== undefined) fields.#wrong(wrapper)
    return fields
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#values, name)
  }

  /** Undefined when it was not sent; numbers count as text, a NUL is none. */
  text(name: string): string | null | undefined {
    const value = this.has(name) ? this.#values[name] : undefined
    if (value === undefined || value === null) return value
    if (typeof value === 'string' && !value.includes('\0')) return value
    if (typeof value === 'number') return String(value)
    this.#wrong(name)
    return undefined
  }

  bool(name: string): boolean | undefined {
    const value = this.has(name) ? this.#values[name] : undefined
    if (value === undefined) return undefined
    if (value === true || value === 1 || value === 'true' || value === '1') return true
    if (value === false || value === 0 || value === 'false' || value === '0') return false
    this.#wrong(name)
    return undefined
  }

  id(name: string): number | undefined {
    return this.has(name) ? idOf(this.#values[name]) : undefined
  }

  throwIfWrong(): void {
    if (this.#problems.length > 0) throw new HubError('unprocessable', this.#problems.join('. '))
  }

  #wrong(name: string): void {
    const words = name.replaceAll('_', ' ')
    this.#problems.push(`${words.charAt(0).toUpperCase()}${words.slice(1)} is invalid`)
  }
}

export interface Page {
  readonly page: number
  readonly perPage: number
  readonly offset: number
}

/** `page` from 1, garbage is the first; `per_page` 20, at most 100. */
export function pageOf(params: Params): Page {
  const page = Math.min(idOf(params.page) ?? 1, 1_000_000_000)
  const perPage = Math.min(idOf(params.per_page) ?? 20, 100)
  return { page, perPage, offset: (page - 1) * perPage }
}
