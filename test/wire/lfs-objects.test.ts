import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { startTestHub, type TestHub, type TestUser } from '../support/hub.js'
import {
  batch,
  createRepo,
  download,
  type LfsAction,
  objectOf,
  pointerOf,
  postJson,
  put,
  randomObject,
  repoOf,
  send,
  storedKeys,
  type TestObject,
  uploadAll,
  verifyHref,
} from '../support/lfs.js'

/* Upload, download and verify on local disk: the hub's own endpoints (docs/api/lfs.md). */

async function start(env: Record<string, string> = {}) {
  const hub = await startTestHub(env)
  const ada = await hub.user('ada')
  await createRepo(hub, ada, 'r')
  return { hub, ada }
}

async function actionsOf(hub: TestHub, as: TestUser, object: TestObject, path = 'ada/r') {
  const { objects } = await batch(hub, path, 'upload', [pointerOf(object)], { as })
  if (!objects[0]?.actions) throw new Error('no actions')
  return objects[0].actions
}

async function downloadAction(hub: TestHub, as: TestUser, object: TestObject): Promise<string> {
  const { objects } = await batch(hub, 'ada/r', 'download', [pointerOf(object)], { as })
  return objects[0]?.actions?.download.href ?? ''
}

/** Nothing of an upload is left: no object, no temporary file. */
async function expectNothing(hub: TestHub, ada: TestUser, object: TestObject) {
  expect(await download(hub, 'ada/r', ada, object)).toBe(404)
  expect(await storedKeys(hub)).toEqual([])
  expect(await readdir(join(hub.dataDir, 'objects/incoming')).catch(() => [])).toEqual([])
}

describe('upload', () => {
  test('takes the promised bytes, chunked or not, and nothing is there before the last of them', async () => {
    const { hub, ada } = await start()
    const object = randomObject(300_000)
    const { upload, verify } = await actionsOf(hub, ada, object)
    expect(verify).toBeUndefined()
    const asked = verifyHref(hub, ada, (await repoOf(hub, 'ada', 'r')).id, object)
    expect((await postJson(asked, pointerOf(object))).status).toBe(404)
    const body = [object.bytes.subarray(0, 1000), object.bytes.subarray(1000)]
    const stored = await send('PUT', upload.href, { body })
    expect([stored.status, stored.body.length]).toEqual([200, 0])
    expect((await postJson(asked, pointerOf(object))).status).toBe(200)
    expect(await download(hub, 'ada/r', ada, object)).toEqual(object.bytes)
  })

  test('other bytes, fewer and more are refused and leave nothing', async () => {
    const { hub, ada } = await start()
    const object = randomObject(200_000)
    const { upload } = await actionsOf(hub, ada, object)
    const attempts: [Buffer | Buffer[], number][] = [
      [randomBytes(200_000), 422],
      [object.bytes.subarray(1), 422],
      [Buffer.concat([object.bytes, Buffer.from('x')]), 422],
      [[object.bytes.subarray(0, 100_000)], 422],
      [[object.bytes, randomBytes(3_000_000)], 413],
      [Buffer.alloc(0), 422],
    ]
    for (const [body, status] of attempts) {
      const headers: Record<string, string> = Array.isArray(body)
        ? {}
        : { 'Content-Length': String(body.length) }
      const reply = await send('PUT', upload.href, { headers, body })
      expect([reply.status, JSON.parse(String(reply.body)).message]).toEqual([
        status,
        expect.stringMatching(/bytes|SHA-256/),
      ])
      await expectNothing(hub, ada, object)
    }
    expect((await put(upload, object.bytes)).status).toBe(200)
  })

  test('one that breaks off in the middle leaves nothing', async () => {
    const { hub, ada } = await start()
    const object = randomObject(1_000_000)
    const { upload } = await actionsOf(hub, ada, object)
    const { hostname, port, pathname, search } = new URL(upload.href)
    const socket = connect(Number(port), hostname)
    socket.write(
      `PUT ${pathname}${search} HTTP/1.1\r\nHost: x\r\nContent-Length: ${object.size}\r\n\r\n`,
    )
    socket.write(object.bytes.subarray(0, 500_000))
    const incoming = join(hub.dataDir, 'objects/incoming')
    while ((await readdir(incoming).catch(() => [])).length === 0) await pause()
    socket.destroy()
    while ((await readdir(incoming)).length > 0) await pause()
    await expectNothing(hub, ada, object)
    expect((await put(upload, object.bytes)).status).toBe(200)
  })

  test('several of the same object at once all succeed, and it is stored once', async () => {
    const { hub, ada } = await start()
    await createRepo(hub, ada, 'other')
    const object = randomObject(400_000)
    const actions = [
      await actionsOf(hub, ada, object),
      await actionsOf(hub, ada, object),
      await actionsOf(hub, ada, object, 'ada/other'),
    ]
    const replies = await Promise.all(actions.map(({ upload }) => put(upload, object.bytes)))
    expect(replies.map((it) => it.status)).toEqual([200, 200, 200])
    expect(await storedKeys(hub)).toHaveLength(1)
    expect(await download(hub, 'ada/r', ada, object)).toEqual(object.bytes)
    expect(await download(hub, 'ada/other', ada, object)).toEqual(object.bytes)
  })

  test('an object that is stored already is checked again and changes nothing', async () => {
    const { hub, ada } = await start()
    const object = randomObject(1000)
    const { upload } = await actionsOf(hub, ada, object)
    for (let n = 0; n < 2; n += 1) expect((await put(upload, object.bytes)).status).toBe(200)
    expect((await put(upload, randomBytes(1000))).status).toBe(422)
    expect(await download(hub, 'ada/r', ada, object)).toEqual(object.bytes)
    expect(await storedKeys(hub)).toHaveLength(1)
  })
})

