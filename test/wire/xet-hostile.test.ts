import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { encodeShard, type FileEntry } from '../../src/protocol/xet/shard-encoder.js'
import { parseShard } from '../../src/protocol/xet/shard-parser.js'
import { validateXorb } from '../../src/protocol/xet/xorb-validator.js'
import { startTestHub, type TestHub, type TestUser } from '../support/hub.js'
import { readCapture, type XetClient, xetClient } from '../support/xet.js'

const capture = readCapture('hf_xet-1.8.0')
const index = validateXorb(capture.xorb)

async function hubWithRepo(
  env: Record<string, string> = {},
): Promise<{ hub: TestHub; ada: TestUser; client: XetClient }> {
  const hub = await startTestHub(env)
  const ada = await hub.user('ada')
  await hub.api('/api/repos/create', { as: ada, body: { name: 'store', private: true } })
  return { hub, ada, client: await xetClient(hub, 'ada/store', ada) }
}

/** Files of the capture as they can be written again, changed. */
function filesOf(): FileEntry[] {
  return [...parseShard(capture.shard).files()].map((it) => ({
    hash: Buffer.from(it.hash),
    terms: [...it.terms()],
    rangeHashes: [...it.terms()].map((_, n) => Buffer.from(it.rangeHash(n))),
    ...(it.sha256 ? { sha256: it.sha256 } : {}),
  }))
}

function change(edit: (file: FileEntry & { terms: object[] }) => Partial<FileEntry>): Buffer {
  const [first, ...rest] = filesOf() as [FileEntry, ...FileEntry[]]
  return encodeShard([{ ...first, ...edit(first as never) }, ...rest], [index])
}

const sendXorb = (client: XetClient, body: Buffer, hash = capture.xorbHash) =>
  client.call(`/v1/xorbs/default/${hash}`, { body })

async function isEmpty(hub: TestHub): Promise<void> {
  expect(await hub.domain.stores.xet.totals()).toMatchObject({ xorbs: 0, files: 0 })
  for await (const object of hub.domain.store.list('')) throw new Error(`stored ${object.key}`)
}

