import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { formatLfsPointer } from '../../src/protocol/lfs-pointer.js'
import { gitOk, startTestHub, tempDir } from '../support/hub.js'
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
} from '../support/lfs.js'
import { HAS_S3, s3Env } from '../support/object-modes.js'

/* What is special when clients put bytes into S3 by themselves. Needs a server: see test/clients/10-s3.sh. */

describe.skipIf(!HAS_S3)('presigned transfers', () => {
  async function start(options = { proxy: false }) {
    const env = s3Env(options)
    const hub = await startTestHub(env)
    const ada = await hub.user('ada')
    await createRepo(hub, ada, 'r')
    const plan = async (object: { oid: string; size: number }, transfers?: string[]) => {
      const { oid, size } = object
      const { objects } = await batch(hub, 'ada/r', 'upload', [{ oid, size }], {
        as: ada,
        transfers,
      })
      return objects[0]?.actions
    }
    const isS3 = (action: LfsAction | undefined) =>
      action?.href.startsWith(env.PACKHORSE_S3_ENDPOINT ?? '?') ?? false
    return { hub, ada, plan, isS3 }
  }

  test('bytes go between git-lfs and S3, without a credential in the headers', async () => {
    const { hub, ada, plan, isS3 } = await start()
    const object = randomObject(100_000)
    const actions = await plan(object)
    if (!actions) throw new Error('no actions')
    expect([isS3(actions.upload), isS3(actions.verify)]).toEqual([true, false])
    expect(Object.keys(actions.upload.header ?? {})).toEqual(['x-amz-checksum-sha256'])
    expect(actions.upload.expires_in).toBe(86_400)
    expect((await put(actions.upload, object.bytes)).status).toBe(200)
    expect(await hub.domain.stores.lfs.findObject(object.oid)).toBeUndefined()
    expect((await postJson(actions.verify?.href ?? '', pointerOf(object))).status).toBe(200)
    const { objects } = await batch(hub, 'ada/r', 'download', [pointerOf(object)], { as: ada })
    const get = objects[0]?.actions?.download
    expect([get?.expires_in, /X-Amz-Expires=3600/.test(get?.href ?? '')]).toEqual([3_600, true])
    expect([isS3(get), get?.header, objects[0]?.authenticated]).toEqual([true, undefined, true])
    const range = await send('GET', get?.href ?? '', { headers: { Range: 'bytes=99990-' } })
    expect([range.status, range.body.equals(object.bytes.subarray(99_990))]).toEqual([206, true])
  })

  test('other bytes do not get in, and verify believes nobody', async () => {
    const { hub, ada, plan } = await start()
    const object = randomObject(1000)
    const actions = await plan(object)
    if (!actions) throw new Error('no actions')
    const { upload, verify } = actions
    const attempts: [Buffer, Record<string, string>][] = [
      [randomBytes(1000), upload.header ?? {}],
      [randomBytes(1000), {}],
      [Buffer.concat([object.bytes, object.bytes]), upload.header ?? {}],
      [Buffer.alloc(0), upload.header ?? {}],
    ]
    for (const [body, header] of attempts) {
      const reply = await put({ ...upload, header }, body)
      expect(reply.status).toBeGreaterThanOrEqual(400)
      expect((await postJson(verify?.href ?? '', pointerOf(object))).status).toBe(404)
    }
    expect(await download(hub, 'ada/r', ada, object)).toBe(404)
    expect(await storedKeys(hub)).toEqual([])
  })

  test('wrong bytes that somebody put under the key are found out and dropped', async () => {
    const { hub, plan } = await start()
    const object = randomObject(1000)
    const actions = await plan(object)
    const repo = await repoOf(hub, 'ada', 'r')
    const [open] = await hub.domain.stores.lfs.findUploads(repo.id, [object.oid])
    const never = new AbortController().signal
    const wrong = Readable.from([randomBytes(1000)])
    await hub.domain.store.put(open?.key ?? '', wrong, {}, never)
    expect((await postJson(actions?.verify?.href ?? '', pointerOf(object))).status).toBe(404)
    expect(await storedKeys(hub)).toEqual([])
  })

  test('a client that never calls verify is found by its next batch, its push or its commit', async () => {
    const { hub, ada, plan } = await start()
    const [byBatch, byDownload, byPush, byCommit] = [1, 2, 3, 4].map(() => randomObject(500))
    if (!byBatch || !byDownload || !byPush || !byCommit) throw new Error('no objects')
    for (const object of [byBatch, byDownload, byPush, byCommit]) {
      const actions = await plan(object)
      if (actions) expect((await put(actions.upload, object.bytes)).status).toBe(200)
    }
    expect(await plan(byBatch)).toBeUndefined()
    expect(await download(hub, 'ada/r', ada, byDownload)).toEqual(byDownload.bytes)
    const dir = await tempDir()
    await gitOk(dir, ['init', '-q', 'w'])
    const work = join(dir, 'w')
    await writeFile(join(work, 'p.bin'), formatLfsPointer(byPush))
    await gitOk(work, ['add', '.'])
    await gitOk(work, ['commit', '-q', '-m', 'p'])
    await gitOk(work, ['push', '-q', hub.gitUrl('ada/r', ada), 'HEAD:main'])
    expect(await download(hub, 'ada/r', ada, byPush)).toEqual(byPush.bytes)
    const lines = [
      { key: 'header', value: { summary: 's', description: '' } },
      { key: 'lfsFile', value: { path: 'c.bin', algo: 'sha256', ...pointerOf(byCommit) } },
    ]
    const commit = await hub.api('/api/models/ada/r/commit/main', {
      as: ada,
      body: lines.map((it) => JSON.stringify(it)).join('\n'),
      headers: { 'Content-Type': 'application/x-ndjson' },
    })
    expect([commit.status, commit.text]).toEqual([200, expect.stringContaining('commitOid')])
    expect(await download(hub, 'ada/r', ada, byCommit)).toEqual(byCommit.bytes)
  })

  test('clients that send no headers get the hub, parts for the large ones', async () => {
    const { hub, ada, plan, isS3 } = await start()
    const object = randomObject(3000)
    const actions = await plan(object, ['basic', 'multipart'])
    if (!actions) throw new Error('no actions')
    expect([isS3(actions.upload), actions.upload.header]).toEqual([false, undefined])
    const bare = await send('PUT', actions.upload.href, { body: object.bytes })
    expect(bare.status).toBe(200)
    expect(await download(hub, 'ada/r', ada, object)).toEqual(object.bytes)
    const large = await plan({ oid: randomObject(1).oid, size: 200_000_000 }, [
      'basic',
      'multipart',
    ])
    const [size, ...parts] = Object.values(large?.upload.header ?? {})
    expect([size, parts.length]).toEqual(['67108864', 3])
    for (const href of parts) expect(isS3({ ...actions.upload, href })).toBe(true)
    expect(isS3(large?.upload)).toBe(false)
  })

  test('what no single PUT can hold, and what is empty, goes through the hub', async () => {
    const { plan, isS3 } = await start()
    const empty = objectOf(Buffer.alloc(0))
    const huge = { oid: randomObject(1).oid, size: 6 * 1024 ** 3 }
    for (const object of [empty, huge]) expect(isS3((await plan(object))?.upload)).toBe(false)
  })

  test('a URL that is used again after its object was freed fills nothing', async () => {
    const { hub, plan } = await start()
    const object = randomObject(500)
    const actions = await plan(object)
    if (!actions) throw new Error('no actions')
    expect((await put(actions.upload, object.bytes)).status).toBe(200)
    expect((await postJson(actions.verify?.href ?? '', pointerOf(object))).status).toBe(200)
    const repo = await repoOf(hub, 'ada', 'r')
    await hub.domain.stores.lfs.release(repo.id, [object.oid])
    const gc = () => hub.domain.collector.collect({ dryRun: false, graceSeconds: 0 })
    expect(await gc()).toEqual({ unlinked: 1, objects: 1, bytes: 500, unreadable: 0 })
    expect((await put(actions.upload, object.bytes)).status).toBe(200)
    expect(await storedKeys(hub)).toHaveLength(1)
    await gc()
    expect(await storedKeys(hub)).toEqual([])
  })

  test('in proxy mode no client hears of S3', async () => {
    const { hub, ada, plan, isS3 } = await start({ proxy: true })
    const object = randomObject(500)
    const actions = await plan(object)
    if (!actions) throw new Error('no actions')
    expect([isS3(actions.upload), actions.verify]).toEqual([false, undefined])
    expect((await put(actions.upload, object.bytes)).status).toBe(200)
    const { objects } = await batch(hub, 'ada/r', 'download', [pointerOf(object)], { as: ada })
    expect(isS3(objects[0]?.actions?.download)).toBe(false)
    expect(await download(hub, 'ada/r', ada, object)).toEqual(object.bytes)
  })

  test('the hub says it is not ready when S3 is not there', async () => {
    const env = { ...s3Env({ proxy: false }), PACKHORSE_S3_BUCKET: 'no-such-bucket' }
    const hub = await startTestHub(env)
    expect((await hub.api('/readyz')).status).toBe(503)
  })
})
