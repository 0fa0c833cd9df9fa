import { describe, expect, test } from 'vitest'
import { KeyedHash } from '../../../../src/protocol/xet/blake3.js'
import { chunkHash, rangeHash } from '../../../../src/protocol/xet/content-hash.js'
import { fileHash } from '../../../../src/protocol/xet/merkle-tree.js'
import {
  encodeDedupeShard,
  encodeShard,
  type FileEntry,
} from '../../../../src/protocol/xet/shard-encoder.js'
import { encodeShardFooter, parseShardFooter } from '../../../../src/protocol/xet/shard-footer.js'
import { parseShard, type Shard } from '../../../../src/protocol/xet/shard-parser.js'
import { describesXorb, FileVerifier } from '../../../../src/protocol/xet/shard-verify.js'
import { XetFormatError } from '../../../../src/protocol/xet/xet-format-error.js'
import { XorbBuilder } from '../../../../src/protocol/xet/xorb-builder.js'
import { hashesOf, type XorbIndex } from '../../../../src/protocol/xet/xorb-index.js'
import { dice, lcgBytes, mixedBytes } from './sample-bytes.js'

function xorbOf(...chunks: Uint8Array[]): XorbIndex {
  const builder = new XorbBuilder()
  for (const chunk of chunks) builder.add(chunk)
  return (builder.finish() as NonNullable<ReturnType<XorbBuilder['finish']>>).index
}

const first = xorbOf(mixedBytes(500, 1), mixedBytes(9000, 2), lcgBytes(30))
const second = xorbOf(Buffer.from('only'))

/** Chunks 1..2 of the first xorb, then the second, then chunk 0 of the first. */
const terms = [
  { xorbHash: first.hash, rawBytes: 9030, chunkStart: 1, chunkEnd: 3 },
  { xorbHash: second.hash, rawBytes: 4, chunkStart: 0, chunkEnd: 1 },
  { xorbHash: first.hash, rawBytes: 500, chunkStart: 0, chunkEnd: 1 },
]
const indexes = [first, second, first]
const proofs = terms.map((term, i) =>
  rangeHash(hashesOf(indexes[i] as XorbIndex, term.chunkStart, term.chunkEnd)),
)
const file: FileEntry = {
  hash: fileHash(
    Buffer.concat([hashesOf(first, 1, 3), second.chunkHashes, hashesOf(first, 0, 1)]),
    [9000, 30, 4, 500],
  ),
  terms,
  rangeHashes: proofs,
  sha256: Buffer.alloc(32, 0xab),
}
const bare: FileEntry = { hash: Buffer.alloc(32, 5), terms: terms.slice(0, 1) }
const empty: FileEntry = { hash: Buffer.alloc(32), terms: [], sha256: Buffer.alloc(32) }

function entries(shard: Shard): FileEntry[] {
  return [...shard.files()].map((it) => ({
    hash: it.hash,
    terms: [...it.terms()],
    ...(it.hasRangeHashes && {
      rangeHashes: Array.from({ length: it.termCount }, (_, i) => it.rangeHash(i)),
    }),
    ...(it.sha256 && { sha256: it.sha256 }),
  }))
}

test('what is written reads back', () => {
  const bytes = encodeShard([file, bare, empty], [first, second])
  const shard = parseShard(bytes)
  expect([shard.fileCount, shard.xorbCount, shard.hasFooter]).toEqual([3, 2, false])
  const [one, two, three] = [...shard.files()]
  expect(one?.rawBytes).toBe(9534)
  expect(one?.sha256).toEqual(Buffer.alloc(32, 0xab))
  expect([two?.hasRangeHashes, two?.sha256]).toEqual([false, undefined])
  expect([three?.termCount, three?.rawBytes]).toEqual([0, 0])
  expect(encodeShard(entries(shard), [first, second]).equals(bytes)).toBe(true)
  expect(
    [...shard.xorbs()].map((xorb, i) => describesXorb(xorb, [first, second][i] as XorbIndex)),
  ).toEqual([true, true])
  const [xorb] = [...shard.xorbs()]
  expect(describesXorb(xorb as NonNullable<typeof xorb>, second)).toBe(false)
  expect([xorb?.rawBytes, Buffer.from(xorb?.chunkHashes() ?? [])]).toEqual([
    9530,
    Buffer.from(first.chunkHashes),
  ])
})

