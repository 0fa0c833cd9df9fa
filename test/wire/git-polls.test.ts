import { once } from 'node:events'
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import Database from 'better-sqlite3'
import { pino } from 'pino'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { closeServer, listen } from '../../src/http/server.js'
import { buildApp, startHub } from '../../src/hub.js'
import { DELIM, FLUSH, pktLine } from '../../src/protocol/pkt-line.js'
import { bareDir, createRepo, initWork } from '../support/git-work.js'
import {
  ADMIN_TOKEN,
  gitOk,
  startTestHub,
  type TestHub,
  type TestUser,
  tempDir,
} from '../support/hub.js'
import { rawSocket } from '../support/raw-http.js'

/*
 * Polls that were decided before are answered in front of Express (src/dialects/git-smart/polls.ts). What is compared here
 * is the hub with the same routes behind a listener of nothing but Express.
 */
let hub: TestHub
let ada: TestUser
let eve: TestUser
let expressUrl: string

beforeEach(async () => {
  hub = await startTestHub()
  ada = await hub.user('ada')
  eve = await hub.user('eve')
  await createRepo(hub, ada, 'open')
  await createRepo(hub, ada, 'secret', { visibility: 'private' })
  await createRepo(hub, ada, 'data', { type: 'dataset' })
  const work = await initWork(await tempDir(), 'work')
  await gitOk(work, ['tag', '-a', 'v1', '-m', 'v1'])
  for (const path of ['ada/open', 'ada/secret', 'datasets/ada/data'])
    await gitOk(work, ['push', '-q', hub.gitUrl(path, ada), 'main', 'v1'])
  const { server, url } = await listen(
    buildApp(hub.domain, pino({ level: 'silent' })),
    '127.0.0.1',
    0,
  )
  onTestFinished(() => closeServer(server, 0))
  expressUrl = url
})

const V2 = { 'Git-Protocol': 'version=2' }
const UPLOAD = { 'Content-Type': 'application/x-git-upload-pack-request' }
const bearer = (token: string) => ({ Authorization: `Bearer ${token}` })
const basic = (name: string, secret: string) => ({
  Authorization: `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`,
})

interface Ask {
  readonly method?: string
  readonly path: string
  readonly headers?: Record<string, string>
  readonly body?: Buffer
}

/** The bytes of a request that asks for the connection to be kept, unless its headers say otherwise. */
function bytesOf({ method = 'GET', path, headers = {}, body }: Ask): Buffer {
  const all = { ...headers, ...(body ? { 'Content-Length': String(body.length) } : {}) }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  const head = `${method} ${path} HTTP/1.1\r\nHost: hub.example\r\n${lines.join('')}\r\n`
  return Buffer.concat([Buffer.from(head), body ?? Buffer.alloc(0)])
}

/** The whole answer as bytes, without what differs from request to request. */
async function answerOf(url: string, ask: Ask): Promise<string> {
  const headers = { ...ask.headers, Connection: 'close' }
  const text = await rawSocket(url, bytesOf({ ...ask, headers }))
  return unchunked(text.replace(/^(X-Request-Id|Date): .*\r\n/gm, ''))
}

/** What git itself says comes in chunks as it says it. */
function unchunked(text: string): string {
  const start = text.indexOf('\r\n\r\n') + 4
  if (!/^Transfer-Encoding: chunked\r$/m.test(text.slice(0, start))) return text
  let body = ''
  for (let at = start; ; ) {
    const end = text.indexOf('\r\n', at)
    const size = Number.parseInt(text.slice(at, end), 16)
    if (!(size > 0)) return text.slice(0, start) + body
    body += text.slice(end + 2, end + 2 + size)
    at = end + 2 + size + 2
  }
}

/** Answers of a connection that stays open, by one request after the other. */
async function conversation(url: string) {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  onTestFinished(() => {
    socket.destroy()
  })
  await once(socket, 'connect')
  return async (ask: Ask): Promise<number> => {
    let text = ''
    socket.write(bytesOf(ask))
    for (;;) {
      const [chunk] = (await once(socket, 'data')) as [Buffer]
      text += chunk.toString('latin1')
      const end = text.indexOf('\r\n\r\n')
      const length = /^Content-Length: (\d+)/im.exec(text)?.[1]
      if (end > 0 && length !== undefined && text.length >= end + 4 + Number(length)) break
    }
    return Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1])
  }
}

async function metric(name: string): Promise<number> {
  const { text } = await hub.api('/metrics')
  const line = text.split('\n').find((it) => it.startsWith(`${name} `))
  return Number(line?.slice(name.length + 1))
}
const directCount = () => metric('packhorse_http_direct_total')

