import { rename, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import express from 'express'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { closeServer, listen, newApp } from '../../src/http/server.js'
import { ADMIN_TOKEN, startTestHub, type TestHub } from '../support/hub.js'

/** Writes bytes as they are and answers everything that comes back until the server closes or `until` is seen. */
async function raw(url: string, bytes: string | string[], until?: RegExp): Promise<string> {
  const socket = open(url)
  let text = ''
  const done = new Promise<void>((resolve) => {
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      if (until?.test(text)) resolve()
    })
    socket.on('close', () => resolve())
    socket.on('error', () => resolve())
  })
  for (const piece of [bytes].flat()) socket.write(piece, 'latin1')
  await done
  socket.destroy()
  return text
}

function open(url: string): Socket {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  onTestFinished(() => {
    socket.destroy()
  })
  return socket
}

const statusOf = (text: string) => Number(/^HTTP\/1\.\d (\d+)/.exec(text)?.[1])
const isAlive = async (hub: TestHub) => (await hub.api('/healthz')).status

test('malformed requests are refused and the next one is served', async () => {
  const hub = await startTestHub()
  const end = 'Connection: close\r\n\r\n'
  const cases: [name: string, bytes: string, status: number][] = [
    ['no HTTP', 'hello\r\n\r\n', 400],
    ['no version (HTTP/0.9)', 'GET /\r\n\r\n', 404],
    ['no host', `GET /healthz HTTP/1.1\r\n${end}`, 400],
    [
      'two lengths',
      `POST /api/login HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n${end}abcd`,
      400,
    ],
    [
      'length and chunked',
      `POST /api/login HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n${end}0\r\n\r\n`,
      400,
    ],
    [
      'chunked not last',
      `POST /api/login HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n${end}0\r\n\r\n`,
      400,
    ],
    ['negative length', `POST /api/login HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n${end}`, 400],
    [
      'bad chunk size',
      `POST /api/repos/create HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n${end}zz\r\n`,
      400,
    ],
    [
      'control character in a header',
      `GET /healthz HTTP/1.1\r\nHost: h\r\nX-A: a\x01b\r\n${end}`,
      400,
    ],
    ['line folding before the first header', `GET /healthz HTTP/1.1\r\n Host: h\r\n${end}`, 400],
    ['long URL', `GET /${'a'.repeat(70_000)} HTTP/1.1\r\nHost: h\r\n${end}`, 431],
    [
      'long header',
      `GET /healthz HTTP/1.1\r\nHost: h\r\nX-A: ${'a'.repeat(70_000)}\r\n${end}`,
      431,
    ],
    ['escape that is none', `GET /api/models/a/%E0%A4%A HTTP/1.1\r\nHost: h\r\n${end}`, 404],
    ['URL as proxies ask', `GET http://elsewhere/healthz HTTP/1.1\r\nHost: h\r\n${end}`, 200],
    ['two slashes', `GET //healthz HTTP/1.1\r\nHost: h\r\n${end}`, 404],
    [
      'two slashes and a host',
      `GET //elsewhere/../../etc/passwd HTTP/1.1\r\nHost: h\r\n${end}`,
      404,
    ],
    ['dots', `GET /../../etc/passwd HTTP/1.1\r\nHost: h\r\n${end}`, 404],
    ['HTTP/1.0', `GET /healthz HTTP/1.0\r\n\r\n`, 200],
    ['unknown method', `BREW /healthz HTTP/1.1\r\nHost: h\r\n${end}`, 400],
    ['asterisk', `OPTIONS * HTTP/1.1\r\nHost: h\r\n${end}`, 404],
    [
      'cookie that is none',
      `GET /api/whoami-v2 HTTP/1.1\r\nHost: h\r\nCookie: session_id=%E0%A4%A\r\n${end}`,
      401,
    ],
    [
      'credentials that are none',
      `GET /api/whoami-v2 HTTP/1.1\r\nHost: h\r\nAuthorization: Basic ***\r\n${end}`,
      401,
    ],
    [
      'two authorizations',
      `GET /healthz HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n${end}`,
      200,
    ],
  ]
  const got = await Promise.all(
    cases.map(async ([name, bytes]) => [name, statusOf(await raw(hub.url, bytes))]),
  )
  expect(got).toEqual(cases.map(([name, , status]) => [name, status]))
  expect(await isAlive(hub)).toBe(200)
})

