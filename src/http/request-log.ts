import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Request, RequestHandler } from 'express'
import type { Logger } from 'pino'
import { callerName } from './caller.js'
import { type Dialect, dialectOf, loggablePath, repoOfPath } from './request-facts.js'

const GIVEN_ID = /^[\w.:=;-]{1,128}$/

declare module 'node:http' {
  interface IncomingMessage {
    id: string
    /** For what goes wrong on the way; knows the request. */
    log: Logger
  }
}

/** What there is to say of a request when it is over. */
export interface Ended {
  readonly id: string
  readonly method: string
  /** As it was sent, with its query. */
  readonly url: string
  readonly status: number
  readonly errored: boolean
  /** The connection ended before the answer did. */
  readonly cut: boolean
  readonly caller: string
  readonly dialect: Dialect
  readonly bytesIn: number
  readonly bytesOut: number
  readonly ms: number
}

/**
 * One line a request, written when it is over: id, caller, dialect, repository, status, bytes on the wire, duration.
 * The message is constant, data is in fields; headers, bodies and query strings, which may carry secrets, never get here.
 * Nothing is made for a line that the level leaves out.
 */
export function requestLog(logger: Logger): RequestHandler {
  return (req, res, next) => {
    const from = performance.now()
    req.id = idOf(req)
    res.setHeader('X-Request-Id', req.id)
    const { socket } = req
    startBytes.set(req, { socket, in: socket.bytesRead, out: socket.bytesWritten })
    lazily(req, 'log', () => logger.child({ req: headOf(req.id, req.method, urlOf(req)) }))
    res.once('close', () => {
      logRequest(logger, {
        id: req.id,
        method: req.method,
        url: urlOf(req),
        status: res.statusCode,
        errored: Boolean(res.errored),
        cut: !res.writableFinished,
        caller: callerName(req),
        dialect: dialectOf(req),
        ...wireBytes(req),
        ms: performance.now() - from,
      })
    })
    next()
  }
}

/** The line itself, for requests that do not pass through Express. */
export function logRequest(logger: Logger, it: Ended): void {
  const level = it.status >= 500 || it.errored ? 'warn' : 'info'
  if (!logger.isLevelEnabled(level)) return
  const req = headOf(it.id, it.method, it.url)
  const line = {
    req,
    res: { status: it.status },
    caller: it.caller,
    dialect: it.dialect,
    repo: repoOfPath(req.path),
    bytesIn: it.bytesIn,
    bytesOut: it.bytesOut,
    ...(it.cut ? { cut: true } : {}),
    responseTime: Math.floor(it.ms),
  }
  logger[level](line, 'request')
}

/** The client's own, when it sent one that fits into a log line. */
export function idOf({ headers }: IncomingMessage): string {
  const given = headers['x-request-id'] ?? headers['x-amzn-trace-id']
  return typeof given === 'string' && GIVEN_ID.test(given)
    ? given
    : `req_${randomUUID().slice(-12)}`
}

function headOf(id: string, method: string, url: string) {
  return { id, method, path: loggablePath({ url }) }
}

/** Express takes what a router is mounted at off `url`. */
function urlOf(req: Request): string {
  return req.originalUrl ?? req.url
}

function lazily<T extends object, K extends keyof T>(it: T, key: K, make: () => T[K]): void {
  let made: T[K] | undefined
  Object.defineProperty(it, key, { configurable: true, get: () => (made ??= make()) })
}

/** What a socket had carried when the request's handling began. */
const startBytes = new WeakMap<object, { socket: Socket; in: number; out: number }>()

/** Bytes of this request and its answer, as far as they have passed; the head of the request is not in it. */
export function wireBytes(req: IncomingMessage): { bytesIn: number; bytesOut: number } {
  const start = startBytes.get(req)
  if (!start) return { bytesIn: 0, bytesOut: 0 }
  return {
    // node takes the socket off the request when it closes: ours is the one that carried it
    bytesIn: Math.max(0, start.socket.bytesRead - start.in),
    bytesOut: Math.max(0, start.socket.bytesWritten - start.out),
  }
}
