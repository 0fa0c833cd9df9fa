import { afterAll, expect, test } from 'vitest'
import { decodeRecords } from '../../../../src/protocol/xet/chunk-record.js'
import { Chunker } from '../../../../src/protocol/xet/chunker.js'
import { chunkHash } from '../../../../src/protocol/xet/content-hash.js'
import { XetFormatError } from '../../../../src/protocol/xet/xet-format-error.js'
import { type HashedChunk, XetWorkers } from '../../../../src/protocol/xet/xet-workers.js'
import { XorbBuilder } from '../../../../src/protocol/xet/xorb-builder.js'
import { validateXorb } from '../../../../src/protocol/xet/xorb-validator.js'
import { mixedBytes } from './sample-bytes.js'

const workers = new XetWorkers(2)
afterAll(() => workers.close())

const content = mixedBytes(2_500_000, 6)

function* blocks(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function chunked(size: number, compression?: 'auto'): Promise<HashedChunk[]> {
  const chunks: HashedChunk[] = []
  const options = compression ? { compression } : {}
  for await (const chunk of workers.chunkAndHash(blocks(content, size), options)) chunks.push(chunk)
  return chunks
}

test('chunks and records from a worker are those of this thread', async () => {
  const chunker = new Chunker()
  const here = [...chunker.push(content), chunker.finish() as Uint8Array].map((raw) => ({
    rawBytes: raw.length,
    hash: chunkHash(raw).toString('hex'),
  }))
  const there = await chunked(65_536, 'auto')
  expect(there.map((it) => ({ rawBytes: it.rawBytes, hash: hex(it.hash) }))).toEqual(here)
  const records = Buffer.concat(there.map((it) => it.record as Uint8Array))
  expect(Buffer.concat([...decodeRecords(records)]).equals(content)).toBe(true)
  expect((await chunked(3_000_000)).every((it) => it.record === undefined)).toBe(true)
})

test('more jobs than workers all end, each with its own result', async () => {
  const builder = new XorbBuilder()
  for (const { record, rawBytes, hash } of await chunked(100_000, 'auto')) {
    builder.addRecord(record as Uint8Array, rawBytes, hash)
  }
  const { index, records } = builder.finish() as NonNullable<ReturnType<XorbBuilder['finish']>>
  const xorb = Buffer.concat(records)
  const broken = Buffer.from(xorb)
  broken.writeUInt8(broken.readUInt8(broken.length - 3) ^ 1, broken.length - 3)
  const results = await Promise.allSettled([
    ...[1 << 20, 70_000, 999, 1 << 24].map((size) =>
      workers.validateXorb(blocks(xorb, size), { expected: index.hash }),
    ),
    workers.validateXorb(blocks(broken, 50_000), { expected: index.hash }),
    workers.validateXorb([]),
    workers.validateXorb(failing(xorb)),
  ])
  for (const result of results.slice(0, 4)) {
    expect(result).toEqual({ status: 'fulfilled', value: validateXorb(xorb) })
  }
  const reasons = results.slice(4).map((it) => (it.status === 'rejected' ? it.reason : undefined))
  expect(reasons[0]).toBeInstanceOf(XetFormatError)
  expect(reasons[1]).toMatchObject({ name: 'XetFormatError', message: 'xorb without chunks' })
  expect(reasons[2]).toMatchObject({ message: 'client gone' })
})

test('an aborted job gives its worker back', async () => {
  const one = new XetWorkers(1)
  try {
    const aborted = AbortSignal.abort(new Error('enough'))
    await expect(one.validateXorb([content], { signal: aborted })).rejects.toThrow('enough')
    const controller = new AbortController()
    const held = one.chunkAndHash(blocks(content, 65_536))
    await held.next()
    const queued = one.validateXorb([content], { signal: controller.signal })
    controller.abort(new Error('no patience'))
    await expect(queued).rejects.toThrow('no patience')
    await held.return()
    await expect(one.validateXorb([Buffer.from('nonsense')])).rejects.toThrow(XetFormatError)
  } finally {
    await one.close()
  }
  await expect(one.validateXorb([content])).rejects.toThrow('closed')
})

function* failing(bytes: Uint8Array): Generator<Uint8Array> {
  yield bytes.subarray(0, 1_500_000)
  throw new Error('client gone')
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