function lsRefs(args: string[] = ['peel', 'symrefs'], format = 'sha1'): Buffer {
  return Buffer.concat([
    pktLine('command=ls-refs\n'),
    pktLine(`object-format=${format}\n`),
    DELIM,
    ...args.map((it) => pktLine(`${it}\n`)),
    FLUSH,
  ])
}

function advertise(base: string, headers: Record<string, string> = {}): Ask {
  const path = `${base}/info/refs?service=git-upload-pack`
  return { path, headers: { ...V2, ...headers } }
}

function list(base: string, headers: Record<string, string> = {}, body = lsRefs()): Ask {
  const path = `${base}/git-upload-pack`
  return { method: 'POST', path, headers: { ...V2, ...UPLOAD, ...headers }, body }
}

/** Asks until it is answered in front of Express: what is written in between, by a job, makes it decide anew. */
async function askUntilDirect(ask: Ask): Promise<void> {
  const before = await directCount()
  for (const end = Date.now() + 20_000; Date.now() < end; ) {
    await answerOf(hub.url, ask)
    if ((await directCount()) > before) return
  }
  throw new Error(`${ask.method ?? 'GET'} ${ask.path} was never answered directly`)
}

describe('an answer in front of Express is the one that Express gives', () => {
  const credentials: [string, (hub: TestHub) => Record<string, string>][] = [
    ['anonymous', () => ({})],
    ['token', () => bearer(ada.token)],
    ['token as password', () => basic('ada', ada.token)],
    ['proxied', () => ({ ...bearer(ada.token), 'X-Forwarded-For': '203.0.113.9, 10.0.0.1' })],
    ['own request id', () => ({ ...bearer(ada.token), 'X-Request-Id': 'mine-1' })],
  ]

  test('polls that are answered directly', async () => {
    for (const [name, headersOf] of credentials) {
      const headers = headersOf(hub)
      const bases = ['/ada/open', '/ada/open.git', '/models/ada/open', '/datasets/ada/data.git']
      if (name !== 'anonymous') bases.push('/ada/secret.git')
      for (const base of bases)
        for (const ask of [
          advertise(base, headers),
          advertise(base, { ...headers, 'Git-Protocol': 'version=2:extra' }),
          list(base, headers),
          list(base, headers, lsRefs([])),
          list(base, headers, lsRefs(['symrefs', 'ref-prefix refs/tags/', 'ref-prefix refs/he'])),
        ]) {
          await askUntilDirect(ask)
          const [direct, express] = [await answerOf(hub.url, ask), await answerOf(expressUrl, ask)]
          expect(direct, `${name} ${base}`).toBe(express)
          expect(direct).toMatch(/^HTTP\/1\.1 200 /)
        }
    }
  })

  test('polls of the real git are answered directly', async () => {
    const url = hub.gitUrl('ada/secret', ada)
    const dir = await tempDir()
    const said = new Set<string>()
    const before = await directCount()
    for (const end = Date.now() + 20_000; (await directCount()) < before + 4; ) {
      expect(Date.now()).toBeLessThan(end)
      said.add(await gitOk(dir, ['ls-remote', '--symref', url]))
    }
    expect([...said]).toEqual([expect.stringMatching(/^ref: refs\/heads\/main\tHEAD\n/)])
  })

  test('everything else is left to Express', async () => {
    const mine = bearer(ada.token)
    const flush = lsRefs()
    const asks: Record<string, Ask> = {
      'no such token': advertise('/ada/open.git', bearer('hf_nothing')),
      'hidden, anonymous': list('/ada/secret.git'),
      'hidden, somebody else': list('/ada/secret.git', bearer(eve.token)),
      'hidden, wrong password': list('/ada/secret.git', basic('ada', 'wrong')),
      'a password': list('/ada/secret.git', basic('ada', 'ada-password')),
      'a cookie': list('/ada/open.git', { Cookie: 'session_id=nothing' }),
      'the operator': list('/ada/secret.git', { 'X-Admin-Token': ADMIN_TOKEN }),
      'no such repository': advertise('/ada/nothing.git', mine),
      'not version 2': { path: '/ada/open.git/info/refs?service=git-upload-pack', headers: mine },
      'another query': { path: '/ada/open.git/info/refs?service=git-upload-pack&x=1', headers: V2 },
      'the query of another': { path: '/ada/open.git/HEAD?/info/refs?service=git-upload-pack' },
      dumb: { path: '/ada/open.git/info/refs', headers: { ...V2, ...mine } },
      push: { path: '/ada/open.git/info/refs?service=git-receive-pack', headers: mine },
      HEAD: { ...advertise('/ada/open.git', mine), method: 'HEAD' },
      'wrong method': { ...advertise('/ada/open.git', mine), method: 'PUT' },
      'wrong type': list('/ada/open.git', { ...mine, 'Content-Type': 'text/plain' }),
      'type with parameter': list('/ada/open.git', {
        ...mine,
        'Content-Type': 'application/x-git-upload-pack-request; x=y',
      }),
      gzip: list('/ada/open.git', { ...mine, 'Content-Encoding': 'gzip' }, gzipSync(flush)),
      'encoding that is none': list('/ada/open.git', { ...mine, 'Content-Encoding': 'br' }),
      'no packet': list('/ada/open.git', mine, Buffer.from('nonsense')),
      'no flush': list('/ada/open.git', mine, flush.subarray(0, -4)),
      empty: list('/ada/open.git', mine, Buffer.alloc(0)),
      'another object format': list('/ada/open.git', mine, lsRefs([], 'sha256')),
      'another command': list('/ada/open.git', mine, Buffer.concat([pktLine('command=x'), FLUSH])),
      long: list('/ada/open.git', mine, lsRefs(Array(2_000).fill('ref-prefix refs/tags/v'))),
      'a fetch': list(
        '/ada/open.git',
        mine,
        Buffer.concat([
          pktLine('command=fetch\n'),
          DELIM,
          pktLine(`want ${'1'.repeat(40)}`),
          FLUSH,
        ]),
      ),
    }
    // the rights to read are there, so that it is not for want of them that Express is asked
    await askUntilDirect(list('/ada/open.git', mine))
    await askUntilDirect(list('/ada/open.git'))
    await askUntilDirect(list('/ada/secret.git', mine))
    for (const [name, ask] of Object.entries(asks)) {
      const before = await directCount()
      const [here, express] = [await answerOf(hub.url, ask), await answerOf(expressUrl, ask)]
      expect(here, name).toBe(express)
      expect(here, name).toMatch(/^HTTP\/1\.1 \d+ /)
      expect(await answerOf(hub.url, ask), name).toBe(express)
      expect([name, await directCount()]).toEqual([name, before])
    }
  })

  test('the old address of a moved repository redirects, before and after it was polled', async () => {
    await askUntilDirect(advertise('/ada/open.git', bearer(ada.token)))
    const move = { fromRepo: 'ada/open', toRepo: 'ada/moved', type: 'model' }
    expect((await hub.api('/api/repos/move', { as: ada, body: move })).status).toBe(200)
    for (let n = 0; n < 3; n += 1) {
      const old = await answerOf(hub.url, advertise('/ada/open.git', bearer(ada.token)))
      expect(old).toMatch(
        /^HTTP\/1\.1 301 [\s\S]*\nLocation: \/ada\/moved\.git\/info\/refs\?service=/,
      )
    }
    await askUntilDirect(list('/ada/moved.git', bearer(ada.token)))
  })
})

