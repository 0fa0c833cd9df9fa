/** A server that takes no time: answers of another one, recorded once and given again from memory. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { closeServer, readAll } from './in-process.js'

interface Recorded {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: Buffer
}

const PASSED_ON = ['authorization', 'git-protocol', 'content-type', 'content-encoding', 'accept']
const KEPT = ['content-type', 'cache-control', 'www-authenticate']

/**
 * In front of one origin. What it has not been asked before it passes on; so after one uncounted round the same requests
 * cost what the client costs. It lives in the bench's own process, which has nothing else to do meanwhile.
 */
export class Replay {
  readonly url: string
  readonly #origin: string
  readonly #server: Server
  readonly #recorded = new Map<string, Promise<Recorded>>()

  private constructor(origin: string, server: Server) {
    this.#origin = origin
    this.#server = server
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  static async start(origin: string): Promise<Replay> {
    const server = createServer()
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const replay = new Replay(origin, server)
    server.on('request', (req, res) => {
      replay.#answer(req).then(
        ({ status, headers, body }) => {
          res.writeHead(status, { ...headers, 'Content-Length': String(body.length) }).end(body)
        },
        (error: Error) => res.destroy(error),
      )
    })
    return replay
  }

  async #answer(req: IncomingMessage): Promise<Recorded> {
    const asked = await readAll(req)
    const headers = PASSED_ON.flatMap((name) => {
      const value = req.headers[name]
      return typeof value === 'string' ? [[name, value] as [string, string]] : []
    })
    const sum = createHash('sha256').update(asked).digest('hex')
    const key = JSON.stringify([req.method, req.url, headers, sum])
    const found = this.#recorded.get(key) ?? this.#record(req, headers, asked)
    this.#recorded.set(key, found)
    return found
  }

  async #record(
    { method = 'GET', url = '/' }: IncomingMessage,
    headers: [string, string][],
    asked: Buffer,
  ): Promise<Recorded> {
    const body = asked.length > 0 ? new Uint8Array(asked) : null
    const reply = await fetch(this.#origin + url, { method, headers, body })
    const kept = KEPT.flatMap((name) => {
      const value = reply.headers.get(name)
      return value === null ? [] : [[name, value]]
    })
    return {
      status: reply.status,
      headers: Object.fromEntries(kept),
      body: Buffer.from(await reply.arrayBuffer()),
    }
  }

  stop(): Promise<void> {
    return closeServer(this.#server)
  }
}