test('the layout is that of the documents', () => {
  const bytes = encodeShard([file], [second])
  expect(bytes.subarray(0, 14).toString()).toBe('HFRepoMetaData')
  expect(bytes.subarray(14, 32).toString('hex')).toBe('00556967456a7b815783a5bdd95ccdd14aa9')
  expect(bytes.readBigUInt64LE(32)).toBe(2n)
  expect(bytes.readUInt32LE(48 + 32)).toBe(0xc0000000)
  // header, file header, 3 terms, 3 proofs, metadata, bookend, xorb, chunk, bookend
  expect(bytes.length).toBe(48 * 13)
  expect(bytes.subarray(48 * 9, 48 * 10).toString('hex')).toBe('ff'.repeat(32) + '00'.repeat(16))
})

describe('verification of a file', () => {
  const verify = (entry: FileEntry) => {
    const [parsed] = [...parseShard(encodeShard([entry], [])).files()]
    const verifier = new FileVerifier(parsed as NonNullable<typeof parsed>)
    for (const index of indexes.slice(0, entry.terms.length)) verifier.add(index)
    return verifier.finish()
  }
  const withTerm = (change: Partial<(typeof terms)[0]>) => ({
    ...file,
    terms: [{ ...(terms[0] as (typeof terms)[0]), ...change }, ...terms.slice(1)],
  })

  test('a true one has its size', () => {
    expect(verify(file)).toBe(9534)
    expect(verify(empty)).toBe(0)
  })
  test.each([
    ['without verification hashes', bare, 'without verification'],
    ['that claims another hash', { ...file, hash: Buffer.alloc(32, 9) }, 'file hash mismatch'],
    [
      'whose sender does not know the chunks',
      { ...file, rangeHashes: proofs.map(() => Buffer.alloc(32, 1)) },
      'verification hash mismatch',
    ],
    ['with a wrong length', withTerm({ rawBytes: 9031 }), 'length of a file term'],
    ['beyond its xorb', withTerm({ chunkEnd: 4 }), 'beyond its xorb'],
    ['that starts elsewhere', withTerm({ chunkStart: 0, rawBytes: 9530 }), 'verification hash'],
  ] as const)('one %s is refused', (_, entry, message) => {
    expect(() => verify(entry)).toThrow(XetFormatError)
    expect(() => verify(entry)).toThrow(message)
  })
})

describe('the answer to a dedupe query', () => {
  const key = Buffer.from(lcgBytes(32, 4n))
  const bytes = encodeDedupeShard([first, second], { key, createdAt: 1000, expiresAt: 2000 })
  const shard = parseShard(bytes)

  test('hides the chunk hashes under its key', () => {
    expect([shard.fileCount, shard.xorbCount, shard.hasFooter]).toEqual([0, 2, true])
    const keyed = new KeyedHash(key)
    const [xorb] = [...shard.xorbs()]
    expect(Buffer.from(xorb?.hash ?? [])).toEqual(Buffer.from(first.hash))
    expect(Buffer.from(xorb?.chunk(1).hash ?? [])).toEqual(
      keyed.digest(chunkHash(mixedBytes(9000, 2))),
    )
    expect(xorb?.chunk(2)).toMatchObject({ rawStart: 9500, rawBytes: 30, flags: 0 })
  })

  test('ends with a footer whose offsets frame the xorb section', () => {
    const footer = parseShardFooter(bytes)
    expect(footer).toMatchObject({
      filesAt: 48,
      xorbsAt: 96,
      lookupsAt: bytes.length - 200,
      createdAt: 1000,
      expiresAt: 2000,
      rawBytes: 9534,
    })
    expect(footer.key).toEqual(key)
    const at = bytes.length - 200
    for (const offset of [24, 40, 56, 192]) {
      expect(bytes.readBigUInt64LE(at + offset)).toBe(BigInt(at))
    }
    expect(bytes.readBigUInt64LE(40)).toBe(200n)
  })

  test('a footer without expiry reads as such', () => {
    const footer = { ...parseShardFooter(bytes), expiresAt: undefined }
    const eternal = Buffer.concat([bytes.subarray(0, -200), encodeShardFooter(footer)])
    expect(parseShardFooter(eternal)).toEqual(footer)
  })
})

