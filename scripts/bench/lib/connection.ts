/**
 * One keep-alive HTTP/1.1 connection that costs as little as it can, because client and server share the machine:
 * bytes are read into one buffer, counted and dropped unless the body is asked for.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { ReplyParser } from './reply-parser.js'

export interface Reply {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly bytes: number
  readonly body: Buffer
}

export interface Ask {
  readonly method?: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer | Readable
  /** Needed when the body is a stream. */
  readonly bodySize?: number
  /** Keep the answer's body; otherwise it is counted and dropped. */
  readonly keep?: boolean
}

const READ_BUFFER = 512 * 1024
const IDLE_MS = 300_000

export class Connection {
  readonly #socket: Socket
  readonly #host: string
  #parser: ReplyParser | undefined
  #fail: ((error: Error) => void) | undefined

  private constructor(url: URL) {
    this.#host = url.host
    const buffer = Buffer.allocUnsafe(READ_BUFFER)
    this.#socket = connect({
      host: url.hostname,
      port: Number(url.port),
      noDelay: true,
      onread: {
        buffer,
        callback: (size) => {
          this.#parser?.feed(buffer.subarray(0, size))
          return true
        },
      },
    })
    this.#socket.setTimeout(IDLE_MS, () => this.#socket.destroy(new Error('no byte for too long')))
    this.#socket.on('error', (error) => this.#fail?.(error))
    this.#socket.on('close', () => {
      if (!this.#parser?.finishAtClose())
        this.#fail?.(new Error('the server closed the connection'))
    })
  }

  static async open(url: string | URL): Promise<Connection> {
    const connection = new Connection(new URL(url))
    await once(connection.#socket, 'connect')
    return connection
  }

  async ask(ask: Ask): Promise<Reply> {
    const reply = new Promise<Reply>((resolve, reject) => {
      this.#fail = reject
      this.#parser = new ReplyParser(ask.method === 'HEAD', ask.keep === true, resolve)
    })
    const { body } = ask
    const size = Buffer.isBuffer(body) ? body.length : ask.bodySize
    const head = this.#head(ask, size)
    if (body === undefined || Buffer.isBuffer(body)) {
      this.#socket.write(body ? Buffer.concat([head, body]) : head)
      return reply
    }
    this.#socket.write(head)
    await Promise.race([this.#send(body), reply])
    return reply
  }

  close(): void {
    this.#fail = undefined
    this.#socket.destroy()
  }

  #head(ask: Ask, size: number | undefined): Buffer {
    const lines = [`${ask.method ?? 'GET'} ${ask.path} HTTP/1.1`, `Host: ${this.#host}`]
    if (size !== undefined) lines.push(`Content-Length: ${size}`)
    for (const [name, value] of Object.entries(ask.headers ?? {})) lines.push(`${name}: ${value}`)
    return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)
  }

  async #send(body: Readable): Promise<void> {
    for await (const chunk of body) {
      if (this.#socket.destroyed) return
      if (!this.#socket.write(chunk)) await once(this.#socket, 'drain')
    }
  }
}

/** One request on a connection of its own. */
export async function askOnce(origin: string | URL, ask: Ask): Promise<Reply> {
  const connection = await Connection.open(origin)
  try {
    return await connection.ask(ask)
  } finally {
    connection.close()
  }
}

/** Requests per second over `connections` keep-alive connections, each asking `asks` round and round. */
export async function rate(
  origin: string | URL,
  asks: readonly Ask[],
  { connections, seconds }: { connections: number; seconds: number },
): Promise<number> {
  const opened = await Promise.all(
    Array.from({ length: connections }, () => Connection.open(origin)),
  )
  const begin = performance.now()
  const deadline = begin + seconds * 1000
  let rounds = 0
  try {
    await Promise.all(
      opened.map(async (connection) => {
        while (performance.now() < deadline) {
          for (const ask of asks) expectOk(await connection.ask(ask), ask)
          rounds += 1
        }
      }),
    )
  } finally {
    for (const connection of opened) connection.close()
  }
  return rounds / ((performance.now() - begin) / 1000)
}

/** The route does not exist yet: said by the row, not an error of the run. */
export class NotYet extends Error {
  override name = 'NotYet'
}

export function expectOk(reply: Reply, ask: Ask): Reply {
  if (reply.status >= 200 && reply.status < 300) return reply
  const what = `${ask.method ?? 'GET'} ${ask.path.split('?')[0]} answers ${reply.status}`
  if (reply.status === 404 || reply.status === 501) throw new NotYet(what)
  throw new Error(`${what} ${reply.body.toString('utf8', 0, 300)}`)
}
