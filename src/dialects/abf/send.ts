import { createHash } from 'node:crypto'
import type { Request, Response } from 'express'
import type { Page } from './input.js'

/**
 * JSON with an ETag on every answer (clients read it unconditionally), and 304 for a GET that has this body already.
 */
export function sendJson(req: Request, res: Response, body: object): void {
  const text = JSON.stringify(body)
  const etag = `"${createHash('sha256').update(text).digest('hex').slice(0, 32)}"`
  res.set({
    ETag: etag,
    'Cache-Control': 'max-age=0, private, must-revalidate',
    'X-Content-Type-Options': 'nosniff',
  })
  const isRead = req.method === 'GET' || req.method === 'HEAD'
  if (isRead && res.statusCode === 200 && matches(req.get('if-none-match'), etag)) {
    res.status(304).end()
    return
  }
  // not res.json: it would weigh the request's Cache-Control in and answer a wrong 304 or none
  const bytes = Buffer.from(text)
  res.set({
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': `${bytes.length}`,
  })
  res.end(req.method === 'HEAD' ? undefined : bytes)
}

function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false
  return header === '*' || header.split(',').some((it) => it.trim().replace(/^W\//, '') === etag)
}

/** RFC 8288 links to the other pages: absolute, with the caller's own parameters. */
export function linkPages(
  req: Request,
  res: Response,
  baseUrl: string,
  { page, perPage }: Page,
  total: number,
): void {
  const last = Math.max(1, Math.ceil(total / perPage))
  const url = new URL(req.originalUrl, `${baseUrl}/`)
  // a link may be logged or shown: the token stays out of it
  url.searchParams.delete('authentication_token')
  const to = (n: number, rel: string) => {
    url.searchParams.set('page', String(n))
    return `<${baseUrl}${url.pathname}${url.search}>; rel="${rel}"`
  }
  const links = [
    ...(page > 1 ? [to(1, 'first'), to(Math.min(page - 1, last), 'prev')] : []),
    ...(page < last ? [to(page + 1, 'next'), to(last, 'last')] : []),
  ]
  if (links.length > 0) res.set('Link', links.join(', '))
}

/** Unix seconds. */
export function seconds(iso: string): number {
  return Math.floor(Date.parse(iso) / 1000)
}
