import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Request, RequestHandler } from 'express'
import type { Logger } from 'pino'
import { pinoHttp } from 'pino-http'
import { callerName } from './caller.js'
import { dialectOf, loggablePath, repoOfPath } from './request-facts.js'

const GIVEN_ID = /^[\w.:=;-]{1,128}$/

/**
 * One line a request, written when it is over: id, caller, dialect, repository, status, bytes on the wire, duration.
 * The message is constant, data is in fields; headers, bodies and query strings, which may carry secrets, never get here.
 */
export function requestLog(logger: Logger): RequestHandler {
  return pinoHttp({
    logger,
    genReqId: (req, res) => {
      const given = req.headers['x-request-id'] ?? req.headers['x-amzn-trace-id']
      const id =
        typeof given === 'string' && GIVEN_ID.test(given)
          ? given
          : `req_${randomBytes(6).toString('hex')}`
      res.setHeader('X-Request-Id', id)
      const { socket } = req
      startBytes.set(req, { socket, in: socket.bytesRead, out: socket.bytesWritten })
      return id
    },
    customSuccessMessage: () => 'request',
    customErrorMessage: () => 'request',
    customSuccessObject: (req, res, value) => ({ ...value, ...factsOf(req, res) }),
    // what went wrong was logged where it was known; this line only says that it did
    customErrorObject: (req, res, _err, value) => ({
      ...value,
      err: undefined,
      ...factsOf(req, res),
    }),
    serializers: {
      req: (req: { id: unknown; method: string; raw: Request }) => ({
        id: req.id,
        method: req.method,
        path: loggablePath(req.raw),
      }),
      res: (res: { statusCode: number }) => ({ status: res.statusCode }),
    },
    customLogLevel: (_req, res, err) => (err || res.statusCode >= 500 ? 'warn' : 'info'),
  }) as RequestHandler
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
