import type { Request, Response } from 'express'

/** Express setting, a ProxyFiles: how the proxy in front is told to send a file; undefined = there is none. */
export const ACCEL_SETTING = 'accel redirect'

/** The setting's value for servers that want the file's own path. */
const BY_PATH = 'x-sendfile'

/** The header that names a file to the proxy in front, and what stands there before the file's key. */
export interface ProxyFiles {
  readonly header: 'X-Accel-Redirect' | 'X-Sendfile'
  readonly prefix: string
}

/**
 * @param setting an internal location of nginx (`/packhorse-objects/`), or `x-sendfile` for Apache's mod_xsendfile and
 *   lighttpd, which are told the absolute path.
 * @param directory where the object files are.
 */
export function proxyFiles(setting: string | undefined, directory: string): ProxyFiles | undefined {
  if (setting === undefined) return undefined
  if (setting !== BY_PATH) return { header: 'X-Accel-Redirect', prefix: setting }
  // both take percent escapes away again, and a header holds no other letters
  const path = directory.split('/').map(encodeURIComponent).join('/')
  return { header: 'X-Sendfile', prefix: `${path}/` }
}

/**
 * Answers a GET by naming the file to the server in front (X-Accel-Redirect or X-Sendfile), which sends it and sees to
 * ranges itself. False where nobody in front would: the request came directly, is no GET, or is conditional in a way
 * (If-Range) that nginx cannot decide, because it knows the file's entity tag only as a header to pass on.
 */
export function leaveToProxy(req: Request, res: Response, localKey: string | undefined): boolean {
  const files: ProxyFiles | undefined = req.app.get(ACCEL_SETTING)
  if (!files || !localKey || req.method !== 'GET' || req.get('if-range') !== undefined) return false
  if (!isProxied(req)) return false
  // keys are letters, digits, `.`, `-` and slashes (storage/objects); nothing else may be in a location
  if (!/^[\w-][\w./-]*$/.test(localKey) || localKey.includes('..')) return false
  res.set({ [files.header]: `${files.prefix}${localKey}`, 'Content-Length': '0' })
  res.removeHeader('Accept-Ranges') // the server in front says so itself
  res.status(200).end()
  return true
}

/** By one whose X-Forwarded-For we believe: a client that talks to us directly gets bytes, whatever it sends along. */
function isProxied(req: Request): boolean {
  const trusts: (address: string, hop: number) => boolean = req.app.get('trust proxy fn')
  return req.get('x-forwarded-for') !== undefined && trusts(req.socket.remoteAddress ?? '', 0)
}
