import type { IncomingHttpHeaders } from 'node:http'
import type { Response } from 'express'
import { HubError } from '../../domain/errors.js'
import { callerOf } from '../../http/caller.js'
import { PktLineError } from '../../protocol/pkt-line.js'
import type { GitRequest } from './parts.js'

/** As git-http-backend does: nothing in between may keep an advertisement. Names and values in turn. */
export const NO_CACHE = [
  'Expires',
  'Fri, 01 Jan 1980 00:00:00 GMT',
  'Pragma',
  'no-cache',
  'Cache-Control',
  'no-cache, max-age=0, must-revalidate',
] as const

export type Service = 'upload-pack' | 'receive-pack'

/** Content types of gitprotocol-http(5). */
export function typeOf(service: Service, what: 'advertisement' | 'request' | 'result'): string {
  return `application/x-git-${service}-${what}`
}

/** Git-Protocol, unless it holds what cannot become an environment value of git. */
export function protocolIn(headers: IncomingHttpHeaders): string | undefined {
  const header = headers['git-protocol']
  return typeof header === 'string' && /^[A-Za-z0-9=:._-]{1,256}$/.test(header) ? header : undefined
}

export function isV2(protocol: string | undefined): boolean {
  return protocol?.split(':').includes('version=2') ?? false
}

/** What `read` answers; a malformed pkt-line becomes `invalid_input`. */
export function readable<T>(read: () => T): T {
  try {
    return read()
  } catch (err) {
    if (!(err instanceof PktLineError)) throw err
    throw new HubError('invalid_input', `The request cannot be understood: ${err.message}.`)
  }
}

export function clientOf({ req }: GitRequest): string {
  const { user, address } = callerOf(req)
  return user ? `user ${user.id}` : `address ${address}`
}

/** With its length: one write, and no chunks to put together for who reads it. */
export function sendWhole(res: Response, answer: Buffer): void {
  res.setHeader('Content-Length', answer.length)
  res.end(answer)
}

export function requireContentType({ req }: GitRequest, service: Service): void {
  const type = (req.get('content-type') ?? '').split(';')[0]?.trim()
  const expected = typeOf(service, 'request')
  if (type !== expected) throw new HubError('unsupported_media', `Content-Type must be ${expected}`)
}
