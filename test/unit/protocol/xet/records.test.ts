import { describe, expect, test } from 'vitest'
import { RecordDecoder } from '../../../../src/protocol/xet/record-decoder.js'
import { RecordTrimmer } from '../../../../src/protocol/xet/record-trimmer.js'
import { decodeTerms, encodeTerms } from '../../../../src/protocol/xet/term-page.js'
import { XorbBuilder } from '../../../../src/protocol/xet/xorb-builder.js'
import { chunkAt, encodeXorbFooter } from '../../../../src/protocol/xet/xorb-index.js'
import { mixedBytes } from './sample-bytes.js'

const SIZES = [100_000, 9_000, 131_072, 8_200, 50_000, 1, 70_000, 70_001]
const chunks = SIZES.map((size, n) => Buffer.from(mixedBytes(size, n)))
const builder = new XorbBuilder('auto')
for (const chunk of chunks) builder.add(chunk)
const { index, records } = builder.finish() as NonNullable<ReturnType<XorbBuilder['finish']>>
const xorb = Buffer.concat(records)

/** Blocks of their own, as a stream gives them: the decoder writes into them. */
function* blocks(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield Buffer.from(bytes.subarray(at, at + size))
}

describe.each([1, 7, 4_096, 65_536, 1_000_000])('in blocks of %i bytes', (size) => {
  test('records are read back as raw bytes, or passed on as they are', () => {
    for (const [start, end] of [
      [0, SIZES.length],
      [2, 5],
      [5, 6],
    ] as const) {
      const first = chunkAt(index, start).recordStart
      const stored = xorb.subarray(first, index.recordEnds[end - 1])
      for (const output of ['raw', 'records'] as const) {
        const decoder = new RecordDecoder(index, start, end, output)
        const parts = [...blocks(stored, size)].flatMap((it) => decoder.push(it))
        decoder.finish()
        const expected = output === 'raw' ? Buffer.concat(chunks.slice(start, end)) : stored
        expect(Buffer.concat(parts).equals(expected)).toBe(true)
      }
    }
  })

  test('nothing of a damaged chunk is passed on, and all that comes before it is', () => {
    const damaged = Buffer.from(xorb)
    const bad = chunkAt(index, 4)
    damaged.writeUInt8(damaged.readUInt8(bad.recordStart + 9) ^ 1, bad.recordStart + 9)
    const decoder = new RecordDecoder(index, 0, SIZES.length)
    const seen: Buffer[] = []
    const read = () => {
      for (const block of blocks(damaged, size)) seen.push(...decoder.push(block))
    }
    expect(read).toThrow()
    const whole = Buffer.concat(chunks)
    const got = Buffer.concat(seen)
    expect(got.equals(whole.subarray(0, got.length))).toBe(true)
    expect(got.length).toBeLessThanOrEqual(bad.rawStart)
  })

  test('a footer is cut off, the records stay', () => {
    const trimmer = new RecordTrimmer()
    const sent = Buffer.concat([xorb, encodeXorbFooter(index)])
    const kept = [...blocks(sent, size)].flatMap((it) => trimmer.push(it))
    expect(Buffer.concat(kept).equals(xorb)).toBe(true)
    const bare = new RecordTrimmer()
    expect(Buffer.concat([...blocks(xorb, size)].flatMap((it) => bare.push(it))).equals(xorb)).toBe(
      true,
    )
  })
})

test('records that are missing or too many are noticed', () => {
  const short = new RecordDecoder(index, 0, SIZES.length)
  short.push(Buffer.from(xorb.subarray(0, index.recordEnds[3])))
  expect(() => short.finish()).toThrow('cut short')
  const long = new RecordDecoder(index, 0, 2)
  expect(() => long.push(Buffer.from(xorb))).toThrow('longer than their index')
})

test('terms come back from a page', () => {
  const terms = [
    { xorbHash: Buffer.alloc(32, 1), rawBytes: 5, chunkStart: 0, chunkEnd: 2 },
    { xorbHash: Buffer.alloc(32, 2), rawBytes: 2 ** 32 - 1, chunkStart: 8_000, chunkEnd: 8_192 },
  ]
  expect(decodeTerms(encodeTerms(terms))).toEqual(terms)
  expect(() => decodeTerms(Buffer.alloc(45))).toThrow('page of terms')
})
