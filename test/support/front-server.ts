import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/* Servers in front of a hub that tests start: Apache, nginx. */

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  return port
}

/** Waits until the hub is reached through it. */
export async function untilItServes(url: string, why: () => Promise<string>): Promise<void> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await sleep(50))
    if (
      await fetch(`${url}/healthz`).then(
        (it) => it.ok,
        () => false,
      )
    )
      return
  throw new Error(`the server in front did not come up: ${await why()}`)
}
