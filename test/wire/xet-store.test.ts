import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { xorbKey } from '../../src/domain/xet/xorbs.js'
import { KeyedHash } from '../../src/protocol/xet/blake3.js'
import { decodeRecords } from '../../src/protocol/xet/chunk-record.js'
import { hashToHex } from '../../src/protocol/xet/hash-string.js'
import { parseShardFooter } from '../../src/protocol/xet/shard-footer.js'
import { parseShard } from '../../src/protocol/xet/shard-parser.js'
import { hashesOf } from '../../src/protocol/xet/xorb-index.js'
import { validateXorb } from '../../src/protocol/xet/xorb-validator.js'
import { startTestHub, type TestHub, type TestUser } from '../support/hub.js'
import { readCapture, sendCapture, xetClient } from '../support/xet.js'

const capture = readCapture('hf_xet-1.8.0')
const index = validateXorb(capture.xorb)
const NEVER = { dryRun: false, graceSeconds: 0 }

interface Range {
  readonly start: number
  readonly end: number
}
interface PlanV2 {
  readonly offset_into_first_range: number
  readonly terms: { hash: string; unpacked_length: number; range: Range }[]
  readonly xorbs: Record<string, { url: string; ranges: { chunks: Range; bytes: Range }[] }[]>
}

async function hubWithUpload(): Promise<{ hub: TestHub; ada: TestUser }> {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await hub.api('/api/repos/create', { as: ada, body: { name: 'store', private: true } })
  await sendCapture(await xetClient(hub, 'ada/store', ada), capture)
  return { hub, ada }
}

const fileNamed = (name: string) => {
  const [hash, file] = Object.entries(capture.files).find(([, it]) => it.name === name) ?? []
  if (!hash || !file) throw new Error(name)
  return { hash, ...file }
}

async function storedXorb(hub: TestHub) {
  const xorb = (await hub.domain.stores.xet.findXorbs([capture.xorbHash])).get(capture.xorbHash)
  if (!xorb) throw new Error('no xorb')
  return { xorb, path: join(hub.dataDir, 'objects', xorbKey(xorb)) }
}

/** Drops all LFS links and objects, as the collector does once no commit names them and their leases are over. */
async function forgetFiles(hub: TestHub): Promise<void> {
  const repo = await hub.domain.stores.repos.findByAddress({
    kind: 'model',
    namespace: 'ada',
    name: 'store',
  })
  if (!repo) throw new Error('no repository')
  const oids = Object.values(capture.files).map((it) => it.sha256)
  await hub.domain.objects.release(repo, oids)
  await hub.domain.collector.collect(NEVER)
  expect(await hub.domain.stores.xet.totals()).toMatchObject({ files: 0, xorbs: 1 })
}