describe('on a connection that is kept', () => {
  /** As another process would: by a connection to the database that the hub knows nothing of. */
  function elsewhere(sql: string): void {
    const db = new Database(hub.domain.config.db)
    expect(db.prepare(sql).run().changes).toBeGreaterThan(0)
    db.close()
  }

  test.each([
    [
      'a token is revoked',
      `delete from token where user_id = (select id from namespace where name = 'ada')`,
      401,
    ],
    ['a token expires', `update token set expires_at = '2020-01-01T00:00:00.000Z'`, 401],
    ['the account is switched off', `update namespace set is_active = 0 where name = 'ada'`, 401],
    ['the repository is switched off', `update repo set disabled = 1 where name = 'secret'`, 403],
    [
      'the repository goes to somebody else',
      `update repo set namespace_id = (select id from namespace where name = 'eve') where name = 'secret'`,
      404,
    ],
  ])('%s elsewhere: the next request is refused', async (_what, sql, status) => {
    const say = await conversation(hub.url)
    for (const ask of [
      advertise('/ada/secret.git', bearer(ada.token)),
      list('/ada/secret.git', bearer(ada.token)),
    ])
      await askUntilDirect(ask)
    expect(await say(list('/ada/secret.git', bearer(ada.token)))).toBe(200)
    elsewhere(sql)
    expect(await say(list('/ada/secret.git', bearer(ada.token)))).toBe(status)
    expect(await say(advertise('/ada/secret.git', bearer(ada.token)))).toBe(status)
  })

  test('a repository made private elsewhere is absent for the next request', async () => {
    const say = await conversation(hub.url)
    await askUntilDirect(list('/ada/open.git'))
    await askUntilDirect(advertise('/ada/open.git', bearer(eve.token)))
    elsewhere(`update repo set visibility = 'private' where name = 'open'`)
    expect(await say(list('/ada/open.git'))).toBe(401)
    expect(await say(advertise('/ada/open.git', bearer(eve.token)))).toBe(404)
    elsewhere(`update repo set visibility = 'public' where name = 'open'`)
    expect(await say(list('/ada/open.git'))).toBe(200)
  })

  test('a token that expires while nothing is written stops at its time', async () => {
    const expiresAt = new Date(Date.now() + 1_500).toISOString()
    const headers = bearer(await hub.token(ada.user, { role: 'read', expiresAt }))
    const say = await conversation(hub.url)
    expect(await say(list('/ada/secret.git', headers))).toBe(200)
    while (new Date().toISOString() < expiresAt) await say(list('/ada/secret.git', headers))
    expect(await say(list('/ada/secret.git', headers))).toBe(401)
  })

  test('a ref moved by git itself is in the next answer', async () => {
    const dir = await bareDir(hub, 'ada', 'open')
    const ask = list('/ada/open.git')
    for (let n = 0; n < 2; n += 1) {
      await askUntilDirect(ask)
      await gitOk(dir, ['update-ref', `refs/heads/local-${n}`, 'main'])
      expect(await answerOf(hub.url, ask)).toContain(`refs/heads/local-${n}\n`)
    }
  })

  test('requests that come without waiting for the answers are answered in order', async () => {
    const asks = [advertise('/ada/open.git'), list('/ada/open.git')]
    for (const ask of asks) await askUntilDirect(ask)
    const close = { path: '/healthz', headers: { Connection: 'close' } }
    const text = await rawSocket(hub.url, Buffer.concat([...asks, ...asks, close].map(bytesOf)))
    const types = [...text.matchAll(/^Content-Type: (\S+?);?\s/gm)].map((it) => it[1])
    const pair = [
      'application/x-git-upload-pack-advertisement',
      'application/x-git-upload-pack-result',
    ]
    expect(types).toEqual([...pair, ...pair, 'application/json'])
  })
})

