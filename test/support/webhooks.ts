import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import type { TestHub, TestUser } from './hub.js'

export interface Received {
  readonly headers: IncomingHttpHeaders
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests read whatever the hub sent
  readonly json: any
}

export interface Receiver {
  readonly url: string
  readonly port: number
  /** In the order of arrival; also what was refused. */
  readonly received: Received[]
  /** Status of the answers from here on; a function may wait or answer by what came. */
  answer: (it: Received) => number | Promise<number>
  /** Once there are this many. */
  until(count: number): Promise<Received[]>
  /** Once this holds. */
  untilSeen(holds: (it: Received) => boolean): Promise<Received>
  close(): Promise<void>
}

/** Somebody's server that webhooks are delivered to. Closed when the test is over. */
export async function startReceiver(port = 0, address = '127.0.0.1'): Promise<Receiver> {
  const received: Received[] = []
  const listeners = new Set<() => void>()
  const server: Server = createServer(async (req, res) => {
    const pieces: Buffer[] = []
    for await (const piece of req) pieces.push(piece as Buffer)
    const text = Buffer.concat(pieces).toString('utf8')
    const it = { headers: req.headers, text, json: JSON.parse(text) }
    received.push(it)
    for (const listener of listeners) listener()
    const status = await receiver.answer(it)
    res.writeHead(status, status < 400 && status >= 300 ? { Location: '/elsewhere' } : {}).end('ok')
  })
  server.listen(port, address)
  await once(server, 'listening')
  const when = async <T>(find: () => T | undefined): Promise<T> => {
    for (;;) {
      const found = find()
      if (found !== undefined) return found
      await new Promise<void>((resolve) => {
        const listener = () => {
          listeners.delete(listener)
          resolve()
        }
        listeners.add(listener)
      })
    }
  }
  const receiver: Receiver = {
    url: `http://${address}:${(server.address() as AddressInfo).port}/hook`,
    port: (server.address() as AddressInfo).port,
    received,
    answer: () => 200,
    until: (count) => when(() => (received.length >= count ? received.slice(0, count) : undefined)),
    untilSeen: (holds) => when(() => received.find(holds)),
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  onTestFinished(() => receiver.close())
  return receiver
}

export const WEBHOOKS = '/api/settings/webhooks'

/** A webhook as the client creates it. Answers its id. */
export async function watch(
  hub: Pick<TestHub, 'api'>,
  as: TestUser,
  url: string,
  watched: readonly { type: string; name: string }[],
  more: Record<string, unknown> = {},
): Promise<string> {
  const { status, json, text } = await hub.api(WEBHOOKS, { as, body: { url, watched, ...more } })
  if (status !== 200) throw new Error(`${status} ${text}`)
  return json.webhook.id
}

/** What the signature of a delivery must be. */
export function signatureOf(text: string, secret: string): string {
  return `sha256=${createHmac('sha256', secret).update(text).digest('hex')}`
}

/** Once the log says so of its newest delivery. */
export async function untilLogged(
  hub: Pick<TestHub, 'api'>,
  as: TestUser,
  id: string,
  // biome-ignore lint/suspicious/noExplicitAny: as the API answers
  holds: (log: any[]) => boolean,
  // biome-ignore lint/suspicious/noExplicitAny: as the API answers
): Promise<any[]> {
  for (;;) {
    const { json } = await hub.api(`${WEBHOOKS}/${id}/deliveries`, { as })
    if (holds(json)) return json
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

export async function createRepo(
  hub: Pick<TestHub, 'api'>,
  as: TestUser,
  name: string,
  more: object = {},
): Promise<void> {
  const { status, text } = await hub.api('/api/repos/create', { as, body: { name, ...more } })
  if (status !== 200) throw new Error(`${status} ${text}`)
}
