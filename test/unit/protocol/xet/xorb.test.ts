import { describe, expect, test } from 'vitest'
import {
  type Compression,
  decodeRecords,
  encodeRecord,
  MAX_CHUNK_RAW_BYTES,
  readRecordHeader,
} from '../../../../src/protocol/xet/chunk-record.js'
import { chunkHash } from '../../../../src/protocol/xet/content-hash.js'
import { XetFormatError } from '../../../../src/protocol/xet/xet-format-error.js'
import { XorbBuilder } from '../../../../src/protocol/xet/xorb-builder.js'
import {
  chunkAt,
  encodeXorbFooter,
  footerBytes,
  MAX_XORB_CHUNKS,
  parseXorbFooter,
  rawBytesOf,
  storedBytesOf,
  type XorbIndex,
} from '../../../../src/protocol/xet/xorb-index.js'
import {
  MAX_XORB_BODY_BYTES,
  MAX_XORB_CHUNK_BYTES,
  validateXorb,
  XorbValidator,
} from '../../../../src/protocol/xet/xorb-validator.js'
import { dice, lcgBytes, mixedBytes } from './sample-bytes.js'

function build(chunks: readonly Uint8Array[], compression: Compression = 'auto') {
  const builder = new XorbBuilder(compression)
  for (const chunk of chunks) builder.add(chunk)
  const { index, records } = builder.finish() as NonNullable<ReturnType<XorbBuilder['finish']>>
  return { index, bytes: Buffer.concat(records) }
}

const plain = (index: XorbIndex) => ({
  hash: Buffer.from(index.hash).toString('hex'),
  chunkHashes: Buffer.from(index.chunkHashes).toString('hex'),
  recordEnds: [...index.recordEnds],
  rawEnds: [...index.rawEnds],
})

const chunks = [mixedBytes(900, 1), lcgBytes(300), Buffer.alloc(131_072), mixedBytes(70_001, 2)]

describe.each(['none', 'lz4', 'grouped-lz4', 'auto'] as const)('compressed as %s', (how) => {
  const { index, bytes } = build(chunks, how)

  test('what is built validates to the same index and decodes to the same chunks', () => {
    expect(plain(validateXorb(bytes, index.hash))).toEqual(plain(index))
    expect([...decodeRecords(bytes)].map((raw, i) => raw.equals(chunks[i] as Buffer))).toEqual(
      chunks.map(() => true),
    )
    expect(storedBytesOf(index)).toBe(bytes.length)
    expect(rawBytesOf(index)).toBe(900 + 300 + 131_072 + 70_001)
  })

  test('each chunk lies where the index says', () => {
    chunks.forEach((raw, i) => {
      const chunk = chunkAt(index, i)
      const record = bytes.subarray(chunk.recordStart, chunk.recordStart + chunk.recordBytes)
      expect([...decodeRecords(record)]).toEqual([Buffer.from(raw)])
      expect(Buffer.from(chunk.hash)).toEqual(chunkHash(raw))
      expect(chunk.rawBytes).toBe(raw.length)
    })
    expect(() => chunkAt(index, 4)).toThrow(RangeError)
  })

  test('the blocks in which it arrives do not matter', () => {
    const roll = dice(5)
    for (const most of [1, 13, 5000, 200_000]) {
      const seen: Buffer[] = []
      const validator = new XorbValidator((raw) => seen.push(Buffer.from(raw)))
      for (let at = 0; at < bytes.length; ) {
        const end = at + 1 + roll(most)
        validator.push(bytes.subarray(at, end))
        at = end
      }
      expect(plain(validator.finish(index.hash))).toEqual(plain(index))
      expect(Buffer.concat(seen).equals(Buffer.concat(chunks))).toBe(true)
    }
  })
})

test('auto stores what it cannot shorten as it is, and groups what groups well', () => {
  const schemeOf = (raw: Uint8Array) => readRecordHeader(encodeRecord(raw)).scheme
  expect(schemeOf(lcgBytes(50_000))).toBe(0)
  expect(schemeOf(Buffer.from('to be or not to be '.repeat(100)))).toBe(1)
  const floats = Buffer.from(Float32Array.from({ length: 9000 }, (_, i) => 1 + i / 9e6).buffer)
  expect(schemeOf(floats)).toBe(2)
})

test('a footer is skipped, whatever it says, unless it is endless', () => {
  const { index, bytes } = build(chunks)
  const footer = encodeXorbFooter(index)
  const mangled = Buffer.from(footer).fill(0xee, 8)
  for (const tail of [footer, mangled]) {
    for (const block of [1_000_000, 1]) {
      const validator = new XorbValidator()
      const body = Buffer.concat([bytes, tail])
      for (let at = 0; at < body.length; at += block) validator.push(body.subarray(at, at + block))
      expect(plain(validator.finish(index.hash))).toEqual(plain(index))
    }
  }
  const endless = Buffer.concat([footer, Buffer.alloc(footerBytes(MAX_XORB_CHUNKS))])
  expect(() => validateXorb(Buffer.concat([bytes, endless]))).toThrow(XetFormatError)
})