test.each([1, 2] as const)(
  'a reconstruction (v%i) leads to the bytes, whole and for a range',
  async (version) => {
    const { hub, ada } = await hubWithUpload()
    const client = await xetClient(hub, 'ada/store', ada, 'read')
    const { hash, size, sha256 } = fileNamed('lines.json')
    const whole = await rebuild('')
    expect(createHash('sha256').update(whole).digest('hex')).toBe(sha256)
    for (const [first, last] of [
      [0, 99],
      [70_000, 200_000],
      [size - 1, 2 ** 53],
    ] as const)
      expect(
        (await rebuild(`bytes=${first}-${last}`)).equals(whole.subarray(first, last + 1)),
      ).toBe(true)
    const beyond = await client.call(`/v${version}/reconstructions/${hash}`, {
      range: `bytes=${size}-`,
    })
    expect(beyond.status).toBe(416)

    async function rebuild(range: string): Promise<Buffer> {
      const reply = await client.call(
        `/v${version}/reconstructions/${hash}`,
        range ? { range } : {},
      )
      expect(reply.status).toBe(200)
      const plan = (await reply.json()) as PlanV2 & {
        fetch_info: Record<string, { range: Range; url: string; url_range: Range }[]>
      }
      const entries =
        version === 2
          ? Object.values(plan.xorbs).flat()
          : Object.values(plan.fetch_info)
              .flat()
              .map((it) => ({ url: it.url, ranges: [{ chunks: it.range, bytes: it.url_range }] }))
      const chunks = new Map<number, Buffer>()
      for (const { url, ranges } of entries)
        for (const { chunks: span, bytes } of ranges) {
          const data = await fetch(url, { headers: { Range: `bytes=${bytes.start}-${bytes.end}` } })
          expect([data.status, data.headers.get('content-range')]).toEqual([
            206,
            `bytes ${bytes.start}-${bytes.end}/${index.recordEnds.at(-1)}`,
          ])
          let at = span.start
          for (const chunk of decodeRecords(Buffer.from(await data.arrayBuffer())))
            chunks.set(at++, chunk)
          expect(at).toBe(span.end)
        }
      const parts = plan.terms.flatMap(({ range: { start, end } }) =>
        Array.from({ length: end - start }, (_, n) => chunks.get(start + n) as Buffer),
      )
      const bytes = Buffer.concat(parts).subarray(plan.offset_into_first_range)
      const [, first, last] = /bytes=(\d+)-(\d+)/.exec(range) ?? []
      return first === undefined
        ? bytes
        : bytes.subarray(0, Math.min(Number(last), size - 1) - Number(first) + 1)
    }
  },
)

test('older spellings of the routes lead to the same', async () => {
  const { hub, ada } = await hubWithUpload()
  const client = await xetClient(hub, 'ada/store', ada)
  const { hash, size } = fileNamed('rand.bin')
  for (const path of [
    `/reconstruction/${hash}`,
    `/reconstructions/${hash}`,
    `/v1/reconstructions/${hash}`,
  ])
    expect((await client.call(path)).status, path).toBe(200)
  for (const path of ['/xorb', '/xorbs', '/v1/xorbs'])
    expect(
      await (
        await client.call(`${path}/default/${capture.xorbHash}`, { body: capture.xorb })
      ).json(),
    ).toEqual({
      was_inserted: false,
    })
  for (const path of [`/shard/default/${hash}`, '/shards', '/v1/shards'])
    expect(await (await client.call(path, { body: capture.shard })).json(), path).toEqual({
      result: 0,
    })
  const lines = (await (await client.call('/v2/shards', { body: capture.shard })).text())
    .trim()
    .split('\n')
  expect(JSON.parse(lines.at(-1) ?? '')).toEqual({ type: 'result', result: 0 })
  const head = await client.call(`/v1/files/${hash}`, { method: 'HEAD' })
  expect([head.status, head.headers.get('content-length')]).toEqual([200, String(size)])
  // hf_xet 1.8 asks this first and falls back on 404 only
  expect((await client.call(`/v1/xorb-grants/default/${hash}`, { method: 'POST' })).status).toBe(
    404,
  )
})

test('several ranges of one link come as multipart/byteranges', async () => {
  const { hub, ada } = await hubWithUpload()
  const client = await xetClient(hub, 'ada/store', ada, 'read')
  const { hash } = fileNamed('rand.bin')
  const plan = (await (await client.call(`/v2/reconstructions/${hash}`)).json()) as PlanV2
  const [{ url, ranges }] = Object.values(plan.xorbs)[0] as [PlanV2['xorbs'][string][number]]
  const [
    {
      bytes: { start },
    },
  ] = ranges as [(typeof ranges)[number]]
  const reply = await fetch(url, {
    headers: { Range: `bytes=${start}-${start + 9},${start + 20}-${start + 29}` },
  })
  expect(reply.status).toBe(206)
  const [, boundary] =
    /^multipart\/byteranges; boundary=(\S+)$/.exec(reply.headers.get('content-type') ?? '') ?? []
  const body = Buffer.from(await reply.arrayBuffer()).toString('latin1')
  expect(body.endsWith(`--${boundary}--\r\n`)).toBe(true)
  expect(body).toContain(capture.xorb.subarray(start + 20, start + 30).toString('latin1'))
})

