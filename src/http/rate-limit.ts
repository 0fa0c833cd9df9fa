import type { Request, RequestHandler } from 'express'
import { LRUCache } from 'lru-cache'
import { callerOf } from './caller.js'

const MAX_CALLERS = 100_000

interface Window {
  endsAt: number
  used: number
}

/**
 * Calls of the REST APIs per user, or address for those who are not logged in, in windows of fixed length; 0 = no limit.
 * Told in `RateLimit` and `RateLimit-Policy` (IETF draft httpapi-ratelimit-headers, as clients read it: huggingface-wire
 * A4). Each process counts for itself. git, LFS and file bytes are outside /api and not counted.
 */
export function limitApiCalls(limit: { calls: number; windowSeconds: number }): RequestHandler {
  const windows = new LRUCache<string, Window>({ max: MAX_CALLERS })
  const policy = `"fixed window";"api";q=${limit.calls};w=${limit.windowSeconds}`
  return (req, res, next) => {
    if (limit.calls === 0 || !req.path.startsWith('/api/')) return next()
    const now = Date.now()
    const key = keyOf(req)
    let window = windows.get(key)
    if (!window || window.endsAt <= now) {
      window = { endsAt: now + limit.windowSeconds * 1000, used: 0 }
      windows.set(key, window)
    }
    window.used += 1
    const left = Math.max(0, limit.calls - window.used)
    const seconds = Math.max(1, Math.ceil((window.endsAt - now) / 1000))
    res.set({ RateLimit: `"api";r=${left};t=${seconds}`, 'RateLimit-Policy': policy })
    if (window.used <= limit.calls) return next()
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
