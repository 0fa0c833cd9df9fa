import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { startTestHub, type TestHub, type TestUser } from '../support/hub.js'
import {
  type BatchObject,
  batch,
  createRepo,
  download,
  objectOf,
  pointerOf,
  postJson,
  put,
  randomObject,
  repoOf,
  send,
  storedKeys,
  type TestObject,
} from '../support/lfs.js'
import { OBJECT_MODES } from '../support/object-modes.js'

/* The multipart dialect of the Hugging Face clients (huggingface-wire C2.4, D3). */

const MIB = 1024 * 1024
const PART = 5 * MIB
const PYTHON = ['basic', 'multipart']
/** With Xet switched off: with it, the answer would be xet. */
const JS = ['basic', 'multipart']

describe.each(OBJECT_MODES)('multipart with $name', (mode) => {
  async function start() {
    const hub = await startTestHub({
      ...mode.env(),
      PACKHORSE_LFS_MULTIPART_BYTES: String(8 * MIB),
      PACKHORSE_LFS_PART_BYTES: String(PART),
    })
    const ada = await hub.user('ada')
    await createRepo(hub, ada, 'r')
    return { hub, ada }
  }

  async function plan(hub: TestHub, as: TestUser, object: TestObject, transfers = PYTHON) {
    const answer = await batch(hub, 'ada/r', 'upload', [pointerOf(object)], { as, transfers })
    expect(answer.transfer).toBe('multipart')
    return readPlan(answer.objects[0])
  }

  /** As the clients read it: chunk_size, and every other key is a part. */
  function readPlan(object: BatchObject | undefined) {
    const { href, header = {} } = object?.actions?.upload ?? { href: '' }
    const { chunk_size, ...urls } = header
    const numbers = Object.keys(urls)
    expect(numbers).toEqual(
      Array.from({ length: numbers.length }, (_, at) => String(at + 1).padStart(5, '0')),
    )
    return {
      href,
      size: Number(chunk_size),
      urls: Object.values(urls),
      verify: object?.actions?.verify,
    }
  }

  const slice = (object: TestObject, size: number, number: number) =>
    object.bytes.subarray((number - 1) * size, number * size)

  /** As Python does: no headers, the length told. */
  async function putPart(
    url: string,
    bytes: Buffer,
  ): Promise<{ partNumber: number; etag: string }> {
    const { status, headers, body } = await send('PUT', url, {
      headers: { 'Content-Length': String(bytes.length) },
      body: bytes,
    })
    if (status !== 200) throw new Error(`part: ${status} ${body}`)
    expect(headers.etag).toMatch(/^".+"$/)
    return { partNumber: 0, etag: String(headers.etag) }
  }

  async function sendParts(object: TestObject, { size, urls }: ReturnType<typeof readPlan>) {
    const parts: { partNumber: number; etag: string }[] = []
    for (const [at, url] of urls.entries())
      parts.push({ ...(await putPart(url, slice(object, size, at + 1))), partNumber: at + 1 })
    return parts
  }

  test('is for clients that announce it, from the threshold on', async () => {
    const { hub, ada } = await start()
    const big = { oid: randomObject(1).oid, size: 8 * MIB }
    const small = { oid: randomObject(2).oid, size: 8 * MIB - 1 }
    const ask = async (objects: readonly unknown[], transfers?: readonly string[]) =>
      (await batch(hub, 'ada/r', 'upload', objects, { as: ada, transfers })).transfer
    expect(await ask([big], PYTHON)).toBe('multipart')
    expect(await ask([big], JS)).toBe('multipart')
    expect(await ask([small], PYTHON)).toBe('basic')
    expect(await ask([big], ['basic'])).toBe('basic')
    expect(await ask([big])).toBe('basic')
  })

  test('goes for every object of the batch, or git lfs-multipart-upload would be lost', async () => {
    const { hub, ada } = await start()
    const asked = [
      { oid: randomObject(1).oid, size: 20 * MIB },
      { oid: randomObject(2).oid, size: 10 },
      { oid: randomObject(3).oid, size: PART },
      { oid: randomObject(4).oid, size: PART + 1 },
    ]
    const { objects } = await batch(hub, 'ada/r', 'upload', asked, { as: ada, transfers: PYTHON })
    expect(objects.map((it) => readPlan(it).urls.length)).toEqual([4, 1, 1, 2])
    for (const it of objects) expect(readPlan(it).size).toBe(PART)
  })

  test('parts in any order, some twice; completion is idempotent; verify and download follow', async () => {
    const { hub, ada } = await start()
    const object = randomObject(2 * PART + 1000)
    const it = await plan(hub, ada, object, JS)
    const order = [3, 1, 2, 1]
    await Promise.all(
      order.map((number) => putPart(it.urls[number - 1] ?? '', slice(object, PART, number))),
    )
    expect(await download(hub, 'ada/r', ada, object)).toBe(404)
    const parts = await sendParts(object, it)
    const body = { oid: object.oid, parts: parts.reverse() }
    const both = await Promise.all([postJson(it.href, body), postJson(it.href, body)])
    expect(both.map((reply) => reply.status)).toEqual([200, 200])
    expect((await postJson(it.href, body)).status).toBe(200)
    expect((await postJson(it.verify?.href ?? '', pointerOf(object))).status).toBe(200)
    const got = await download(hub, 'ada/r', ada, object)
    expect(object.bytes.equals(got as Buffer)).toBe(true)
    expect(await storedKeys(hub)).toHaveLength(1)
  })

  test('a batch asked again goes on with the same upload', async () => {
    const { hub, ada } = await start()
    const object = randomObject(PART + 4 * MIB)
    const first = await plan(hub, ada, object)
    await putPart(first.urls[0] ?? '', slice(object, PART, 1))
    const again = await plan(hub, ada, object)
    const etag = (await putPart(again.urls[1] ?? '', slice(object, PART, 2))).etag
    const parts = [
      { partNumber: 1, etag: '"whatever"' },
      { partNumber: 2, etag },
    ]
    expect((await postJson(again.href, { oid: object.oid, parts })).status).toBe(200)
    expect(object.bytes.equals((await download(hub, 'ada/r', ada, object)) as Buffer)).toBe(true)
  })

  test('a missing part is told, and may still come', async () => {
    const { hub, ada } = await start()
    const object = randomObject(PART + 4 * MIB)
    const it = await plan(hub, ada, object)
    const [, two] = it.urls
    const parts = [1, 2].map((partNumber) => ({ partNumber, etag: '"x"' }))
    await putPart(it.urls[0] ?? '', slice(object, PART, 1))
    const early = await postJson(it.href, { oid: object.oid, parts })
    expect([early.status, JSON.parse(String(early.body)).message]).toEqual([
      422,
      'Parts are missing or have the wrong size: 2.',
    ])
    await putPart(two ?? '', slice(object, PART, 2))
    expect((await postJson(it.href, { oid: object.oid, parts })).status).toBe(200)
  })

  test('parts that make something else are not the object, and the next batch begins anew', async () => {
    const { hub, ada } = await start()
    const object = randomObject(PART + 4 * MIB)
    const it = await plan(hub, ada, object)
    const other = objectOf(randomBytes(object.size))
    const parts = await sendParts(other, it)
    const reply = await postJson(it.href, { oid: object.oid, parts })
    expect(reply.status).toBe(422)
    expect(await download(hub, 'ada/r', ada, object)).toBe(404)
    const fresh = await plan(hub, ada, object)
    const body = { oid: object.oid, parts: await sendParts(object, fresh) }
    expect((await postJson(fresh.href, body)).status).toBe(200)
    expect(object.bytes.equals((await download(hub, 'ada/r', ada, object)) as Buffer)).toBe(true)
  })

  test('completion is for its own object, and its body is checked', async () => {
    const { hub, ada } = await start()
    const object = randomObject(PART + 4 * MIB)
    const it = await plan(hub, ada, object)
    const parts = await sendParts(object, it)
    for (const body of [
      { oid: randomObject(5).oid, parts },
      { oid: object.oid },
      { parts },
      '{',
      {},
    ])
      expect((await postJson(it.href, body)).status).toBe(422)
    expect(await download(hub, 'ada/r', ada, object)).toBe(404)
  })

  test('uploads whose time is over are swept, parts and all', async () => {
    const { hub, ada } = await start()
    const object = randomObject(PART + 4 * MIB)
    const it = await plan(hub, ada, object)
    const parts = await sendParts(object, it)
    const repo = await repoOf(hub, 'ada', 'r')
    const past = new Date(Date.now() - 1000).toISOString()
    await hub.domain.stores.lfs.openUploads(repo.id, [pointerOf(object)], past)
    await hub.domain.collector.collect({ dryRun: false, graceSeconds: 86_400 })
    expect((await postJson(it.href, { oid: object.oid, parts })).status).toBe(404)
    // S3 may close the connection before it has read all of what it does not want
    const late = await putPart(it.urls[0] ?? '', slice(object, PART, 1)).catch((err) => err.message)
    expect(late).toMatch(/404|ECONNRESET|EPIPE/)
    expect(await storedKeys(hub)).toEqual([])
  })

  test('what plain git-lfs uploads is never in parts, whatever its size', async () => {
    const { hub, ada } = await start()
    const object = randomObject(20 * MIB)
    const { transfer, objects } = await batch(hub, 'ada/r', 'upload', [pointerOf(object)], {
      as: ada,
      transfers: ['lfs-standalone-file', 'basic', 'ssh'],
    })
    expect(transfer).toBe('basic')
    const { upload } = objects[0]?.actions ?? {}
    if (!upload) throw new Error('no actions')
    expect((await put(upload, object.bytes)).status).toBe(200)
    expect(object.bytes.equals((await download(hub, 'ada/r', ada, object)) as Buffer)).toBe(true)
  })
})

