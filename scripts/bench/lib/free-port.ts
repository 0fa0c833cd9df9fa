import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'

/** For peers that cannot listen on "any port and say which". */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

export async function whenAnswering(url: string): Promise<true | undefined> {
  return fetch(url).then(
    async (reply) => {
      await reply.body?.cancel()
      return true as const
    },
    () => undefined,
  )
}
