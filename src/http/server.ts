import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express'
import type { Logger } from 'pino'
import { asHubError } from '../domain/errors.js'
import { ACCEL_SETTING, type ProxyFiles } from './accel-redirect.js'
import { requestLog } from './request-log.js'

/** Express with the request log; routes are the caller's, and `lastAnswers` after them. */
export function newApp(options: {
  log: Logger
  trustProxy: boolean | number | string
  proxyFiles?: ProxyFiles | undefined
}): Express {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.set('trust proxy', options.trustProxy)
  app.set('query parser', 'extended')
  app.set(ACCEL_SETTING, options.proxyFiles)
  app.set('case sensitive routing', true)
  app.use(requestLog(options.log), cutRefusedUploads)
  return app
}

/** How long a client may go on sending what was refused, before it is cut off. Long enough to read the refusal. */
const REFUSED_BODY_MS = 5_000

/**
 * A refusal that leaves before the body has come (too large, not allowed): node reads the rest into nothing, so that the
 * client sees the answer; this bounds for how long.
 */
const cutRefusedUploads: RequestHandler = (req, res, next) => {
  res.once('finish', () => {
    if (req.complete || res.statusCode < 400) return
    setTimeout(() => {
      if (!req.complete) req.socket.destroy()
    }, REFUSED_BODY_MS).unref()
  })
  next()
}

/** For what no route took, and for what went wrong outside every dialect: JSON objects, as Hugging Face clients expect. */
export function lastAnswers(): [RequestHandler, ErrorRequestHandler] {
  return [
    (_req, res) => {
      res.status(404).json({ error: "Sorry, we can't find the page you are looking for." })
    },
    (err, req, res, next) => {
      const status = statusOf(err)
      if (status >= 500) req.log.error({ err }, 'request failed')
      if (res.headersSent) return next(err) // Express destroys the socket
      res
        .status(status)
        .json({ error: status < 500 ? 'The request cannot be understood.' : 'internal error' })
    },
  ]
}

/** Express says by `status` what a client did wrong (a path that cannot be decoded); everything else is our fault. */
function statusOf(err: unknown): number {
  const { status } = err as { status?: unknown }
  if (typeof status === 'number' && status >= 400 && status < 500) return status
  return asHubError(err).code === 'invalid_input' ? 400 : 500
}

export interface ListenLimits {
  /** For the head of a request to arrive. */
  readonly headersMs: number
  /** Without a byte of a request's body from the client, or of an answer to it. */
  readonly idleMs: number
}

/** A whole transfer may take days, so only standing still is limited. */
const LIMITS: ListenLimits = { headersMs: 60_000, idleMs: 5 * 60_000 }

/** Port 0 takes any free one. Sockets stay open for idle clients a little longer than usual proxies keep them. */
export async function listen(
  listener: RequestListener,
  host: string,
  port: number,
  limits = LIMITS,
): Promise<{ server: Server; url: string }> {
  const server = createServer(
    {
      keepAliveTimeout: 75_000,
      headersTimeout: limits.headersMs,
      requestTimeout: 0,
      connectionsCheckingInterval: Math.min(limits.headersMs, 10_000),
      maxHeaderSize: 32 * 1024,
    },
    listener,
  )
  server.on('connection', (socket) => {
    socket.setKeepAlive(true, 60_000)
    socket.setNoDelay(true)
  })
  cutStandstill(server, limits.idleMs)
  server.listen(port, host)
  await Promise.race([
    once(server, 'listening'),
    once(server, 'error').then(([err]) => {
      throw err
    }),
  ])
  const address = server.address() as AddressInfo
  return { server, url: `http://${shownHost(host)}:${address.port}` }
}

function shownHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}

/** Cuts connections whose client stands still: sends no body it owes, or takes nothing of the answer it asked for. */
function cutStandstill(server: Server, idleMs: number): void {
  const current = new WeakMap<Socket, IncomingMessage>()
  server.on('request', (req: IncomingMessage, res) => {
    current.set(req.socket, req)
    res.setMaxListeners(30) // log, metrics, aborts and a pipeline of Node's own seven all wait for its end
    res.once('close', () => current.delete(req.socket))
  })
  server.setTimeout(idleMs, (socket) => {
    const req = current.get(socket)
    // bytes that lie here unread are our own slowness
    const owesBody = req && !req.complete && req.readableLength === 0
    if (owesBody || socket.writableLength > 0) socket.destroy()
  })
}

/** Stops accepting, lets running requests end within `graceMs`, then cuts what is left. */
export async function closeServer(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  const idle = setInterval(() => server.closeIdleConnections(), 200)
  const cut = setTimeout(() => server.closeAllConnections(), graceMs)
  await closed
  clearInterval(idle)
  clearTimeout(cut)
}
