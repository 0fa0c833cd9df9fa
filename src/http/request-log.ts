import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Request, RequestHandler } from 'express'
import type { Logger } from 'pino'
import { callerName } from './caller.js'
import { dialectOf, loggablePath, repoOfPath } from './request-facts.js'

const GIVEN_ID = /^[\w.:=;-]{1,128}$/

declare module 'node:http' {
  interface IncomingMessage {
    id: string
    /** For what goes wrong on the way; knows the request. */
    log: Logger
  }
}

/**
 * One line a request, written when it is over: id, caller, dialect, repository, status, bytes on the wire, duration.
 * The message is constant, data is in fields; headers, bodies and query strings, which may carry secrets, never get here.
 * Nothing is made for a line that the level leaves out.
 */
export function requestLog(logger: Logger): RequestHandler {
  return (req, res, next) => {
    const from = process.hrtime.bigint()
    req.id = idOf(req)
    res.setHeader('X-Request-Id', req.id)
    const { socket } = req
    startBytes.set(req, { socket, in: socket.bytesRead, out: socket.bytesWritten })
    lazily(req, 'log', () => logger.child({ req: headOf(req) }))
    res.once('close', () => {
      const level = res.statusCode >= 500 || res.errored ? 'warn' : 'info'
      if (!logger.isLevelEnabled(level)) return
      const line = {
        req: headOf(req),
        res: { status: res.statusCode },
        ...factsOf(req, res),
        responseTime: Number((process.hrtime.bigint() - from) / 1_000_000n),
      }
      logger[level](line, 'request')
    })
    next()
  }
}

function idOf({ headers }: IncomingMessage): string {
  const given = headers['x-request-id'] ?? headers['x-amzn-trace-id']
  return typeof given === 'string' && GIVEN_ID.test(given)
    ? given
    : `req_${randomBytes(6).toString('hex')}`
}

function headOf(req: Request): { id: string; method: string; path: string } {
  return { id: req.id, method: req.method, path: loggablePath(req) }
}

function lazily<T extends object, K extends keyof T>(it: T, key: K, make: () => T[K]): void {
  let made: T[K] | undefined
  Object.defineProperty(it, key, { configurable: true, get: () => (made ??= make()) })
}

/** What a socket had carried when the request's handling began. */
const startBytes = new WeakMap<object, { socket: Socket; in: number; out: number }>()

function factsOf(req: IncomingMessage, res: ServerResponse): Record<string, unknown> {
  const { bytesIn, bytesOut } = wireBytes(req)
  const path = loggablePath(req as Request)
  return {
    caller: callerName(req as Request),
    dialect: dialectOf(req),
    repo: repoOfPath(path),
    bytesIn,
    bytesOut,
    ...(res.writableFinished ? {} : { cut: true }),
  }
}

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
