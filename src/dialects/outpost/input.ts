import type { Request } from 'express'
import type { z } from 'zod'
import { HubError } from '../../domain/errors.js'
import { readJson } from '../../http/body.js'

const MAX_BODY = 1024 * 1024

/** JSON body against a schema: bad syntax is 400, bad values are 422. */
export async function readValues<T extends z.ZodType>(
  req: Request,
  schema: T,
): Promise<z.output<T>> {
  const body = await readJson(req, MAX_BODY)
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new HubError('invalid_input', 'The request body must be a JSON object.')
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const field = issue?.path.join('.') || 'body'
  throw new HubError('unprocessable', `${field}: ${issue?.message ?? 'invalid'}`)
}

/** What the domain calls invalid input is a bad value here, not bad syntax. */
export async function asValues<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (err) {
    if (err instanceof HubError && err.code === 'invalid_input')
      throw new HubError('unprocessable', err.message, err.facts, err)
    throw err
  }
}

export interface Page {
  readonly page: number
  readonly perPage: number
}

/** `page` (1) and `per_page` (20, at most 100). */
export function readPage(req: Request): Page {
  return {
    page: positive(req, 'page', 1, Number.MAX_SAFE_INTEGER),
    perPage: positive(req, 'per_page', 20, 100),
  }
}

function positive(req: Request, name: string, fallback: number, max: number): number {
  const text = req.query[name]
  if (text === undefined) return fallback
  if (typeof text !== 'string' || !/^-?\d{1,9}$/.test(text))
    throw new HubError('invalid_input', `${name} must be a whole number.`)
  const value = Number(text)
  if (value < 1 || value > max)
    throw new HubError(
      'unprocessable',
      `${name} must be between 1 and ${max === 100 ? 100 : 'the last page'}.`,
    )
  return value
}

/** One of the named values; `fallback` when the parameter is absent. */
export function oneOf<T extends string>(
  req: Request,
  name: string,
  values: readonly T[],
  fallback: T,
): T
export function oneOf<T extends string>(
  req: Request,
  name: string,
  values: readonly T[],
): T | undefined
export function oneOf<T extends string>(
  req: Request,
  name: string,
  values: readonly T[],
  fallback?: T,
): T | undefined {
  const text = req.query[name]
  if (text === undefined) return fallback
  const value = values.find((it) => it === text)
  if (value === undefined)
    throw new HubError('unprocessable', `${name} must be one of ${values.join(', ')}.`)
  return value
}

export function pagination({ page, perPage }: Page, total: number) {
  return { page, per_page: perPage, total, total_pages: Math.ceil(total / perPage) }
}

/** RFC 3339 in UTC, whole seconds. */
export function seconds(iso: string): string
export function seconds(iso: string | null): string | null
export function seconds(iso: string | null): string | null {
  return iso && `${iso.slice(0, 19)}Z`
}