test('what no route takes is a JSON object that tells nothing', async () => {
  const hub = await startTestHub()
  for (const path of ['/nothing/here/at/all', '/api/nothing', '/api/v9/x', '/favicon.ico']) {
    const reply = await hub.api(path)
    expect([path, reply.status, typeof reply.json]).toEqual([path, 404, 'object'])
    expect(reply.text).not.toMatch(/node_modules|\.ts|\.js:|at /)
  }
})

test('an error outside every dialect says nothing of the inside', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const app = newApp({ log: pino({ level: 'silent' }), trustProxy: false })
  app.get('/boom', () => {
    throw new Error('secret detail')
  })
  const { lastAnswers } = await import('../../src/http/server.js')
  app.use(...lastAnswers())
  const { server, url } = await listen(app, '127.0.0.1', 0)
  onTestFinished(() => closeServer(server, 0))
  const reply = await fetch(`${url}/boom`, { headers: { Authorization: `Bearer ${ada.token}` } })
  expect([reply.status, await reply.json()]).toEqual([500, { error: 'internal error' }])
})

/** 100 MB of JSON to every route that reads a body, announced or in chunks: refused while it comes, in flat memory. */
const JSON_ROUTES: readonly [method: string, path: string][] = [
  ['POST', '/api/repos/create'],
  ['DELETE', '/api/repos/delete'],
  ['POST', '/api/repos/move'],
  ['POST', '/api/repos/squash'],
  ['POST', '/api/login'],
  ['PUT', '/api/models/ada/big/settings'],
  ['POST', '/api/models/ada/big/preupload/main'],
  ['POST', '/api/models/ada/big/paths-info/main'],
  ['POST', '/api/models/ada/big/branch/x'],
  ['POST', '/api/models/ada/big/tag/main'],
  ['POST', '/ada/big.git/info/lfs/objects/batch'],
  ['POST', '/ada/big.git/info/lfs/locks'],
  ['POST', '/ada/big.git/info/lfs/locks/verify'],
  ['POST', '/api/auth/login'],
  ['POST', '/api/validate-yaml'],
  ['POST', '/api/models/ada/big/duplicate'],
  ['POST', '/api/models/ada/big/discussions'],
]

test.each(['announced', 'chunked'] as const)(
  '100 MB bodies, %s, are refused early',
  async (way) => {
    const hub = await startTestHub()
    const ada = await hub.user('ada')
    await hub.api('/api/repos/create', { as: ada, body: { name: 'big' } })
    const before = process.memoryUsage().rss
    let most = 0
    for (const [method, path] of JSON_ROUTES) {
      const { status, sent } = await sendForever(hub, ada.token, method, path, way)
      expect([method, path, status]).toEqual([method, path, 413])
      most = Math.max(most, sent)
    }
    // what fits into the buffers between us, not what was announced
    expect(most).toBeLessThan(40_000_000)
    expect(process.memoryUsage().rss - before).toBeLessThan(200_000_000)
    expect(await isAlive(hub)).toBe(200)
  },
)

/** Until something happens on the connection, its end included. */
function moved(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    for (const event of ['drain', 'data', 'close'] as const) socket.once(event, () => resolve())
  })
}

/** Sends until an answer comes, at most 100 MB. */
async function sendForever(
  hub: TestHub,
  token: string,
  method: string,
  path: string,
  way: 'announced' | 'chunked',
): Promise<{ status: number; sent: number }> {
  const total = 100_000_000
  const socket = open(hub.url)
  let reply = ''
  socket.on('data', (chunk) => {
    reply += chunk.toString('latin1')
  })
  socket.on('error', () => undefined)
  const length = way === 'announced' ? `Content-Length: ${total}` : 'Transfer-Encoding: chunked'
  const type = path.includes('info/lfs') ? 'application/vnd.git-lfs+json' : 'application/json'
  socket.write(
    `${method} ${path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ${token}\r\nContent-Type: ${type}\r\n${length}\r\n\r\n`,
  )
  const piece = Buffer.alloc(65_536, ' ')
  let sent = 0
  while (!reply.includes('\r\n\r\n') && sent < total && !socket.destroyed) {
    if (way === 'chunked') socket.write(`${piece.length.toString(16)}\r\n`)
    const flushed = socket.write(piece)
    if (way === 'chunked') socket.write('\r\n')
    sent += piece.length
    if (!flushed) await moved(socket)
    else await new Promise((resolve) => setImmediate(resolve))
  }
  if (!reply.includes('\r\n\r\n') && !socket.destroyed) await moved(socket)
  socket.destroy()
  return { status: statusOf(reply), sent }
}

