/** An LFS server that takes no time: objects stay in memory, nothing is checked. What it costs is the client. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { closeServer, readAll } from './in-process.js'
import type { LfsPeer } from './lfs-peers.js'

interface Batch {
  readonly operation: 'upload' | 'download'
  readonly objects: readonly { readonly oid: string; readonly size: number }[]
}

export async function startLfsFloor(): Promise<LfsPeer> {
  const objects = new Map<string, Buffer>()
  const server = createServer((req, res) => {
    answer(req, res, objects).catch((error: Error) => res.destroy(error))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    name: 'floor',
    lfsUrl: async (repository) => `${url}/${repository}`,
    clearObjects: async () => objects.clear(),
    stop: () => closeServer(server),
  }
}

async function answer(
  req: IncomingMessage,
  res: ServerResponse,
  objects: Map<string, Buffer>,
): Promise<void> {
  const oid = req.url?.split('/').at(-1) ?? ''
  if (req.method === 'PUT') {
    objects.set(oid, await readAll(req))
    res.end()
    return
  }
  const found = objects.get(oid)
  if (req.method === 'GET') {
    if (!found) res.writeHead(404).end()
    else res.writeHead(200, { 'Content-Length': String(found.length) }).end(found)
    return
  }
  const asked = JSON.parse((await readAll(req)).toString()) as Batch
  const origin = `http://${req.headers.host}`
  const planned = asked.objects.map(({ oid, size }) => ({
    oid,
    size,
    authenticated: true,
    ...(asked.operation === 'upload' && objects.has(oid)
      ? {}
      : { actions: { [asked.operation]: { href: `${origin}/object/${oid}` } } }),
  }))
  const body = JSON.stringify({ transfer: 'basic', objects: planned })
  res.writeHead(200, { 'Content-Type': 'application/vnd.git-lfs+json' }).end(body)
}