describe('download', () => {
  const object = randomObject(100_000)
  const get = async (headers: Record<string, string>, method = 'GET') => {
    const { hub, ada } = await start()
    await uploadAll(hub, 'ada/r', ada, [object])
    return send(method, await downloadAction(hub, ada, object), { headers })
  }
  const etag = `"${object.oid}"`
  const part = (first: number, last: number) => object.bytes.subarray(first, last + 1)

  test('tells what it sends', async () => {
    const { status, headers, body } = await get({})
    expect([status, body.equals(object.bytes)]).toEqual([200, true])
    expect(headers).toMatchObject({
      'content-length': '100000',
      'content-type': 'application/octet-stream',
      'content-disposition': 'attachment',
      'accept-ranges': 'bytes',
      'x-content-type-options': 'nosniff',
      etag,
    })
  })

  test('HEAD answers the same headers without a body', async () => {
    const { status, headers, body } = await get({}, 'HEAD')
    expect([status, headers['content-length'], body.length]).toEqual([200, '100000', 0])
  })

  test.each([
    ['bytes=0-0', 0, 0],
    ['bytes=99000-', 99_000, 99_999],
    ['bytes=-10', 99_990, 99_999],
    ['bytes=500-1499', 500, 1499],
    ['bytes=99999-200000', 99_999, 99_999],
  ])('range %s', async (range, first, last) => {
    const { status, headers, body } = await get({ Range: range })
    expect([status, headers['content-range']]).toEqual([206, `bytes ${first}-${last}/100000`])
    expect(body.equals(part(first, last))).toBe(true)
  })

  test('several ranges come as parts', async () => {
    const { status, headers, body } = await get({ Range: 'bytes=0-9,50-59' })
    expect([status, headers['content-type']]).toEqual([
      206,
      expect.stringContaining('multipart/byteranges'),
    ])
    expect(body.includes(part(0, 9))).toBe(true)
    expect(body.includes(part(50, 59))).toBe(true)
  })

  test.each(['bytes=100000-', 'bytes=200000-300000'])('unsatisfiable %s', async (range) => {
    const { status, headers } = await get({ Range: range })
    expect([status, headers['content-range']]).toEqual([416, 'bytes */100000'])
  })

  test.each([
    [{ 'If-None-Match': etag }, 304],
    [{ 'If-None-Match': `"other", W/${etag}` }, 304],
    [{ 'If-None-Match': '*' }, 304],
    [{ 'If-None-Match': '"other"' }, 200],
    [{ 'If-Range': etag, Range: 'bytes=0-9' }, 206],
    [{ 'If-Range': '"other"', Range: 'bytes=0-9' }, 200],
    [{ 'If-Range': 'Wed, 21 Oct 2026 07:28:00 GMT', Range: 'bytes=0-9' }, 200],
  ])('%o is %i', async (headers, status) => {
    expect((await get(headers as unknown as Record<string, string>)).status).toBe(status)
  })
})

