import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { startTestHub } from '../support/hub.js'
import {
  batch,
  createRepo,
  download,
  LFS_HEADERS,
  LFS_JSON,
  pointerOf,
  postBatch,
  randomObject,
  send,
  uploadAll,
} from '../support/lfs.js'

const EMPTY = { oid: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', size: 0 }
const oidOf = () => randomBytes(32).toString('hex')

async function start(env: Record<string, string> = {}) {
  const hub = await startTestHub(env)
  const ada = await hub.user('ada')
  await createRepo(hub, ada, 'r')
  return { hub, ada }
}

test.each([
  ['model', 'ada/r'],
  ['model', 'ada/r.git'],
  ['model', 'models/ada/r.git'],
  ['dataset', 'datasets/ada/r'],
  ['dataset', 'datasets/ada/r.git'],
  ['space', 'spaces/ada/r.git'],
] as const)('a %s answers batches at /%s', async (type, path) => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await createRepo(hub, ada, 'r', { type })
  const object = randomObject(1000)
  const reply = await postBatch(hub, path, 'upload', [pointerOf(object)], { as: ada })
  expect(reply.status).toBe(200)
  expect(reply.headers.get('content-type')).toBe(`${LFS_JSON}; charset=utf-8`)
  expect(reply.json).toMatchObject({ transfer: 'basic', hash_algo: 'sha256' })
  expect(reply.json.objects[0]).toMatchObject({ ...pointerOf(object), authenticated: true })
  await uploadAll(hub, path, ada, [object])
  expect(await download(hub, path, ada, object)).toEqual(object.bytes)
})

test('one bad object does not spoil the others', async () => {
  const { hub, ada } = await start({ PACKHORSE_MAX_LFS_BYTES: '1000000' })
  const good = { oid: oidOf(), size: 10 }
  const bad = [
    [{ oid: 'abc', size: 1 }, 422],
    [{ oid: `${oidOf()}0`, size: 1 }, 422],
    [{ oid: oidOf().replace(/./, 'g'), size: 1 }, 422],
    [{ oid: oidOf().toUpperCase().replace(/./, 'A'), size: 1 }, 422],
    [{ oid: '../../../../etc/passwd', size: 1 }, 422],
    [{ oid: 7, size: 1 }, 422],
    [{ oid: oidOf(), size: -1 }, 422],
    [{ oid: oidOf(), size: 1.5 }, 422],
    [{ oid: oidOf(), size: '1' }, 422],
    [{ oid: oidOf() }, 422],
    [{ oid: oidOf(), size: 2 ** 60 }, 422],
    [{ oid: oidOf(), size: 1_000_001 }, 413],
  ] as const
  const asked = [good, ...bad.map(([object]) => object), EMPTY]
  for (const operation of ['upload', 'download'] as const) {
    const { objects } = await batch(hub, 'ada/r', operation, asked, { as: ada })
    expect(objects.map((it) => it.error?.code)).toEqual([
      operation === 'upload' ? undefined : 404,
      ...bad.map(([, code]) => code),
      operation === 'upload' ? undefined : 404,
    ])
    for (const it of objects) {
      expect([typeof it.oid, typeof it.size]).toEqual(['string', 'number'])
      if (it.error) expect([it.actions, typeof it.error.message]).toEqual([undefined, 'string'])
    }
  }
})

test('an empty object is taken and given back', async () => {
  const { hub, ada } = await start()
  await uploadAll(hub, 'ada/r', ada, [{ ...EMPTY, bytes: Buffer.alloc(0) }])
  expect(await download(hub, 'ada/r', ada, EMPTY)).toEqual(Buffer.alloc(0))
})

test('a stored object has no actions key, and another size for it is an error', async () => {
  const { hub, ada } = await start()
  const object = randomObject(50)
  await uploadAll(hub, 'ada/r', ada, [object])
  const asked = [pointerOf(object), { oid: object.oid, size: 51 }]
  const { objects } = await batch(hub, 'ada/r', 'upload', asked, { as: ada })
  expect(objects[0]).toEqual({ ...pointerOf(object), authenticated: true })
  expect(objects[1]?.error?.code).toBe(422)
})

test('an object named twice in a batch is one upload; with two sizes it is an error', async () => {
  const { hub, ada } = await start()
  const oid = oidOf()
  const twice = await batch(
    hub,
    'ada/r',
    'upload',
    [
      { oid, size: 5 },
      { oid, size: 5 },
    ],
    { as: ada },
  )
  expect(twice.objects.map((it) => it.actions !== undefined)).toEqual([true, true])
  const two = await batch(
    hub,
    'ada/r',
    'upload',
    [
      { oid, size: 5 },
      { oid, size: 6 },
    ],
    { as: ada },
  )
  expect(two.objects.filter((it) => it.error?.code === 422)).toHaveLength(1)
})

