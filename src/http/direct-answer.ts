import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Express, Request } from 'express'
import type { Logger } from 'pino'
import type { AuditLog } from '../domain/audit/audit-log.js'
import type { Caller, Repo } from '../domain/types.js'
import { ACCEL_SETTING } from './accel-redirect.js'
import { recordDirectAct } from './audit.js'
import { nameOfCaller } from './caller.js'
import type { Metrics } from './metrics.js'
import type { Dialect } from './request-facts.js'
import { idOf, logRequest } from './request-log.js'

/** What requests that are answered without Express have in common with those that are. */
export class DirectWay {
  readonly #app: Express
  readonly #about: Omit<About, 'dialect'>

  constructor(app: Express, about: { metrics: Metrics; log: Logger; audit: AuditLog }) {
    this.#app = app
    this.#about = { ...about, express: this.express }
  }

  /** The way through Express, for whatever is not answered directly. */
  readonly express: RequestListener = (req, res) => this.#app(req, res)

  /** As Express tells it: the client's address, by whichever proxies are trusted. */
  addressOf(req: IncomingMessage): string {
    const { socket, headers } = req
    if (headers['x-forwarded-for'] === undefined) return socket.remoteAddress ?? ''
    const asExpress = Object.create(this.#app.request) as Request
    return Object.assign(asExpress, { socket, headers }).ip ?? ''
  }

  /** A server in front may want to be told of files, instead of being sent them. */
  get namesFiles(): boolean {
    return this.#app.get(ACCEL_SETTING) !== undefined
  }

  /** Counts and logs a request from here on, unless it is left to Express after all. */
  begin(req: IncomingMessage, res: ServerResponse, dialect: Dialect): DirectAnswer {
    return new DirectAnswer(req, res, { dialect, ...this.#about })
  }
}

interface About {
  readonly dialect: Dialect
  readonly metrics: Metrics
  readonly log: Logger
  readonly audit: AuditLog
  readonly express: RequestListener
}

export class DirectAnswer {
  readonly #req: IncomingMessage
  readonly #res: ServerResponse
  readonly #about: About
  readonly #id: string
  readonly #from = performance.now()
  readonly #socket: IncomingMessage['socket']
  readonly #in: number
  readonly #out: number
  #left = false
  #caller: Caller | undefined
  #changed: Repo | undefined

  constructor(req: IncomingMessage, res: ServerResponse, about: About) {
    this.#req = req
    this.#res = res
    this.#about = about
    this.#id = idOf(req)
    this.#socket = req.socket
    this.#in = req.socket.bytesRead
    this.#out = req.socket.bytesWritten
    about.metrics.begin()
    res.once('close', () => this.#end())
  }

  /** Whose request it turned out to be, and for the audit log the repository that it came to change. */
  by(caller: Caller, changed?: Repo): void {
    this.#caller = caller
    this.#changed = changed
  }

  /** The whole answer, 200: `headers` as names and values in turn, without the request's id and the length. */
  send(headers: readonly string[], body: Buffer): void {
    const length = String(body.length)
    this.#res.writeHead(200, ['X-Request-Id', this.#id, ...headers, 'Content-Length', length])
    this.#res.end(body)
  }

  /** As `send`, with nothing in it. */
  sendEmpty(headers: readonly string[]): void {
    // node sees to the length, as it does where Express ends an answer without a body
    this.#res.setHeader('X-Request-Id', this.#id)
    for (let at = 0; at + 1 < headers.length; at += 2)
      this.#res.setHeader(headers[at] ?? '', headers[at + 1] ?? '')
    this.#res.end()
  }

  /** Express answers after all, and counts and logs it. */
  leave(): void {
    if (this.#res.closed) return // nobody is there to be answered, and it is counted already
    this.#left = true
    this.#about.metrics.undo()
    this.#about.express(this.#req, this.#res)
  }

  #end(): void {
    if (this.#left) return
    const { dialect, metrics, log, audit } = this.#about
    const caller = this.#caller
    const ended = {
      id: this.#id,
      method: this.#req.method ?? '',
      url: this.#req.url ?? '',
      status: this.#res.statusCode,
      errored: Boolean(this.#res.errored),
      cut: !this.#res.writableFinished,
      caller: caller ? nameOfCaller(caller) : '-',
      dialect,
      bytesIn: Math.max(0, this.#socket.bytesRead - this.#in),
      bytesOut: Math.max(0, this.#socket.bytesWritten - this.#out),
      ms: performance.now() - this.#from,
    }
    metrics.endDirect(ended)
    logRequest(log, ended)
    if (caller && this.#changed) recordDirectAct(audit, caller, this.#changed, ended)
  }
}
