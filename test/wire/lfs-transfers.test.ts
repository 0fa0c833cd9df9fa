import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import Database from 'better-sqlite3'
import { pino } from 'pino'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { SignedAction } from '../../src/domain/access/signed-actions.js'
import { closeServer, listen } from '../../src/http/server.js'
import { buildApp } from '../../src/hub.js'
import { startTestHub, type TestHub, type TestUser } from '../support/hub.js'
import {
  createRepo,
  download,
  objectOf,
  randomObject,
  repoOf,
  storedKeys,
  type TestObject,
  uploadAll,
} from '../support/lfs.js'
import { rawSocket } from '../support/raw-http.js'

/*
 * Small objects by their links, answered in front of Express (src/dialects/lfs/transfers.ts). What is compared here is the
 * hub with the same routes behind a listener of nothing but Express.
 */
let hub: TestHub
let ada: TestUser
let eve: TestUser
let expressUrl: string
let repoId: string

beforeEach(async () => {
  hub = await startTestHub()
  ada = await hub.user('ada')
  eve = await hub.user('eve')
  await hub.org('lab', ada, { eve: 'contributor' })
  await createRepo(hub, ada, 'r', { private: true, organization: 'lab' })
  repoId = (await repoOf(hub, 'lab', 'r')).id
  const app = buildApp(hub.domain, pino({ level: 'silent' }))
  const { server, url } = await listen(app, '127.0.0.1', 0)
  onTestFinished(() => closeServer(server, 0))
  expressUrl = url
})

interface Ask {
  readonly method: string
  readonly path: string
  readonly headers?: Record<string, string>
  readonly body?: Buffer
}

type Step = 'upload' | 'download'

function link(step: Step, { oid, size }: TestObject, more: Partial<SignedAction> = {}, ttl = 60) {
  const op = `lfs.${step}` as const
  const action = { op, repoId, oid, size, userId: eve.user.id, role: 'write', ...more } as const
  return `/lfs/${repoId}/${oid}/${step}?token=${hub.domain.signer.sign(action, ttl)}`
}

const putOf = (object: TestObject, headers: Record<string, string> = {}): Ask => ({
  method: 'PUT',
  path: link('upload', object),
  headers,
  body: object.bytes,
})
const getOf = (object: TestObject, headers: Record<string, string> = {}): Ask => ({
  method: 'GET',
  path: link('download', object),
  headers,
})

function bytesOf({ method, path, headers = {}, body }: Ask): Buffer {
  const all = { ...(body ? { 'Content-Length': String(body.length) } : {}), ...headers }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  const head = `${method} ${path} HTTP/1.1\r\nHost: hub.example\r\n${lines.join('')}\r\n`
  return Buffer.concat([Buffer.from(head), body ?? Buffer.alloc(0)])
}

/** The whole answer as bytes, without what differs from request to request. */
async function answerOf(url: string, ask: Ask): Promise<string> {
  const headers = { ...ask.headers, Connection: 'close' }
  const text = await rawSocket(url, bytesOf({ ...ask, headers }))
  return text
    .replace(/^(X-Request-Id|Date): .*\r\n/gm, '')
    .replace(/"request_id":"[^"]*"/, '')
    .replace(/(boundary=|--)[0-9a-f]{24}/g, '$1')
}