/** A small generator of its own, so that a seed in a failure is enough to see it again. */
function random(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

function mutate(bytes: Buffer, seed: number): Buffer {
  const pick = random(seed)
  const copy = Buffer.from(bytes)
  switch (pick(4)) {
    case 0:
      copy.writeUInt8(copy.readUInt8(0) ^ (1 + pick(255)), 0)
      break
    case 1:
      return copy.subarray(0, pick(copy.length))
    case 2: {
      const at = pick(copy.length - 4)
      copy.writeUInt32LE(pick(2 ** 32), at)
      break
    }
    default:
      for (let n = 0; n < 20; n += 1) copy.writeUInt8(pick(256), pick(copy.length))
  }
  return copy
}

test('xorbs that are not what they should be are refused and leave nothing', async () => {
  const { hub, client } = await hubWithRepo()
  const flipped = Buffer.from(capture.xorb)
  flipped.writeUInt8(flipped.readUInt8(flipped.length - 5) ^ 1, flipped.length - 5)
  const bomb = Buffer.from(capture.xorb)
  bomb.writeUIntLE(131_073, 5, 3)
  for (const body of [
    flipped,
    bomb,
    capture.xorb.subarray(0, -1),
    Buffer.concat([capture.xorb, capture.xorb]),
    Buffer.from('nothing of the kind'),
  ]) {
    const reply = await sendXorb(client, body)
    expect([reply.status, typeof ((await reply.json()) as { error: string }).error]).toEqual([
      400,
      'string',
    ])
  }
  expect((await sendXorb(client, capture.xorb, 'ab'.repeat(32))).status).toBe(400)
  await isEmpty(hub)
})

test('mutated xorbs neither crash nor get stored', async () => {
  const { hub, client } = await hubWithRepo()
  for (let seed = 1; seed <= 40; seed += 1) {
    const body = mutate(capture.xorb, seed)
    if (body.equals(capture.xorb) || body.length === 0) continue
    expect((await sendXorb(client, body)).status, `seed ${seed}`).toBe(400)
  }
  await isEmpty(hub)
  expect((await sendXorb(client, capture.xorb)).status).toBe(200)
})

test('shards that are not true are refused in every way in which they can be false', async () => {
  const { hub, ada, client } = await hubWithRepo()
  const other = Buffer.alloc(32, 7)
  const good = filesOf()
  // the xorb is not there yet
  expect((await client.call('/v1/shards', { body: capture.shard })).status).toBe(400)
  expect((await sendXorb(client, capture.xorb)).status).toBe(200)
  const term = (edit: object) => (it: FileEntry) => ({
    terms: it.terms.map((one, n) => (n === 0 ? { ...one, ...edit } : one)),
  })
  const first = good[0]?.terms[0]
  const cases: Record<string, Buffer> = {
    'an unknown xorb': change(term({ xorbHash: other })),
    'a term past the end of its xorb': change(term({ chunkStart: 8_000, chunkEnd: 8_001 })),
    'a longer term': change(term({ rawBytes: (first?.rawBytes ?? 0) + 1 })),
    'another chunk': change(
      term({ chunkStart: (first?.chunkStart ?? 0) + 1, chunkEnd: (first?.chunkEnd ?? 0) + 1 }),
    ),
    'a wrong range hash': change((it) => ({ rangeHashes: it.terms.map(() => other) })),
    'no range hashes': encodeShard(
      good.map(({ rangeHashes: _, ...it }) => it),
      [index],
    ),
    'a wrong file hash': change(() => ({ hash: other })),
    'a wrong SHA-256': change(() => ({ sha256: other })),
    'no SHA-256': encodeShard(
      good.map(({ sha256: _, ...it }) => it),
      [index],
    ),
    'a xorb with other chunks': encodeShard(good, [
      { ...index, chunkHashes: new Uint8Array(index.chunkHashes.length) },
    ]),
    'no shard at all': Buffer.from('x'.repeat(100)),
  }
  for (const [what, body] of Object.entries(cases)) {
    expect((await client.call('/v1/shards', { body })).status, what).toBe(400)
    const stream = await client.call('/v2/shards', { body })
    const last = JSON.parse((await stream.text()).trim().split('\n').at(-1) ?? '')
    expect(last, what).toMatchObject({ type: 'error', retryable: false })
  }
  // the false SHA-256 was that of the first file, which no claim makes readable
  const oid = other.toString('hex')
  const batch = await hub.api('/ada/store.git/info/lfs/objects/batch', {
    as: ada,
    body: { operation: 'download', objects: [{ oid, size: first?.rawBytes ?? 0 }] },
  })
  expect(batch.json.objects[0].error.code).toBe(404)
  expect((await client.call('/v1/shards', { body: capture.shard })).status).toBe(200)
})

test('mutated shards neither crash nor make a wrong SHA-256 readable', async () => {
  const { hub, client } = await hubWithRepo()
  expect((await sendXorb(client, capture.xorb)).status).toBe(200)
  for (let seed = 1; seed <= 60; seed += 1) {
    const reply = await client.call('/v1/shards', { body: mutate(capture.shard, seed) })
    expect([200, 400], `seed ${seed}`).toContain(reply.status)
  }
  for (const { oid } of await hub.domain.stores.lfs.scanObjects('', 100)) {
    const object = await hub.domain.stores.lfs.findObject(oid)
    if (!object) throw new Error('gone')
    const hash = createHash('sha256')
    for await (const block of await hub.domain.objects.open(object)) hash.update(block as Buffer)
    expect(hash.digest('hex')).toBe(oid)
  }
})

test('a shard that makes a little xorb into a huge file of tiny chunks is refused before it costs anything', async () => {
  const { client } = await hubWithRepo({ PACKHORSE_MAX_LFS_BYTES: '1GB' })
  expect((await sendXorb(client, capture.xorb)).status).toBe(200)
  const [file] = filesOf() as [FileEntry]
  const all = {
    xorbHash: Buffer.from(index.hash),
    rawBytes: index.rawEnds.at(-1) ?? 0,
    chunkStart: 0,
    chunkEnd: index.rawEnds.length,
  }
  const terms = Array.from({ length: 5_000 }, () => all)
  const huge = { ...file, terms, rangeHashes: terms.map(() => file.hash) }
  const reply = await client.call('/v1/shards', { body: encodeShard([huge], [index]) })
  expect([reply.status, await reply.json()]).toEqual([
    400,
    { error: 'The files of a shard may have 1000000000 bytes at most.' },
  ])
})

test('tokens and links are good for what they were given for', async () => {
  const { hub, ada, client } = await hubWithRepo()
  const bob = await hub.user('bob')
  await hub.api('/api/repos/create', { as: bob, body: { name: 'own' } })
  await sendXorb(client, capture.xorb)
  await client.call('/v1/shards', { body: capture.shard })
  const reading = await xetClient(hub, 'ada/store', ada, 'read')
  expect((await sendXorb(reading, capture.xorb)).status).toBe(403)
  const anonymous = await fetch(`${client.casUrl}/v1/reconstructions/${'ab'.repeat(32)}`)
  expect(anonymous.status).toBe(401)
  const forged = { ...client, token: `${client.token.slice(0, -2)}xx` }
  const reply = await fetch(`${client.casUrl}/v1/chunks/default/${'ab'.repeat(32)}`, {
    headers: { Authorization: `Bearer ${forged.token}` },
  })
  expect(reply.status).toBe(401)

  // a stranger gets no token, and a hash is none
  expect((await hub.api('/api/models/ada/store/xet-read-token/main', { as: bob })).status).toBe(404)
  expect((await hub.api('/api/models/bob/own/xet-write-token/main')).status).toBe(401)
  const stranger = await xetClient(hub, 'bob/own', bob)
  const [hash = ''] = Object.keys(capture.files)
  expect((await stranger.call(`/v2/reconstructions/${hash}`)).status).toBe(404)
  const xorb = await stranger.call(`/v1/xorbs/default/${capture.xorbHash}`, { method: 'HEAD' })
  expect(xorb.status).toBe(404)

  const plan = (await (await reading.call(`/v2/reconstructions/${hash}`)).json()) as {
    xorbs: Record<string, { url: string; ranges: { bytes: { start: number; end: number } }[] }[]>
  }
  const [entry] = Object.values(plan.xorbs)[0] ?? []
  if (!entry) throw new Error('no link')
  const { start, end } = entry.ranges[0]?.bytes ?? { start: 0, end: 0 }
  const get = (url: string, range?: string) =>
    fetch(url, range ? { headers: { Range: range } } : {}).then((it) => it.status)
  expect(await get(entry.url, `bytes=${start}-${end}`)).toBe(206)
  expect(await get(entry.url, `bytes=${start}-${end + 1}`)).toBe(403)
  expect(await get(entry.url)).toBe(403)
  expect(
    await get(entry.url.replace(/expires=\d+/, 'expires=99999999999'), `bytes=${start}-${end}`),
  ).toBe(403)
  expect(await get(entry.url.replace(/ranges=[^&]+/, 'ranges=0-99999999'), 'bytes=0-9')).toBe(403)

  // the owner's own token dies with his right
  await hub.domain.stores.accounts.updateUser(ada.user.id, { isActive: false })
  expect((await reading.call(`/v2/reconstructions/${hash}`)).status).toBe(401)
})
