/** Speaks to the content-addressed store as hf_xet does (xet-wire 2), without hashing or keeping anything. */
import { createReadStream } from 'node:fs'
import type { XetFile } from '../generate/xet-file.js'
import type { Hub } from '../servers/hub.js'
import { type Ask, Connection, expectOk } from './connection.js'

/** Requests at once for one file. */
const AT_ONCE = 4
const READ_BYTES = 512 * 1024

interface Session {
  readonly origin: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

async function openSession(hub: Hub, repository: string, right: 'read' | 'write') {
  const path = `/api/models/${hub.id(repository)}/xet-${right}-token/main`
  const reply = await one(hub.url, { path, headers: hub.bearer, keep: true })
  const { casUrl, accessToken } = JSON.parse(reply.body.toString())
  const { origin, pathname } = new URL(casUrl)
  return { origin, path: pathname, headers: { Authorization: `Bearer ${accessToken}` } }
}

async function one(origin: string, ask: Ask) {
  const connection = await Connection.open(origin)
  try {
    return expectOk(await connection.ask(ask), ask)
  } finally {
    connection.close()
  }
}

/** Every task on one of a few connections, each of which takes the next when it is done. */
async function inTurns(origin: string, tasks: readonly (() => Ask)[], sizes?: number[]) {
  let next = 0
  const worker = async () => {
    const connection = await Connection.open(origin)
    try {
      for (;;) {
        const at = next++
        const task = tasks[at]
        if (!task) return
        const ask = task()
        const { bytes } = expectOk(await connection.ask(ask), ask)
        sizes?.push(bytes)
      }
    } finally {
      connection.close()
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}

/** Xorbs, then the shard; ends when the hub has verified the file and serves it. */
export async function uploadXet(hub: Hub, repository: string, file: XetFile): Promise<void> {
  const session = await openSession(hub, repository, 'write')
  const tasks = file.xorbs.map(({ hash, at, bytes }) => (): Ask => {
    const body = createReadStream(file.path, {
      start: at,
      end: at + bytes - 1,
      highWaterMark: READ_BYTES,
    })
    return { ...post(session, `/v1/xorbs/default/${hash}`), body, bodySize: bytes }
  })
  await inTurns(session.origin, tasks)
  await one(session.origin, { ...post(session, '/v1/shards'), body: file.shard })
}

function post({ path, headers }: Session, route: string): Ask {
  return { method: 'POST', path: `${path}${route}`, headers }
}

interface FetchInfo {
  readonly url: string
  readonly url_range: { readonly start: number; readonly end: number }
}

/** Reconstruction, then all its ranges; the bytes are counted and dropped. */
export async function downloadXet(hub: Hub, repository: string, file: XetFile): Promise<void> {
  const session = await openSession(hub, repository, 'read')
  const { body } = await one(session.origin, {
    path: `${session.path}/v1/reconstructions/${file.hash}`,
    headers: session.headers,
    keep: true,
  })
  const plan = JSON.parse(body.toString()) as { fetch_info: Record<string, FetchInfo[]> }
  const ranges = Object.values(plan.fetch_info).flat()
  const tasks = ranges.map(({ url, url_range: { start, end } }) => (): Ask => {
    const { pathname, search } = new URL(url)
    return { path: pathname + search, headers: { Range: `bytes=${start}-${end}` } }
  })
  const sizes: number[] = []
  await inTurns(session.origin, tasks, sizes)
  const got = sizes.reduce((sum, it) => sum + it, 0)
  const stored = file.xorbs.reduce((sum, it) => sum + it.bytes, 0)
  if (got !== stored) throw new Error(`${got} of ${stored} stored bytes came`)
}
