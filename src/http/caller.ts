import type { NextFunction, Request, RequestHandler, Response } from 'express'
import type { Login } from '../domain/accounts/login.js'
import { HubError } from '../domain/errors.js'
import type { Caller } from '../domain/types.js'

export const SESSION_COOKIE = 'session_id'

/*
 * The one thing that is attached to a request. Wrong credentials are not answered here but where the caller is first
 * asked for, so that each dialect says it in its own words.
 */
const CALLERS = new WeakMap<Request, Caller | HubError>()

export function authenticate(login: Login, baseUrl: (req: Request) => string): RequestHandler {
  return async (req: Request, _res: Response, next: NextFunction) => {
    // asked once, however many routes want to know
    if (!CALLERS.has(req)) actAs(req, await identify(login, req, baseUrl))
    next()
  }
}

/** Who is asking turned out on the way: a login, or a link or token that speaks for somebody. Answers the caller to go on with. */
export function actAs<C extends Caller | HubError>(req: Request, caller: C): C {
  // into the caller itself: who knows it by identity (Access.openedBy) goes on knowing it
  if (!(caller instanceof HubError)) Object.assign(caller, { requestId: String(req.id) })
  CALLERS.set(req, caller)
  return caller
}

/** Who is asking. Throws what was wrong with the credentials. */
export function callerOf(req: Request): Caller {
  const it = CALLERS.get(req)
  if (it === undefined) throw new HubError('internal', 'the request was not authenticated')
  if (it instanceof HubError) throw it
  return it
}

/** For the log: never throws. */
export function callerName(req: Request): string {
  const it = CALLERS.get(req)
  return it === undefined || it instanceof HubError ? '-' : nameOfCaller(it)
}

export function nameOfCaller({ user, via }: Caller): string {
  return user?.name ?? via
}

/**
 * Whether a browser sends this on behalf of another site's page: browsers say so in Sec-Fetch-Site (secure origins) or
 * Origin (every POST, PUT, DELETE). Clients that are no browsers send neither.
 */
export function isCrossSite(req: Request, baseUrl: (req: Request) => string): boolean {
  const fetchSite = req.get('sec-fetch-site')
  if (fetchSite !== undefined) return fetchSite !== 'same-origin' && fetchSite !== 'none'
  const origin = req.get('origin')
  return origin !== undefined && origin.toLowerCase() !== new URL(baseUrl(req)).origin
}

async function identify(
  login: Login,
  req: Request,
  baseUrl: (req: Request) => string,
): Promise<Caller | HubError> {
  const address = req.ip ?? ''
  try {
    const admin = req.get('x-admin-token')
    if (admin !== undefined) return await login.byAdminToken(admin, address)
    const header = req.get('authorization')
    if (header !== undefined && header !== '') return await byHeader(login, header, address)
    const session = cookie(req, SESSION_COOKIE)
    // a cookie comes along by itself, so it must not authorise what another site's page makes a browser send
    if (!session || (!['GET', 'HEAD'].includes(req.method) && isCrossSite(req, baseUrl)))
      return login.anonymous(address)
    return (await login.findBySession(session, address)) ?? login.anonymous(address)
  } catch (err) {
    if (err instanceof HubError) return err
    throw err
  }
}

async function byHeader(login: Login, header: string, address: string): Promise<Caller> {
  const [, scheme = '', value = ''] = /^(\S+)\s+(.*)$/.exec(header.trim()) ?? []
  switch (scheme.toLowerCase()) {
    case 'bearer':
      // KohakuHub's clients append credentials for other hubs: "token|https://…,token"
      return login.byToken(value.split('|')[0] ?? '', address)
    case 'basic': {
      const text = Buffer.from(value, 'base64').toString('utf8')
      const colon = text.indexOf(':')
      if (colon < 0) throw new HubError('bad_credentials', 'Invalid username or password.')
      const name = text.slice(0, colon)
      const password = text.slice(colon + 1)
      if (name === '' && password === '') return login.anonymous(address)
      return login.byBasic(name, password, address)
    }
    case 'api-key': {
      // Outpost: "API-Key name$secret"; the name belongs to the key and must be right, too
      const dollar = value.indexOf('$')
      const caller = await login.byToken(value.slice(dollar + 1), address)
      if (dollar < 0 || caller.token?.name !== `api-key:${value.slice(0, dollar)}`)
        throw new HubError('bad_credentials', 'Invalid username or password.')
      return caller
    }
    default:
      throw new HubError('bad_credentials', 'Invalid credentials in Authorization header')
  }
}

function cookie(req: Request, name: string): string | undefined {
  for (const part of (req.get('cookie') ?? '').split(';')) {
    const [key, value] = part.trim().split('=')
    if (key === name && value && /^[\w-]+$/.test(value)) return value
  }
  return undefined
}
