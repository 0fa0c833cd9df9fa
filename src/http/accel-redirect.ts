import type { Request, Response } from 'express'

/** Express setting: the proxy's internal location, with slashes around it; undefined = there is none. */
export const ACCEL_SETTING = 'accel redirect'

/**
 * Answers a GET by naming the file to the nginx in front (X-Accel-Redirect), which sends it and sees to ranges itself.
 * False where nobody in front would: the request came directly, is no GET, or is conditional in a way (If-Range) that
 * nginx cannot decide, because it knows the file's entity tag only as a header to pass on.
 */
export function leaveToProxy(req: Request, res: Response, localKey: string | undefined): boolean {
  const location: string | undefined = req.app.get(ACCEL_SETTING)
  if (!location || !localKey || req.method !== 'GET' || req.get('if-range') !== undefined)
    return false
  if (!isProxied(req)) return false
  // keys are letters, digits, `.`, `-` and slashes (storage/objects); nothing else may be in a location
  if (!/^[\w-][\w./-]*$/.test(localKey) || localKey.includes('..')) return false
  res.set({ 'X-Accel-Redirect': `${location}${localKey}`, 'Content-Length': '0' })
  res.removeHeader('Accept-Ranges') // nginx says so itself
  res.status(200).end()
  return true
}

/** By one whose X-Forwarded-For we believe: a client that talks to us directly gets bytes, whatever it sends along. */
function isProxied(req: Request): boolean {
  const trusts: (address: string, hop: number) => boolean = req.app.get('trust proxy fn')
  return req.get('x-forwarded-for') !== undefined && trusts(req.socket.remoteAddress ?? '', 0)
}