test('a dedupe answer names the xorb to who may read it, chunk hashes under a key', async () => {
  const { hub, ada } = await hubWithUpload()
  const bob = await hub.user('bob')
  await hub.api('/api/repos/create', { as: bob, body: { name: 'own' } })
  const [first] = [...parseShard(capture.shard).files()].flatMap((it) => [...it.terms()])
  const chunk = hashesOf(index, first?.chunkStart ?? 0, (first?.chunkStart ?? 0) + 1)
  const path = `/v1/chunks/default/${hashToHex(chunk)}`
  const answer = await (await xetClient(hub, 'ada/store', ada)).call(path)
  expect(answer.status).toBe(200)
  const bytes = Buffer.from(await answer.arrayBuffer())
  const [xorb] = [...parseShard(bytes).xorbs()]
  const { key, expiresAt } = parseShardFooter(bytes)
  expect(hashToHex(xorb?.hash ?? Buffer.alloc(32))).toBe(capture.xorbHash)
  expect(xorb?.chunkCount).toBe(capture.chunks)
  expect(xorb?.chunk(first?.chunkStart ?? 0).hash).toEqual(new KeyedHash(key).digest(chunk))
  expect(expiresAt).toBeGreaterThan(Date.now() / 1000)

  const stranger = await xetClient(hub, 'bob/own', bob)
  expect((await stranger.call(path)).status).toBe(404)
  await hub.api('/api/models/ada/store/settings', {
    as: ada,
    method: 'PUT',
    body: { private: false },
  })
  expect((await stranger.call(path)).status).toBe(200)

  // a gate stands before this content, too
  const gate = { as: ada, method: 'PUT', body: { gated: 'manual' } }
  await hub.api('/api/models/ada/store/settings', gate)
  expect((await stranger.call(path)).status).toBe(404)
  const requests = '/api/models/ada/store/user-access-request'
  await hub.api(`${requests}/grant`, { as: ada, body: { user: 'bob' } })
  expect((await stranger.call(path)).status).toBe(200)
  await hub.api(`${requests}/handle`, { as: ada, body: { user: 'bob', status: 'pending' } })
  expect((await stranger.call(path)).status).toBe(404)
})

test('a flipped byte is found by fsck and never sent, by no route', async () => {
  const { hub, ada } = await hubWithUpload()
  const { path } = await storedXorb(hub)
  const client = await xetClient(hub, 'ada/store', ada, 'read')
  const { hash, sha256, size } = fileNamed('rand.bin')
  const plan = (await (await client.call(`/v2/reconstructions/${hash}`)).json()) as PlanV2
  const [{ url, ranges }] = Object.values(plan.xorbs)[0] as [PlanV2['xorbs'][string][number]]
  const [
    {
      bytes: { start, end },
    },
  ] = ranges as [(typeof ranges)[number]]
  const problems = async () => {
    const lines: string[] = []
    for await (const line of hub.domain.xet.checker.check({ readAll: true })) lines.push(line)
    return lines
  }
  expect(await problems()).toEqual([])

  const file = await open(path, 'r+')
  const at = end - 3
  const byte = Buffer.alloc(1)
  await file.read(byte, 0, 1, at)
  await file.write(Buffer.from([byte.readUInt8(0) ^ 4]), 0, 1, at)
  await file.close()

  expect(await problems()).toEqual([expect.stringMatching(`xorb ${capture.xorbHash}: altered`)])
  const batch = await hub.api('/ada/store.git/info/lfs/objects/batch', {
    as: ada,
    body: { operation: 'download', objects: [{ oid: sha256, size }] },
  })
  const href = batch.json.objects[0].actions.download.href as string
  await expect(fetch(href).then((it) => it.arrayBuffer())).rejects.toThrow()
  const data = fetch(url, { headers: { Range: `bytes=${start}-${end}` } })
  await expect(data.then((it) => it.arrayBuffer())).rejects.toThrow()
})