describe('what is over a quota', () => {
  test('is 507 for each object, and asking again does not count it twice', async () => {
    const { hub, ada } = await start({ PACKHORSE_PUBLIC_QUOTA_BYTES: '20000' })
    const small = randomObject(12_000)
    const asked = [pointerOf(small), { oid: oidOf(), size: 50_000 }]
    const over = await batch(hub, 'ada/r', 'upload', asked, { as: ada })
    expect(over.objects.map((it) => it.error?.code)).toEqual([507, 507])
    for (let n = 0; n < 3; n += 1) {
      const { objects } = await batch(hub, 'ada/r', 'upload', [pointerOf(small)], { as: ada })
      expect(objects[0]?.error).toBeUndefined()
    }
    await uploadAll(hub, 'ada/r', ada, [small])
  })
})

test('hash algorithms, refs and transfers as clients name them', async () => {
  const { hub, ada } = await start()
  const asked = [{ oid: oidOf(), size: 10 }]
  const post = async (extra: Record<string, unknown>) =>
    (await postBatch(hub, 'ada/r', 'upload', asked, { as: ada, extra })).status
  for (const hash_algo of ['sha256', 'sha_256', null]) expect(await post({ hash_algo })).toBe(200)
  expect(await post({ hash_algo: 'sha1' })).toBe(409)
  for (const ref of [{ name: 'refs/heads/main' }, { name: 'main' }, { name: 'no/such' }, null])
    expect(await post({ ref })).toBe(200)
  for (const transfers of [undefined, null, [], ['basic'], ['ssh', 'basic'], ['multipart', 'xet']])
    expect(await post({ transfers })).toBe(200)
  expect(await post({ transfers: ['tus'] })).toBe(422)
  expect(await post({ ref: 'main' })).toBe(422)
  expect(await post({ operation: 'delete' })).toBe(422)
  expect(await post({ objects: 'all' })).toBe(422)
})

test('media types: LFS or plain JSON both ways, and nothing else', async () => {
  const { hub, ada } = await start()
  const url = `${hub.url}/ada/r/info/lfs/objects/batch`
  const body = JSON.stringify({ operation: 'download', objects: [] })
  const post = async (headers: Record<string, string>) => {
    const auth = { Authorization: `Bearer ${ada.token}` }
    const reply = await send('POST', url, {
      headers: { ...auth, ...headers },
      body: Buffer.from(body),
    })
    if (reply.status !== 200) expect(JSON.parse(String(reply.body)).message).toBeTypeOf('string')
    return reply.status
  }
  expect(await post(LFS_HEADERS)).toBe(200)
  expect(await post({ ...LFS_HEADERS, 'Content-Type': `${LFS_JSON}; charset=utf-8` })).toBe(200)
  expect(await post({ 'Content-Type': 'application/json' })).toBe(200)
  expect(await post({ ...LFS_HEADERS, Accept: '*/*' })).toBe(200)
  expect(await post({ ...LFS_HEADERS, Accept: 'text/html' })).toBe(406)
  expect(await post({ Accept: LFS_JSON, 'Content-Type': 'text/plain' })).toBe(415)
  expect(await post({ 'Content-Type': 'application/x-www-form-urlencoded' })).toBe(415)
  expect(await post({})).toBe(415)
})

test('bodies that cannot be read get a clear answer, whatever is wrong with them', async () => {
  const { hub, ada } = await start()
  const url = `${hub.url}/ada/r/info/lfs/objects/batch`
  const headers = { ...LFS_HEADERS, Authorization: `Bearer ${ada.token}` }
  const post = async (body: string | Buffer, more: Record<string, string> = {}) => {
    const reply = await send('POST', url, {
      headers: { ...headers, ...more },
      body: Buffer.from(body),
    })
    expect(JSON.parse(String(reply.body)).message).toBeTypeOf('string')
    return reply.status
  }
  for (const body of ['', '{', 'null', '[]', '"x"', '{"operation":"upload"}', '\0\xff'])
    expect(await post(body)).toBe(422)
  expect(await post('{}', { 'Content-Encoding': 'gzip' })).toBe(422)
  expect(await post('{}', { 'Content-Encoding': 'br' })).toBe(415)
  expect(await post(Buffer.alloc(11 * 1024 * 1024, 32))).toBe(413)
  const objects = Array.from({ length: 10_001 }, () => ({ oid: 'x', size: 1 }))
  expect(await post(JSON.stringify({ operation: 'upload', objects }))).toBe(422)
  expect((await postBatch(hub, 'ada/r', 'upload', [], { as: ada })).status).toBe(200)
})