/** Statuses of requests on one connection that is kept, one after the other. */
async function conversation() {
  const { hostname, port } = new URL(hub.url)
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

describe('an answer in front of Express is the one that Express gives', () => {
  test.each([
    ['plain', {}],
    ['of git-lfs', { Accept: 'application/vnd.git-lfs+json', 'User-Agent': 'git-lfs/3.3.0' }],
    ['of a browser', { Origin: 'https://elsewhere.example' }],
    ['with an id of its own', { 'X-Request-Id': 'mine-1' }],
    ['through a proxy', { 'X-Forwarded-For': '203.0.113.9' }],
  ])('%s', async (_name, headers) => {
    for (const size of [20_000, 1, 128 * 1024]) {
      const [one, other] = [randomObject(size), randomObject(size)]
      const before = await directCount()
      const direct = await answerOf(hub.url, putOf(one, headers))
      expect(await directCount()).toBe(before + 1)
      expect(direct).toBe(await answerOf(expressUrl, putOf(other, headers)))
      expect(direct).toMatch(/^HTTP\/1\.1 200 /)
      const got = await answerOf(hub.url, getOf(one, headers))
      expect(await directCount()).toBe(before + 2)
      expect(got).toBe(await answerOf(expressUrl, getOf(one, headers)))
      expect(got.endsWith(one.bytes.toString('latin1'))).toBe(true)
    }
  })

  test('what comes again is taken again', async () => {
    const object = randomObject(2_000)
    const [first, second] = [
      await answerOf(hub.url, putOf(object)),
      await answerOf(hub.url, putOf(object)),
    ]
    expect(second).toBe(first)
    expect(await storedKeys(hub)).toHaveLength(1)
  })

  test('everything else is left to Express', async () => {
    const [there, absent, large] = [randomObject(3_000), randomObject(3_000), randomObject(200_000)]
    const empty = objectOf(Buffer.alloc(0))
    await uploadAll(hub, 'lab/r', eve, [there, large, empty])
    const other = { ...putOf(absent), body: randomBytes(absent.size) }
    const short = { ...putOf(absent), body: absent.bytes.subarray(1) }
    const bearer = { Authorization: `Bearer ${eve.token}` }
    const asks: Record<string, Ask> = {
      'other bytes': other,
      'fewer bytes': short,
      'no length': {
        ...putOf(absent),
        headers: { 'Transfer-Encoding': 'chunked' },
        body: Buffer.from('0\r\n\r\n'),
      },
      'an encoding': putOf(randomObject(9), { 'Content-Encoding': 'gzip' }),
      'a large object': getOf(large),
      'an empty object': getOf(empty),
      'an absent object': getOf(absent),
      'a range': getOf(there, { Range: 'bytes=0-9' }),
      'two ranges': getOf(there, { Range: 'bytes=0-0,5-5' }),
      'if-range': getOf(there, { Range: 'bytes=0-9', 'If-Range': '"x"' }),
      'not modified': getOf(there, { 'If-None-Match': `"${there.oid}"` }),
      HEAD: { ...getOf(there), method: 'HEAD' },
      'a method that there is not': { ...getOf(there), method: 'DELETE' },
      'a credential besides': getOf(there, bearer),
      'a wrong credential besides': getOf(there, { Authorization: 'Bearer hf_nothing' }),
      'a cookie besides': getOf(there, { Cookie: 'session_id=x' }),
      'an admin token besides': getOf(there, { 'X-Admin-Token': 'nothing' }),
      'one query more': { ...getOf(there), path: `${getOf(there).path}&x=1` },
      'no token': { ...getOf(there), path: `/lfs/${repoId}/${there.oid}/download` },
      'a token for another step': {
        ...getOf(there),
        path: getOf(there).path.replace(/token=.*/, putOf(there).path.split('?')[1] ?? ''),
      },
      'a token for another object': {
        ...getOf(there),
        path: getOf(there).path.replace(there.oid, large.oid),
      },
      'a forged token': { ...getOf(there), path: getOf(there).path.replace(/.{4}$/, 'AAAA') },
      'an ended link': { ...getOf(there), path: link('download', there, {}, -1) },
      'a link of a reader': { ...putOf(absent), path: link('upload', absent, { role: 'read' }) },
      'a link of nobody': { ...getOf(there), path: link('download', there, { userId: null }) },
      'a link of somebody who is gone': {
        ...getOf(there),
        path: link('download', there, { userId: 999_999 }),
      },
    }
    // the rights are there, so that it is not for want of them that Express is asked
    await answerOf(hub.url, putOf(randomObject(10)))
    await answerOf(hub.url, getOf(there))
    for (const [name, ask] of Object.entries(asks)) {
      const before = await directCount()
      const [here, express] = [await answerOf(hub.url, ask), await answerOf(expressUrl, ask)]
      expect(here, name).toBe(express)
      expect(here, name).toMatch(/^HTTP\/1\.1 \d+ /)
      expect([name, await directCount()]).toEqual([name, before])
    }
    expect(await download(hub, 'lab/r', eve, absent)).toBe(404)
  })

  test('an upload is in the audit log as it is by Express', async () => {
    const objects = [randomObject(500), randomObject(500)] as const
    await answerOf(hub.url, putOf(objects[0]))
    await answerOf(expressUrl, putOf(objects[1]))
    const [last, first] = await hub.domain.audit.list(
      { repo: repoId, action: 'request' },
      undefined,
      2,
    )
    const fixed = { id: 0, at: '', request: '', path: '' }
    expect({ ...first, ...fixed }).toEqual({ ...last, ...fixed })
    expect(first).toMatchObject({
      path: `/lfs/${repoId}/${objects[0].oid}/upload`,
      outcome: 'done',
    })
    expect(first).toMatchObject({ actor: { id: eve.user.id, name: 'eve' }, credential: 'signed' })
  })

  test('who leaves in the middle of a body leaves nothing, and is in the audit log', async () => {
    const object = randomObject(20_000)
    const { hostname, port } = new URL(hub.url)
    const socket = connect(Number(port), hostname)
    await once(socket, 'connect')
    await new Promise((sent) => socket.write(bytesOf(putOf(object)).subarray(0, 5_000), sent))
    await expect.poll(() => metric('packhorse_http_requests_in_flight')).toBe(2)
    socket.destroy()
    await expect.poll(() => metric('packhorse_http_requests_in_flight')).toBe(1)
    const [entry] = await hub.domain.audit.list({ repo: repoId, action: 'request' }, undefined, 1)
    expect(entry).toMatchObject({ outcome: 'cut', method: 'PUT', actor: { name: 'eve' } })
    expect(await storedKeys(hub)).toEqual([])
  })
})

describe('on a connection that is kept, the next request is refused when elsewhere', () => {
  /** As another process would: by a connection to the database that the hub knows nothing of. */
  function elsewhere(sql: string): void {
    const db = new Database(hub.domain.config.db)
    expect(db.prepare(sql).run().changes).toBeGreaterThan(0)
    db.close()
  }
  const later = '2100-01-01T00:00:00.000Z'
  const cases: [string, string, number, number][] = [
    [
      'the account is switched off',
      `update namespace set is_active = 0 where name = 'eve'`,
      401,
      401,
    ],
    ['the repository is switched off', `update repo set disabled = 1 where name = 'r'`, 403, 403],
    [
      'the repository is being deleted',
      `update repo set state = 'deleting' where name = 'r'`,
      404,
      404,
    ],
    [
      'she left the organisation',
      `delete from org_member where user_id = (select id from namespace where name = 'eve')`,
      404,
      404,
    ],
    [
      'she may only read from now on',
      `update org_member set role = 'reader' where user_id = (select id from namespace where name = 'eve')`,
      403,
      200,
    ],
    [
      'the repository is held',
      `insert into repo_hold select 'h', id, 'squash', 'x', 'x', '${later}', '${later}' from repo where name = 'r'`,
      423,
      200,
    ],
    ['the repository is full', `update repo set quota_bytes = 1 where name = 'r'`, 507, 200],
  ]

  test.each(cases)('%s', async (_what, sql, onPut, onGet) => {
    const say = await conversation()
    const there = randomObject(2_000)
    for (const ask of [putOf(there), getOf(there)]) {
      const before = await directCount()
      expect(await say(ask)).toBe(200)
      expect(await directCount()).toBe(before + 1)
    }
    elsewhere(sql)
    expect(await say(putOf(randomObject(2_000)))).toBe(onPut)
    expect(await say(getOf(there))).toBe(onGet)
  })

  test('the gate is closed to readers', async () => {
    elsewhere(`update repo set visibility = 'public' where name = 'r'`)
    const say = await conversation()
    const reader = await hub.user('rita')
    const there = randomObject(2_000)
    expect(await say(putOf(there))).toBe(200)
    const ask = { ...getOf(there), path: link('download', there, { userId: reader.user.id }) }
    expect(await say(ask)).toBe(200)
    elsewhere(`update repo set gate = 'manual' where name = 'r'`)
    expect(await say(ask)).toBe(403)
    expect(await say(getOf(there))).toBe(200)
  })
})

test('the same rights taken away by the hub itself bite on the next request', async () => {
  const say = await conversation()
  const there = randomObject(2_000)
  expect(await say(putOf(there))).toBe(200)
  expect(await say(getOf(there))).toBe(200)
  const { stores } = hub.domain
  const { namespaceId } = await repoOf(hub, 'lab', 'r')
  await stores.accounts.setMember(namespaceId, eve.user.id, 'reader')
  expect(await say(putOf(randomObject(2_000)))).toBe(403)
  await stores.accounts.setMember(namespaceId, eve.user.id, 'contributor')
  expect(await say(putOf(randomObject(2_000)))).toBe(200)
  const hold = { repoId, kind: 'squash', holder: 'x', owner: 'x', seconds: 60 }
  const held = await stores.holds.acquire(hold)
  expect(await say(putOf(randomObject(2_000)))).toBe(423)
  await stores.holds.release(held?.id ?? '')
  expect(await say(putOf(randomObject(2_000)))).toBe(200)
})

test('an upload changes no right, and what changes one is heard of', async () => {
  const { stores } = hub.domain
  const calm = async () => {
    // jobs and "last used" are writes of their own
    const before = stores.rightsVersion()
    await answerOf(hub.url, putOf(randomObject(500)))
    await hub.domain.audit.flush()
    return stores.rightsVersion() === before
  }
  await expect.poll(calm).toBe(true)
  const [before, all] = [stores.rightsVersion(), stores.version()]
  await answerOf(hub.url, putOf(randomObject(500)))
  expect(stores.version()).not.toBe(all)
  const { namespaceId } = await repoOf(hub, 'lab', 'r')
  await stores.accounts.setMember(namespaceId, eve.user.id, 'reader')
  expect(stores.rightsVersion()).not.toBe(before)
})
