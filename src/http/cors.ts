import type { RequestHandler } from 'express'

/*
 * Browsers running @huggingface/hub call from other origins (huggingface-wire C1.6). Tokens travel in a header, never in a
 * cookie, so any origin may call: without Access-Control-Allow-Credentials a browser sends no cookie along.
 */
const OPEN = /^\/(api|lfs|xet)(\/|$)|\/(resolve|raw|info\/lfs)\//

const EXPOSED = [
  'Accept-Ranges',
  'Content-Disposition',
  'Content-Length',
  'Content-Range',
  'ETag',
  'Link',
  'Location',
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
  'X-Error-Code',
  'X-Error-Message',
  'X-Linked-ETag',
  'X-Linked-Size',
  'X-Repo-Commit',
  'X-Request-Id',
  'X-Total-Count',
  'X-Xet-Access-Token',
  'X-Xet-Cas-Url',
  'X-Xet-Hash',
  'X-Xet-Token-Expiration',
].join(', ')

const ALLOWED =
  'Accept, Authorization, Content-Type, If-Match, If-None-Match, If-Range, Range, X-Request-Id, X-Xet-Session-Id'

/** Of an answer that any page may read, as names and values in turn. */
export const OPEN_HEADERS: readonly string[] = [
  'Access-Control-Allow-Origin',
  '*',
  'Access-Control-Expose-Headers',
  EXPOSED,
]

/** Answers preflights itself and marks every other answer of the API as readable from any origin. */
export function cors(): RequestHandler {
  return (req, res, next) => {
    if (!OPEN.test(req.path)) return next()
    res.set('Access-Control-Allow-Origin', '*')
    if (req.method === 'OPTIONS' && req.get('access-control-request-method') !== undefined) {
      res.set({
        'Access-Control-Allow-Methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
        'Access-Control-Allow-Headers': ALLOWED,
        'Access-Control-Max-Age': '86400',
      })
      res.status(204).end()
      return
    }
    res.set('Access-Control-Expose-Headers', EXPOSED)
    next()
  }
}