test('a body that breaks off or comes in pieces', async () => {
  const ask = list('/ada/open.git')
  await askUntilDirect(ask)
  const bytes = bytesOf({ ...ask, headers: { ...ask.headers, Connection: 'close' } })
  await rawSocket(hub.url, bytes.subarray(0, -10), { halfClose: true })
  const { hostname, port } = new URL(hub.url)
  const socket = connect(Number(port), hostname)
  for (let at = 0; at < bytes.length; at += 40) {
    socket.write(bytes.subarray(at, at + 40))
    await new Promise((resolve) => setImmediate(resolve))
  }
  let text = ''
  for await (const chunk of socket) text += (chunk as Buffer).toString('latin1')
  expect(text).toContain('refs/heads/main\n')
  await expect.poll(() => metric('packhorse_http_requests_in_flight')).toBe(1) // the one that asks
})

test('direct answers are counted as all others are', async () => {
  const ask = list('/ada/open.git', bearer(ada.token))
  const bytes = bytesOf({ ...ask, headers: { ...ask.headers, Connection: 'close' } })
  const name = 'packhorse_http_requests_total{dialect="git",status="2xx"}'
  const out = 'packhorse_http_bytes_total{dialect="git",direction="out"}'
  const counts = async () => [await directCount(), await metric(name), await metric(out)] as const
  for (let n = 0; ; n += 1) {
    const before = await counts()
    const sent = (await rawSocket(hub.url, bytes)).length
    const after = await counts()
    expect(after.slice(1)).toEqual([before[1] + 1, before[2] + sent])
    if (after[0] === before[0] + 1) break
    // a job wrote something, so that Express had to decide
    expect(n).toBeLessThan(50)
  }
})

test('direct answers are logged as all others are', async () => {
  await hub.close()
  const lines: string[] = []
  const log = pino({ level: 'info' }, { write: (line) => lines.push(line) })
  const again = await startHub(hub.domain.config, log)
  onTestFinished(() => again.close())
  const ask = list('/ada/secret.git', basic('ada', ada.token))
  const sizes: number[] = []
  const direct = async () =>
    Number(
      /^packhorse_http_direct_total (\d+)$/m.exec(
        await (await fetch(`${again.url}/metrics`)).text(),
      )?.[1],
    )
  while ((await direct()) < 2) {
    const headers = { ...ask.headers, Connection: 'close', 'X-Request-Id': `poll-${sizes.length}` }
    sizes.push((await rawSocket(again.url, bytesOf({ ...ask, headers }))).length)
  }
  const polls = lines.map((it) => JSON.parse(it)).filter((it) => it.req?.method === 'POST')
  expect(polls).toHaveLength(sizes.length)
  for (const [n, line] of polls.entries()) {
    expect(line).toMatchObject({
      msg: 'request',
      req: { id: `poll-${n}`, method: 'POST', path: '/ada/secret.git/git-upload-pack' },
      res: { status: 200 },
      caller: 'ada',
      dialect: 'git',
      repo: 'model/ada/secret',
      bytesOut: sizes[n],
      responseTime: expect.any(Number),
    })
    expect(Object.keys(line)).toEqual(Object.keys(polls[0]))
    expect(JSON.stringify(line)).not.toContain(ada.token)
  }
})