describe('an action’s link', () => {
  const paths = (action: LfsAction) => new URL(action.href)
  const withToken = (action: LfsAction, from: LfsAction) => {
    const url = paths(action)
    url.searchParams.set('token', paths(from).searchParams.get('token') ?? '')
    return url.href
  }

  test('is for one operation, object and repository', async () => {
    const { hub, ada } = await start()
    await createRepo(hub, ada, 'other')
    const [one, two] = [randomObject(100), randomObject(100)]
    const mine = await actionsOf(hub, ada, one)
    const others = await actionsOf(hub, ada, two)
    const elsewhere = await actionsOf(hub, ada, one, 'ada/other')
    await uploadAll(hub, 'ada/r', ada, [objectOf(Buffer.from('there'))])
    const verify = verifyHref(hub, ada, (await repoOf(hub, 'ada', 'r')).id, one)
    const tries: [string, string][] = [
      ['PUT', withToken(mine.upload, { ...mine.upload, href: verify })],
      ['PUT', withToken(mine.upload, others.upload)],
      ['PUT', withToken(mine.upload, elsewhere.upload)],
      ['PUT', mine.upload.href.replace('/upload?', '/part?')],
      ['GET', mine.upload.href.replace('/upload?', '/download?')],
      ['POST', mine.upload.href.replace('/upload?', '/complete?')],
      ['POST', mine.upload.href.replace('/upload?', '/verify?')],
      ['PUT', paths(mine.upload).href.replace(/token=.*/, '')],
      ['PUT', `${mine.upload.href}x`],
      ['PUT', mine.upload.href.replace(/token=[^.]*/, 'token=eyJhbGciOiJub25lIn0')],
    ]
    for (const [method, href] of tries) {
      const reply = await send(method, href, method === 'GET' ? {} : { body: one.bytes })
      expect([href, reply.status]).toEqual([href, 401])
    }
    expect(await storedKeys(hub)).toHaveLength(1)
  })

  test('ends', async () => {
    const { hub, ada } = await start()
    const object = randomObject(10)
    const { upload } = await actionsOf(hub, ada, object)
    expect([upload.expires_in, Date.parse(upload.expires_at) > Date.now()]).toEqual([86_400, true])
    const repo = await repoOf(hub, 'ada', 'r')
    const action = { op: 'lfs.upload', repoId: repo.id, ...pointerOf(object), userId: ada.user.id }
    const late = hub.domain.signer.sign(action as never, -1)
    const href = upload.href.replace(/token=.*/, `token=${late}`)
    expect((await send('PUT', href, { body: object.bytes })).status).toBe(401)
  })

  test('ends with the right of the one who asked for it, and with the repository', async () => {
    const { hub, ada } = await start()
    const eve = await hub.user('eve')
    await hub.org('acme', ada, { eve: 'contributor' })
    await createRepo(hub, ada, 'shared', { organization: 'acme', private: true })
    const [kept, object] = [randomObject(10), randomObject(10)]
    await uploadAll(hub, 'acme/shared', eve, [kept])
    const { upload } = await actionsOf(hub, eve, object, 'acme/shared')
    const { objects } = await batch(hub, 'acme/shared', 'download', [pointerOf(kept)], { as: eve })
    const get = objects[0]?.actions?.download.href ?? ''
    expect((await send('GET', get)).status).toBe(200)
    const org = await hub.domain.stores.accounts.findOrg('acme')
    await hub.domain.stores.accounts.setMember(org?.id ?? 0, eve.user.id, 'reader')
    expect((await put(upload, object.bytes)).status).toBe(403)
    expect((await send('GET', get)).status).toBe(200)
    await hub.domain.stores.accounts.setMember(org?.id ?? 0, eve.user.id, null)
    expect((await put(upload, object.bytes)).status).toBe(404)
    expect((await send('GET', get)).status).toBe(404)
    const mine = await actionsOf(hub, ada, object, 'acme/shared')
    const body = { name: 'shared', organization: 'acme' }
    await hub.api('/api/repos/delete', { method: 'DELETE', as: ada, body })
    expect((await put(mine.upload, object.bytes)).status).toBe(404)
  })

  test('goes on working when the repository is renamed meanwhile', async () => {
    const { hub, ada } = await start()
    const object = randomObject(10)
    const { upload } = await actionsOf(hub, ada, object)
    const body = { fromRepo: 'ada/r', toRepo: 'ada/renamed', type: 'model' }
    await hub.api('/api/repos/move', { as: ada, body })
    expect((await put(upload, object.bytes)).status).toBe(200)
    expect(await download(hub, 'ada/renamed', ada, object)).toEqual(object.bytes)
  })

  test('verify tells what is there, and only for its own object', async () => {
    const { hub, ada } = await start()
    const object = randomObject(10)
    const verify = verifyHref(hub, ada, (await repoOf(hub, 'ada', 'r')).id, object)
    await uploadAll(hub, 'ada/r', ada, [object])
    expect((await postJson(verify, pointerOf(object))).status).toBe(200)
    for (const [body, status] of [
      [{ ...pointerOf(object), size: 11 }, 422],
      [pointerOf(randomObject(10)), 422],
      [{}, 422],
      ['{', 422],
    ] as const)
      expect((await postJson(verify, body)).status).toBe(status)
  })
})

const pause = () => new Promise((resolve) => setTimeout(resolve, 5))