describe('who may', () => {
  test('anonymous callers are asked to log in, in LFS words, for what is hidden or absent alike', async () => {
    const { hub, ada } = await start()
    await createRepo(hub, ada, 'secret', { private: true })
    const asked = [{ oid: oidOf(), size: 1 }]
    for (const [path, operation] of [
      ['ada/secret', 'download'],
      ['ada/secret', 'upload'],
      ['ada/absent', 'download'],
      ['ada/r', 'upload'],
    ] as const) {
      const reply = await postBatch(hub, path, operation, asked)
      expect(reply.status).toBe(401)
      expect(reply.headers.get('lfs-authenticate')).toContain('Basic')
      expect(reply.headers.get('content-type')).toContain(LFS_JSON)
    }
    const open = await postBatch(hub, 'ada/r', 'download', asked)
    expect(open.json.objects[0].error.code).toBe(404)
    const wrong = { Authorization: 'Bearer hf_wrongwrongwrongwrongwrongwrongwrong' }
    const body = { operation: 'download', objects: asked }
    const headers = { ...LFS_HEADERS, ...wrong }
    expect((await hub.api('/ada/r/info/lfs/objects/batch', { body, headers })).status).toBe(401)
  })

  test('strangers see no private repository; readers, and read tokens, may not upload', async () => {
    const { hub, ada } = await start()
    await createRepo(hub, ada, 'secret', { private: true })
    const bob = await hub.user('bob')
    const asked = [{ oid: oidOf(), size: 1 }]
    for (const operation of ['download', 'upload'] as const)
      expect((await postBatch(hub, 'ada/secret', operation, asked, { as: bob })).status).toBe(404)
    expect((await postBatch(hub, 'ada/r', 'upload', asked, { as: bob })).status).toBe(403)
    expect((await postBatch(hub, 'ada/r', 'download', asked, { as: bob })).status).toBe(200)
    const readOnly = { ...ada, token: await hub.token(ada.user, { role: 'read' }) }
    const refused = await postBatch(hub, 'ada/r', 'upload', asked, { as: readOnly })
    expect([refused.status, refused.json.message]).toEqual([403, 'Your token is read-only.'])
    expect((await postBatch(hub, 'ada/r', 'download', asked, { as: readOnly })).status).toBe(200)
  })

  test('a token for one repository works there, and its actions too', async () => {
    const { hub, ada } = await start()
    await createRepo(hub, ada, 'other')
    const repo = await hub.domain.stores.repos.findByAddress({
      kind: 'model',
      namespace: 'ada',
      name: 'r',
    })
    const token = await hub.token(ada.user, { repoIds: [repo?.id ?? ''] })
    const scoped = { ...ada, token }
    await uploadAll(hub, 'ada/r', scoped, [randomObject(10)])
    const asked = [{ oid: oidOf(), size: 1 }]
    expect((await postBatch(hub, 'ada/other', 'upload', asked, { as: scoped })).status).toBe(403)
  })

  test('the operator’s admin token uploads and downloads', async () => {
    const { hub, ada } = await start()
    await createRepo(hub, ada, 'secret', { private: true })
    const object = randomObject(10)
    const headers = { ...LFS_HEADERS, 'X-Admin-Token': 'test-admin-token-0123456789' }
    const post = async (operation: string) =>
      (
        await hub.api('/ada/secret/info/lfs/objects/batch', {
          body: { operation, objects: [pointerOf(object)] },
          headers,
        })
      ).json.objects[0].actions
    const { upload } = await post('upload')
    expect((await send('PUT', upload.href, { body: object.bytes })).status).toBe(200)
    const { download: get } = await post('download')
    expect((await send('GET', get.href)).body).toEqual(object.bytes)
  })
})

test('unknown routes and methods are 404 in LFS words; a renamed repository redirects with the query', async () => {
  const { hub, ada } = await start()
  for (const [method, rest] of [
    ['GET', 'objects/batch'],
    ['POST', 'objects'],
    ['DELETE', 'locks'],
    ['GET', 'nothing'],
  ]) {
    const reply = await hub.api(`/ada/r.git/info/lfs/${rest}`, { method: method ?? '', as: ada })
    expect([reply.status, typeof reply.json.message]).toEqual([404, 'string'])
  }
  const body = { fromRepo: 'ada/r', toRepo: 'ada/renamed', type: 'model' }
  expect((await hub.api('/api/repos/move', { as: ada, body })).status).toBe(200)
  const moved = await hub.api('/ada/r.git/info/lfs/locks?path=a%20b&limit=3', { as: ada })
  expect([moved.status, moved.headers.get('location')]).toEqual([
    308,
    '/ada/renamed.git/info/lfs/locks?path=a%20b&limit=3',
  ])
})