test.each(['without', 'with'])(
  'every mutated shard %s footer is refused or read as it stands',
  (kind) => {
    const bytes =
      kind === 'with'
        ? encodeDedupeShard([first], { key: Buffer.alloc(32, 1), createdAt: 1, expiresAt: 2 })
        : encodeShard([file, empty], [first])
    for (let at = 0; at < bytes.length; at++) {
      for (const flip of [1, 2, 4, 8, 16, 32, 64, 128, 255]) {
        const broken = Buffer.from(bytes)
        broken[at] = (broken[at] as number) ^ flip
        tolerate(() => walk(broken))
        tolerate(() => parseShardFooter(broken))
      }
    }
    const whole = kind === 'with' ? bytes.length : bytes.length
    for (let end = 0; end < whole; end++) {
      expect(() => walk(bytes.subarray(0, end))).toThrow(XetFormatError)
    }
  },
)

test('noise instead of counts and lengths never gets past the bytes that are there', () => {
  const roll = dice(8)
  const bytes = encodeShard([file, bare, empty], [first, second])
  for (let round = 0; round < 30_000; round++) {
    const broken = Buffer.from(bytes)
    for (let n = roll(6); n >= 0; n--) {
      const at = 32 + 4 * roll((broken.length - 32) / 4)
      broken.writeUInt32LE([0, 1, 0xffffffff, 0x80000000, 8192, roll(2 ** 31)][roll(6)] ?? 0, at)
    }
    tolerate(() => walk(broken.subarray(0, roll(2) ? broken.length : roll(broken.length))))
  }
})

test.each([
  ['chunk count', 36, 0xffffffff],
  ['no chunks', 36, 0],
  ['total length', 40, 1],
  ['start of the first chunk', 48 + 32, 1],
  ['length of the first chunk', 48 + 36, 131_073],
])('a xorb with a wrong %s is refused', (_, offset, value) => {
  const bytes = encodeShard([], [first])
  bytes.writeUInt32LE(value, 96 + offset)
  expect(() => parseShard(bytes)).toThrow(XetFormatError)
})

test('a shard over 64 MiB is refused unread', () => {
  expect(() => parseShard(Buffer.alloc(64 * 1024 * 1024 + 1))).toThrow('shard too long')
})

/** Reads everything that the parser offers; what was read must be what the bytes say. */
function walk(bytes: Buffer): void {
  const shard = parseShard(bytes)
  let records = 3
  for (const entry of shard.files()) {
    records += 1 + entry.termCount * (entry.hasRangeHashes ? 2 : 1) + (entry.sha256 ? 1 : 0)
    for (const term of entry.terms()) expect(term.chunkEnd).toBeGreaterThan(term.chunkStart)
    if (entry.hasRangeHashes && entry.termCount) expect(entry.rangeHash(0).length).toBe(32)
    expect(entry.rawBytes).toBeGreaterThanOrEqual(entry.termCount)
  }
  for (const xorb of shard.xorbs()) {
    records += 1 + xorb.chunkCount
    expect(xorb.chunkHashes().length).toBe(32 * xorb.chunkCount)
  }
  expect(records * 48).toBeLessThanOrEqual(bytes.length)
}

function tolerate(check: () => void): void {
  try {
    check()
  } catch (err) {
    if (!(err instanceof XetFormatError)) throw err
  }
}