test('deeply nested JSON is an ordinary mistake', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const deep = `${'['.repeat(2_000_000)}${']'.repeat(2_000_000)}`
  for (const body of [deep, `{"name":${deep}}`, `{"name":"x","type":${deep}}`]) {
    const reply = await hub.api('/api/repos/create', { as: ada, body })
    expect(reply.status).toBe(400)
  }
  expect(await isAlive(hub)).toBe(200)
})

test('a client that stands still is cut off, one that waits for us is not', async () => {
  const app = express()
  app.post('/body', (req, res) => {
    req.resume().on('end', () => res.end('ok'))
  })
  app.get('/slow', (_req, res) => {
    setTimeout(() => res.end('at last'), 1_500)
  })
  const limits = { headersMs: 300, idleMs: 400 }
  const { server, url } = await listen(app, '127.0.0.1', 0, limits)
  onTestFinished(() => closeServer(server, 0))
  const halfHead = raw(url, 'GET /slow HTTP/1.1\r\nHost: h\r\nX-')
  const halfBody = raw(url, 'POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc')
  const patient = raw(url, 'GET /slow HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
  expect(statusOf(await halfHead)).toBe(408)
  expect(await halfBody).toBe('')
  expect(await patient).toContain('at last')
})

test('not ready while the database is locked or the disk refuses', async () => {
  const hub = await startTestHub()
  expect((await hub.api('/readyz')).json).toEqual({ status: 'ok', database: 'ok', objects: 'ok' })

  const other = new Database(join(hub.dataDir, 'packhorse.sqlite'))
  onTestFinished(() => {
    other.close()
  })
  other.exec('begin immediate')
  const locked = await hub.api('/readyz')
  other.exec('rollback')
  expect([locked.status, locked.json.database]).toEqual([503, 'failed'])

  await rename(join(hub.dataDir, 'objects'), join(hub.dataDir, 'away'))
  await writeFile(join(hub.dataDir, 'objects'), 'a file where a directory should be')
  const broken = await hub.api('/readyz')
  expect([broken.status, broken.json.objects]).toEqual([503, 'failed'])
  expect((await hub.api('/healthz')).status).toBe(200)
})

test('metrics count by dialect and class of status, for direct local callers and administrators', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await hub.api('/api/repos/create', { as: ada, body: { name: 'counted' } })
  await hub.api('/ada/counted.git/info/refs?service=git-upload-pack')
  await hub.api('/ada/nothing.git/info/refs?service=git-upload-pack', { as: ada })
  await hub.api('/nowhere/at/all')
  const { text, status } = await hub.api('/metrics')
  expect(status).toBe(200)
  for (const line of [
    'packhorse_http_requests_total{dialect="git",status="2xx"} 1',
    'packhorse_http_requests_total{dialect="git",status="4xx"} 1',
    'packhorse_http_requests_total{dialect="kohaku",status="2xx"} 1',
    'packhorse_http_requests_total{dialect="none",status="4xx"} 1',
    'packhorse_repositories 1',
    'packhorse_users 1',
    'packhorse_lfs_bytes 0',
    'packhorse_jobs{state="failing"} 0',
    'packhorse_webhook_queues{state="due"} 0',
  ])
    expect(text).toContain(line)
  expect(text).toMatch(/^packhorse_git_processes \d+$/m)
  expect(text).toMatch(/packhorse_http_request_seconds_bucket\{le="0\.1",dialect="git"\} \d/)

  const proxied = { 'X-Forwarded-For': '203.0.113.9' }
  expect((await hub.api('/metrics', { headers: proxied })).status).toBe(404)
  expect((await hub.api('/metrics', { headers: proxied, as: ada })).status).toBe(404)
  const admin = { ...proxied, 'X-Admin-Token': ADMIN_TOKEN }
  expect((await hub.api('/metrics', { headers: admin })).status).toBe(200)
})

test('metrics can be open or off', async () => {
  const headers = { 'X-Forwarded-For': '203.0.113.9' }
  const open = await startTestHub({ PACKHORSE_METRICS: 'open' })
  expect((await open.api('/metrics', { headers })).status).toBe(200)
  const off = await startTestHub({ PACKHORSE_METRICS: 'off' })
  expect((await off.api('/metrics', { headers: { 'X-Admin-Token': ADMIN_TOKEN } })).status).toBe(
    404,
  )
})
