import { once } from 'node:events'
import { type IncomingHttpHeaders, request } from 'node:http'
import { connect } from 'node:net'
import type { Readable } from 'node:stream'
import type { TestUser } from './hub.js'

export interface RawReply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export interface RawRequest {
  readonly method?: string
  readonly as?: TestUser
  readonly headers?: Record<string, string>
  /** A buffer goes with Content-Length, a stream in chunks. */
  readonly body?: Buffer | Readable
}

/** A request exactly as given: the path is not normalised, no header is added but Host and Authorization. */
export async function rawRequest(
  base: string,
  path: string,
  options: RawRequest = {},
): Promise<RawReply> {
  const { hostname, port } = new URL(base)
  const { method = 'GET', as, headers = {}, body } = options
  const req = request({
    hostname,
    port,
    path,
    method,
    agent: false,
    headers: {
      ...(as ? { Authorization: `Bearer ${as.token}` } : {}),
      ...(Buffer.isBuffer(body) ? { 'Content-Length': body.length } : {}),
      ...headers,
    },
  })
  const answered = once(req, 'response')
  if (body && !Buffer.isBuffer(body)) body.pipe(req)
  else req.end(body)
  const [reply] = await answered
  // an early answer may be followed by a reset of what is still being sent
  req.on('error', () => undefined)
  const chunks: Buffer[] = []
  for await (const chunk of reply) chunks.push(chunk as Buffer)
  return { status: reply.statusCode, headers: reply.headers, body: Buffer.concat(chunks) }
}

/** Sends bytes on a socket, ends its own half where asked, and answers all that comes back until the other end closes. */
export async function rawSocket(
  base: string,
  bytes: string | Buffer,
  options: { halfClose?: boolean; untilText?: string } = {},
): Promise<string> {
  const { hostname, port } = new URL(base)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  socket.write(bytes)
  if (options.halfClose) socket.end()
  let text = ''
  for await (const chunk of socket) {
    text += (chunk as Buffer).toString('latin1')
    if (options.untilText && text.includes(options.untilText)) break
  }
  socket.destroy()
  return text
}