test('a xorb that no file stands on goes after its grace, and a shard in time brings it back to life', async () => {
  const { hub, ada } = await hubWithUpload()
  const { path } = await storedXorb(hub)
  // used: nothing happens however short the grace
  expect(await hub.domain.xet.collector.collect(NEVER)).toMatchObject({ xorbs: 0 })
  await forgetFiles(hub)
  const grace = { dryRun: false, graceSeconds: 3600 }
  expect(await hub.domain.xet.collector.collect(grace)).toMatchObject({ xorbs: 0 })
  // a client that remembers the xorb from before sends the shard alone
  const client = await xetClient(hub, 'ada/store', ada)
  expect((await client.call('/v1/shards', { body: capture.shard })).status).toBe(200)
  expect(await hub.domain.xet.collector.collect(NEVER)).toMatchObject({ xorbs: 0 })

  await forgetFiles(hub)
  expect(await hub.domain.xet.collector.collect(NEVER)).toMatchObject({ xorbs: 1 })
  await expect(open(path, 'r')).rejects.toThrow('ENOENT')
  const late = await client.call('/v1/shards', { body: capture.shard })
  expect([late.status, await late.json()]).toEqual([
    400,
    { error: `The xorb ${capture.xorbHash} is not stored here.` },
  ])
  await sendCapture(client, capture)
})

test('a xorb that comes again while it is being deleted stays', async () => {
  const { hub, ada } = await hubWithUpload()
  const { xet } = hub.domain.stores
  await forgetFiles(hub)
  const { xorb } = await storedXorb(hub)
  expect(await xet.claimUnused(xorb.hash, new Date(Date.now() + 1_000).toISOString())).toBe(true)
  // between the claim and the deletion of the bytes, in whatever process
  await sendCapture(await xetClient(hub, 'ada/store', ada), capture)
  await hub.domain.xet.xorbs.delete(xorb)
  await xet.dropXorb(xorb)
  await hub.domain.xet.collector.collect(NEVER)
  const { sha256 } = fileNamed('rand.bin')
  const object = await hub.domain.stores.lfs.findObject(sha256)
  if (!object) throw new Error('gone')
  const hash = createHash('sha256')
  for await (const block of await hub.domain.objects.open(object)) hash.update(block as Buffer)
  expect(hash.digest('hex')).toBe(sha256)
})

test('a namespace is charged stored bytes once, and what it uploaded counts before any file stands on it', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await hub.api('/api/repos/create', { as: ada, body: { name: 'store', private: true } })
  await hub.api('/api/repos/create', { as: ada, body: { name: 'second', private: true } })
  const usage = async () => (await hub.domain.stores.quotas.usage(ada.user.id)).privateBytes
  const charged = async () => (await hub.domain.stores.quotas.charged(ada.user.id)).privateBytes
  const before = await usage()
  const client = await xetClient(hub, 'ada/store', ada)
  await client.call(`/v1/xorbs/default/${capture.xorbHash}`, { body: capture.xorb })
  const stored = index.recordEnds.at(-1) ?? 0
  expect([(await usage()) - before, (await charged()) - before]).toEqual([0, stored])
  await client.call('/v1/shards', { body: capture.shard })
  expect([(await usage()) - before, (await charged()) - before]).toEqual([stored, stored])
  const files = Object.values(capture.files).map(({ sha256, name }) => ({ sha256, filename: name }))
  const copied = await hub.api('/api/models/ada/store/lfs-files/duplicate', {
    as: ada,
    body: { target: { type: 'model', name: 'ada/second' }, files },
  })
  expect([copied.status, copied.json]).toEqual([200, { failed: [] }])
  expect((await usage()) - before).toBe(stored)

  await hub.domain.stores.accounts.setNamespaceQuotas(ada.user.id, {
    privateBytes: before + stored + 10,
  })
  const full = await client.call(
    `/v1/xorbs/default/${readCapture('huggingface-js-2.17.5').xorbHash}`,
    {
      body: readCapture('huggingface-js-2.17.5').xorb,
    },
  )
  expect(full.status).toBe(413)
})
