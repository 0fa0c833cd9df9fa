import { expect, test } from 'vitest'
import { decodeRecords } from '../../../../src/protocol/xet/chunk-record.js'
import { planReconstruction } from '../../../../src/protocol/xet/reconstruction.js'
import type { ShardTerm } from '../../../../src/protocol/xet/shard-format.js'
import { XetFormatError } from '../../../../src/protocol/xet/xet-format-error.js'
import { XorbBuilder } from '../../../../src/protocol/xet/xorb-builder.js'
import type { XorbIndex } from '../../../../src/protocol/xet/xorb-index.js'
import { dice, mixedBytes } from './sample-bytes.js'

const roll = dice(31)

interface Stored {
  readonly index: XorbIndex
  readonly bytes: Buffer
  readonly chunks: readonly Buffer[]
}

const stored: Stored[] = [7, 1, 12].map((count, i) => {
  const chunks = Array.from({ length: count }, (_, j) => mixedBytes(1 + roll(900), 10 * i + j))
  const builder = new XorbBuilder()
  for (const chunk of chunks) builder.add(chunk)
  const { index, records } = builder.finish() as NonNullable<ReturnType<XorbBuilder['finish']>>
  return { index, bytes: Buffer.concat(records), chunks }
})

const find = (hash: Uint8Array) =>
  stored.find((it) => Buffer.compare(it.index.hash, hash) === 0) as Stored

/** Runs of chunks, some overlapping and repeated. */
const runs = [
  [0, 2, 5],
  [2, 0, 3],
  [1, 0, 1],
  [0, 0, 3],
  [0, 4, 7],
  [2, 9, 12],
  [0, 2, 5],
] as const
const terms: ShardTerm[] = runs.map(([which, chunkStart, chunkEnd]) => {
  const { index, chunks } = stored[which] as Stored
  const rawBytes = chunks.slice(chunkStart, chunkEnd).reduce((sum, it) => sum + it.length, 0)
  return { xorbHash: index.hash, rawBytes, chunkStart, chunkEnd }
})
const content = Buffer.concat(
  runs.flatMap(([which, start, end]) => (stored[which] as Stored).chunks.slice(start, end)),
)

/** What a client does with a plan. */
async function fetchBytes(first: number, last: number): Promise<Buffer | undefined> {
  const plan = await planReconstruction(terms, { first, last }, (hash) => find(hash).index)
  if (!plan) return undefined
  const fetched = new Map<string, Map<number, Buffer>>()
  for (const { xorbHash, ranges } of plan.fetches) {
    const chunks = new Map<number, Buffer>()
    let before = -1
    for (const range of ranges) {
      expect(range.chunkStart).toBeGreaterThan(before)
      before = range.chunkEnd
      const bytes = find(xorbHash).bytes.subarray(range.firstByte, range.lastByte + 1)
      let at = range.chunkStart
      for (const raw of decodeRecords(bytes)) chunks.set(at++, raw)
      expect(at).toBe(range.chunkEnd)
    }
    fetched.set(Buffer.from(xorbHash).toString('hex'), chunks)
  }
  const parts = plan.terms.map((term) => {
    const chunks = fetched.get(Buffer.from(term.xorbHash).toString('hex'))
    const run = []
    for (let i = term.chunkStart; i < term.chunkEnd; i++) run.push(chunks?.get(i) as Buffer)
    const bytes = Buffer.concat(run)
    expect(bytes.length).toBe(term.rawBytes)
    return bytes
  })
  const firstTerm = plan.terms[0]
  if (firstTerm) {
    const chunk = find(firstTerm.xorbHash).chunks[firstTerm.chunkStart] as Buffer
    expect(plan.offsetIntoFirstRange).toBeLessThan(chunk.length)
  }
  return Buffer.concat(parts).subarray(plan.offsetIntoFirstRange)
}

test('the whole file, and every range of it, comes out of its plan', async () => {
  expect((await fetchBytes(0, Number.MAX_SAFE_INTEGER))?.equals(content)).toBe(true)
  for (let round = 0; round < 500; round++) {
    const first = roll(content.length)
    const last = first + roll(content.length - first)
    const bytes = await fetchBytes(first, last)
    expect(bytes?.subarray(0, last - first + 1).equals(content.subarray(first, last + 1))).toBe(
      true,
    )
    // no chunk more than needed
    expect((bytes?.length ?? 0) - (last - first + 1)).toBeLessThan(900)
  }
})

test('a range at the end of the file is nothing, but an empty file has an empty plan', async () => {
  expect(await fetchBytes(content.length, content.length + 9)).toBeUndefined()
  expect((await fetchBytes(content.length - 1, content.length))?.length).toBe(1)
  const load = () => expect.unreachable()
  expect(await planReconstruction([], { first: 0, last: 9 }, load)).toEqual({
    offsetIntoFirstRange: 0,
    terms: [],
    fetches: [],
  })
  expect(await planReconstruction([], { first: 1, last: 9 }, load)).toBeUndefined()
})

test('only xorbs that the range touches are looked up, each once', async () => {
  const asked: Uint8Array[] = []
  const load = (hash: Uint8Array) => {
    asked.push(hash)
    return find(hash).index
  }
  await planReconstruction(terms, { first: 0, last: 0 }, load)
  expect(asked.length).toBe(1)
  await planReconstruction(terms, { first: 0, last: content.length }, load)
  expect(asked.length).toBe(4)
})

test('a term that does not fit its xorb is refused', async () => {
  const [term] = terms as [ShardTerm]
  for (const change of [{ chunkEnd: 8 }, { rawBytes: term.rawBytes + 1 }, { chunkEnd: 2 }]) {
    const plan = planReconstruction(
      [{ ...term, ...change }],
      { first: 0, last: 1 },
      (hash) => find(hash).index,
    )
    await expect(plan).rejects.toThrow(XetFormatError)
  }
})