test('the footer keeps the index', () => {
  const { index } = build(chunks)
  const footer = encodeXorbFooter(index)
  expect(footer.length).toBe(footerBytes(4))
  expect(plain(parseXorbFooter(footer))).toEqual(plain(index))
  expect(footer.subarray(0, 8).toString('latin1')).toBe('XETBLOB\x01')
  expect(footer.readUInt32LE(footer.length - 4)).toBe(footer.length - 4)
})

test('every mutated or cut footer is refused or reads as the same table of other values', () => {
  const footer = encodeXorbFooter(build(chunks).index)
  for (let at = 0; at < footer.length; at++) {
    for (const flip of [0x01, 0x80, 0xff]) {
      const broken = Buffer.from(footer)
      broken[at] = (broken[at] as number) ^ flip
      tolerate(() => {
        const again = encodeXorbFooter(parseXorbFooter(broken))
        broken.fill(0, broken.length - 20, broken.length - 4) // the unused bytes
        expect(again.equals(broken)).toBe(true)
      })
    }
    expect(() => parseXorbFooter(footer.subarray(0, at))).toThrow(XetFormatError)
  }
  expect(() => parseXorbFooter(Buffer.alloc(0))).toThrow(XetFormatError)
})

test('every single-byte mutation of a xorb is refused or changes nothing', () => {
  const { index, bytes } = build([mixedBytes(160, 4), lcgBytes(40), Buffer.alloc(5000, 3)], 'lz4')
  const footed = Buffer.concat([bytes, encodeXorbFooter(index)])
  let refused = 0
  for (let at = 0; at < footed.length; at++) {
    for (let flip = 1; flip < 256; flip++) {
      const broken = Buffer.from(footed)
      broken[at] = (broken[at] as number) ^ flip
      refused += tolerate(() => {
        expect(plain(validateXorb(broken, index.hash))).toEqual(plain(index))
      })
    }
  }
  expect(refused).toBeGreaterThan(bytes.length * 200)
})

test('a xorb that ends early is refused at every length', () => {
  const { index, bytes } = build([mixedBytes(160, 4), lcgBytes(40), Buffer.alloc(500, 3)])
  for (let end = 0; end < bytes.length; end++) {
    expect(() => validateXorb(bytes.subarray(0, end), index.hash)).toThrow(XetFormatError)
  }
})

test.each([
  ['another version', [1, 1, 0, 0, 0, 1, 0, 0, 9]],
  ['an unknown scheme', [0, 1, 0, 0, 3, 1, 0, 0, 9]],
  ['the scheme that is never on disk', [0, 1, 0, 0, 99, 1, 0, 0, 9]],
  ['no data', [0, 0, 0, 0, 0, 0, 0, 0]],
  ['two lengths of plain data', [0, 1, 0, 0, 0, 2, 0, 0, 9]],
  ['more raw bytes than a chunk has', [0, 1, 0, 0, 1, 1, 0, 2, 9]],
  ['more stored bytes than a chunk has', [0, 1, 0, 4, 1, 1, 0, 0, 9]],
])('a chunk header with %s is refused', (_, bytes) => {
  expect(() => validateXorb(Buffer.from(bytes))).toThrow(XetFormatError)
})

test('a good xorb under another hash is refused', () => {
  const { index, bytes } = build(chunks)
  const other = Buffer.from(index.hash)
  other[31] = (other[31] as number) ^ 1
  expect(() => validateXorb(bytes, other)).toThrow('xorb hash mismatch')
})

test('8192 chunks are a xorb, one more is not', () => {
  const record = encodeRecord(Buffer.from('x'))
  const full = Buffer.concat(Array(8192).fill(record))
  expect(validateXorb(full).rawEnds.length).toBe(8192)
  expect(() => validateXorb(Buffer.concat([full, record]))).toThrow('too many chunks')
  expect(() => validateXorb(Buffer.alloc(MAX_XORB_BODY_BYTES + 1))).toThrow('xorb too long')
})

test('the builder is full at 64 MiB, and empty after finish', () => {
  const builder = new XorbBuilder('none')
  const record = encodeRecord(Buffer.alloc(MAX_CHUNK_RAW_BYTES), 'none')
  const hash = chunkHash(Buffer.alloc(MAX_CHUNK_RAW_BYTES))
  while (builder.fits(MAX_CHUNK_RAW_BYTES)) builder.addRecord(record, MAX_CHUNK_RAW_BYTES, hash)
  expect(builder.rawBytes).toBe(MAX_XORB_CHUNK_BYTES)
  expect(() => builder.add(Buffer.from('x'))).toThrow(RangeError)
  expect(builder.finish()?.index.rawEnds.length).toBe(512)
  expect(builder.finish()).toBeUndefined()
  expect(() => builder.add(Buffer.alloc(0))).toThrow(RangeError)
})

function tolerate(check: () => void): number {
  try {
    check()
    return 0
  } catch (err) {
    if (err instanceof XetFormatError) return 1
    throw err
  }
}
