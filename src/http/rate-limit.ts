import type { Request, RequestHandler } from 'express'
import { SharedCounts } from '../lib/shared-counts.js'
import type { Siblings } from '../lib/siblings.js'
import { callerOf } from './caller.js'

const MAX_CALLERS = 100_000

/**
 * Calls of the REST APIs per user, or address for those who are not logged in, in windows of fixed length; 0 = no limit.
 * Told in `RateLimit` and `RateLimit-Policy` (IETF draft httpapi-ratelimit-headers, as clients read it: huggingface-wire
 * A4). Worker processes count together. git, LFS and file bytes are outside /api and /v2 and not counted.
 */
export function limitApiCalls(
  limit: { calls: number; windowSeconds: number },
  siblings?: Siblings,
): RequestHandler {
  const counts = new SharedCounts({ topic: 'api calls', maxKeys: MAX_CALLERS, siblings })
  const policy = `"fixed window";"api";q=${limit.calls};w=${limit.windowSeconds}`
  return (req, res, next) => {
    if (limit.calls === 0 || !/^\/(api|v2)\//.test(req.path)) return next()
    const now = Date.now()
    const { used, endsAt } = counts.take(keyOf(req), now + limit.windowSeconds * 1000)
    const left = Math.max(0, limit.calls - used)
    const seconds = Math.max(1, Math.ceil((endsAt - now) / 1000))
    res.set({ RateLimit: `"api";r=${left};t=${seconds}`, 'RateLimit-Policy': policy })
    if (used <= limit.calls) return next()
    const message = `You have made more than ${limit.calls} calls in ${limit.windowSeconds} seconds. Try again in ${seconds} seconds.`
    res.status(429).set({ 'Retry-After': String(seconds), 'X-Error-Message': message })
    res.json({ error: message, message })
  }
}

function keyOf(req: Request): string {
  try {
    const { user, via } = callerOf(req)
    if (user) return `user ${user.id}`
    if (via === 'admin_token') return 'admin'
  } catch {
    // wrong credentials are the dialect's to answer; here they count for the address
  }
  return `address ${req.ip ?? ''}`
}
