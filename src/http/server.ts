import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express, { type Express, type Request } from 'express'
import type { Logger } from 'pino'
import { pinoHttp } from 'pino-http'
import { callerName } from './caller.js'

/** Express with the request log; routes are the caller's. */
export function newApp(options: { log: Logger; trustProxy: boolean | number | string }): Express {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.set('trust proxy', options.trustProxy)
  app.set('query parser', 'extended')
  app.set('case sensitive routing', true)
  app.use(
    pinoHttp({
      logger: options.log,
      genReqId: (req, res) => {
        const given = req.headers['x-request-id'] ?? req.headers['x-amzn-trace-id']
        const id =
          typeof given === 'string' && /^[\w.:=;-]{1,128}$/.test(given)
            ? given
            : `req_${randomBytes(6).toString('hex')}`
        res.setHeader('X-Request-Id', id)
        return id
      },
      // message constant, data in fields; query strings may carry signatures
      customSuccessMessage: () => 'request',
      customErrorMessage: () => 'request',
      serializers: {
        req: (req: { method: string; url: string }) => ({
          method: req.method,
          path: req.url.split('?')[0],
        }),
        res: (res: { statusCode: number }) => ({ status: res.statusCode }),
      },
      customProps: (req) => ({ caller: callerName(req as Request) }),
      customLogLevel: (_req, res, err) => (err || res.statusCode >= 500 ? 'warn' : 'info'),
    }),
  )
  return app
}

/** Port 0 takes any free one. Sockets stay open for idle clients a little longer than usual proxies keep them. */
export async function listen(
  app: Express,
  host: string,
  port: number,
): Promise<{ server: Server; url: string }> {
  const server = createServer(
    { keepAliveTimeout: 75_000, headersTimeout: 60_000, requestTimeout: 0 },
    app,
  )
  // big transfers may pause for long; a dead peer is noticed by TCP keep-alive
  server.timeout = 0
  server.on('connection', (socket) => {
    socket.setKeepAlive(true, 60_000)
    socket.setNoDelay(true)
  })
  server.listen(port, host)
  await Promise.race([
    once(server, 'listening'),
    once(server, 'error').then(([err]) => {
      throw err
    }),
  ])
  const address = server.address() as AddressInfo
  const shown = host.includes(':') ? `[${host}]` : host === '0.0.0.0' ? '127.0.0.1' : host
  return { server, url: `http://${shown}:${address.port}` }
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