test('a part of another size is refused while it comes, chunked or not', async () => {
  const hub = await startTestHub({
    PACKHORSE_LFS_MULTIPART_BYTES: '1000',
    PACKHORSE_LFS_PART_BYTES: '1000',
  })
  const ada = await hub.user('ada')
  await createRepo(hub, ada, 'r')
  const object = randomObject(2500)
  const { objects } = await batch(hub, 'ada/r', 'upload', [pointerOf(object)], {
    as: ada,
    transfers: PYTHON,
  })
  const { chunk_size, ...urls } = objects[0]?.actions?.upload.header ?? {}
  expect([chunk_size, Object.keys(urls)]).toEqual(['1000', ['00001', '00002', '00003']])
  const tries: [string, number, number][] = [
    ['00001', 1001, 422],
    ['00001', 999, 422],
    ['00003', 1000, 422],
  ]
  for (const [part, size, status] of tries) {
    const body = randomBytes(size)
    const headers = { 'Content-Length': String(size) }
    expect((await send('PUT', urls[part] ?? '', { headers, body })).status).toBe(status)
    const chunked = await send('PUT', urls[part] ?? '', {
      body: [body.subarray(0, 10), body.subarray(10)],
    })
    expect([413, 422]).toContain(chunked.status)
  }
  const good = await send('PUT', urls['00003'] ?? '', { body: [object.bytes.subarray(2000)] })
  expect(good.status).toBe(200)
})
