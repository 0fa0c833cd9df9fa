import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { onTestFinished } from 'vitest'

export interface CountingProxy {
  readonly url: string
  /** Bytes that clients sent since the last call. */
  takeSent(): number
}

/** A way to the hub that counts what clients send. The hub puts its address into answers, because clients name it as Host. */
export async function countingProxy(target: string): Promise<CountingProxy> {
  const { hostname, port } = new URL(target)
  let sent = 0
  const server = createServer((client) => {
    const hub = connect(Number(port), hostname)
    client.on('data', (block) => {
      sent += block.length
    })
    client.pipe(hub).pipe(client)
    client.on('error', () => hub.destroy())
    hub.on('error', () => client.destroy())
    client.on('close', () => hub.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    takeSent() {
      const taken = sent
      sent = 0
      return taken
    },
  }
}
