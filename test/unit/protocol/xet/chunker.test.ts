import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { Chunker } from '../../../../src/protocol/xet/chunker.js'
import { chunkHash, rangeHash } from '../../../../src/protocol/xet/content-hash.js'
import { GEAR_TABLE_HEX } from '../../../../src/protocol/xet/gear-table.js'
import { hashToHex } from '../../../../src/protocol/xet/hash-string.js'
import { fileHash, xorbHash } from '../../../../src/protocol/xet/merkle-tree.js'
import { dice, lcgBytes, mixedBytes, pythonRandomBytes, splitMixBytes } from './sample-bytes.js'

interface Vector {
  readonly name: string
  readonly bytes: Buffer
  readonly lengths: readonly number[]
  readonly count: number
  readonly xorb: string
  readonly file: string
  readonly range?: string
}

// File hashes agree with `hf_xet.hash_files`.
const vectors: Vector[] = [
  {
    name: 'hello xet',
    bytes: Buffer.from('hello xet'),
    lengths: [9],
    count: 1,
    xorb: '6a349f801ba87a0089cf89b95d9d40c810b6645471948f7399870fe76957b6cb',
    file: '7fe64ee1a188b9b2297a7637697fa23c5a98fe8020b9a69084269b2d15711637',
  },
  {
    name: 'a million zeros',
    bytes: Buffer.alloc(1_000_000),
    lengths: [...Array(7).fill(131072), 82496],
    count: 8,
    xorb: '66df762464541c4b4525314f0cb292f49017a961ce8c95b5a2ced973fdbf7527',
    file: 'c0c85185f4307d40facfd366573176e54fc9c76041e44e32d52489780a6d1eaa',
  },
  {
    name: 'a million 0x3b',
    bytes: Buffer.alloc(1_000_000, 0x3b),
    lengths: [...Array(7).fill(131072), 82496],
    count: 8,
    xorb: 'a6b5a7f0bb38b6fd5fb39031eb7564e18ea0e7a0b7bea87de54ed1db8bc85884',
    file: '53f845640fcd1c7440befff65bd93434c83a30c6559a705597d61f2ef64e2f88',
  },
  {
    name: 'LCG',
    bytes: lcgBytes(1_000_000),
    lengths: [53952, 131072, 103225, 42648, 36439, 131072],
    count: 14,
    xorb: '60a2c6248a8bd55ef399fbdc961b3000d61da6f55fb165aa499cc83363c082e8',
    file: '939801e56a47588796e2ea3b6ddc04d9571cfa1eaec19534319e716fa659235e',
    range: '9e8b36ce2e4e5a8b1e5761f328b66a2b4ba4fed2413b19ab64fafca2fc1e8c56',
  },
  {
    // Older clients cut this one at 8128 bytes and arrive at e0744c21….
    name: 'Python random.Random(7)',
    bytes: pythonRandomBytes(3_000_000, 7),
    lengths: [131072, 85310, 14783, 9358, 49281, 18775],
    count: 50,
    xorb: 'abfc11f318df0524f6a4d1d0af581bcbadf429ff5e77347cf7f5b5a7b072096f',
    file: 'b1203d24d50fb5cfba182463701f00538c995c37949a78e4ada4a51f9a92f2c3',
    range: '78bf888558ff1309f4457e18bf5fc5ef1a2e0fe205aa35259cf5c3563837fb91',
  },
]

describe.each(vectors)('$name', ({ bytes, lengths, count, xorb, file, range }) => {
  test.each(['whole', 'in blocks of 65536', 'in blocks of any size'])('%s', (how) => {
    const roll = dice(3)
    const block = { whole: () => bytes.length, 'in blocks of 65536': () => 65536 }[how]
    const chunks = chunksOf(bytes, block ?? (() => roll(20_000)))
    expect(chunks.length).toBe(count)
    expect(chunks.slice(0, lengths.length).map((c) => c.length)).toEqual(lengths)
    expect(Buffer.compare(Buffer.concat(chunks), bytes)).toBe(0)
    const hashes = Buffer.concat(chunks.map((chunk) => chunkHash(chunk)))
    const all = chunks.map((chunk) => chunk.length)
    expect(hashToHex(xorbHash(hashes, all))).toBe(xorb)
    expect(hashToHex(fileHash(hashes, all))).toBe(file)
    if (range) expect(hashToHex(rangeHash(hashes))).toBe(range)
  })
})

test('the samples are those of the reference', () => {
  const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
  expect(sha256(lcgBytes(1_000_000))).toMatch(/^291ebd41.*1143a7$/)
  expect(sha256(pythonRandomBytes(3_000_000, 7))).toBe(
    'eaee34640ca7ca9dcbe15c348da93446896de37ccbdaa560376d90b1c92652cd',
  )
})

test('cuts of xet-core over SplitMix64', () => {
  const cuts = [
    84493, 134421, 144853, 243318, 271793, 336457, 467529, 494581, 582000, 596735, 616815, 653164,
    678202, 724510, 815591, 827760, 958832, 991092, 1000000,
  ]
  let end = 0
  const ends = chunksOf(splitMixBytes(1_000_000), () => 1_000_000).map((chunk) => {
    end += chunk.length
    return end
  })
  expect(ends).toEqual(cuts)
})

test('cuts are those of the plain definition, byte by byte, whatever the blocks', () => {
  for (let seed = 1; seed <= 4; seed++) {
    const bytes = seed % 2 ? mixedBytes(700_000, seed) : splitMixBytes(700_000, BigInt(seed))
    const roll = dice(seed)
    const expected = lengthsByDefinition(bytes)
    for (const most of [1, 700, 9000, 300_000]) {
      const blocks = most === 1 ? () => 1 : () => roll(most + 1)
      expect(chunksOf(bytes, blocks).map((c) => c.length)).toEqual(expected)
    }
  }
})

test('nothing gives no chunk, and a finished chunker starts anew', () => {
  const chunker = new Chunker()
  expect(chunker.push(Buffer.alloc(0))).toEqual([])
  expect(chunker.finish()).toBeUndefined()
  const bytes = splitMixBytes(200_000)
  const run = () => [...chunker.push(bytes), chunker.finish()].map((chunk) => chunk?.length)
  const first = run()
  chunker.push(Buffer.alloc(8191, 1))
  chunker.finish()
  expect(run()).toEqual(first)
})

test('two streams in turn do not disturb each other', () => {
  const [a, b] = [splitMixBytes(600_000, 5n), mixedBytes(600_000, 9)]
  const chunkers = [new Chunker(), new Chunker()] as const
  const lengths: [number[], number[]] = [[], []]
  for (let at = 0; at < 600_000; at += 7777) {
    for (const which of [0, 1] as const) {
      const block = [a, b][which]?.subarray(at, at + 7777) as Buffer
      lengths[which].push(...chunkers[which].push(block).map((chunk) => chunk.length))
    }
  }
  for (const which of [0, 1] as const) lengths[which].push(chunkers[which].finish()?.length ?? 0)
  expect(lengths).toEqual([lengthsByDefinition(a), lengthsByDefinition(b)])
})

function chunksOf(bytes: Buffer, nextBlock: () => number): Uint8Array[] {
  const chunker = new Chunker()
  const chunks: Uint8Array[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = at + nextBlock()
    chunks.push(...chunker.push(bytes.subarray(at, end)))
    at = end
  }
  const last = chunker.finish()
  return last ? [...chunks, last] : chunks
}

/** The public pseudocode: hash every byte from the chunk's start, two 32-bit halves of h. */
function lengthsByDefinition(bytes: Buffer): number[] {
  const table = Buffer.from(GEAR_TABLE_HEX, 'hex')
  const highs = Array.from({ length: 256 }, (_, i) => table.readUInt32BE(8 * i))
  const lows = Array.from({ length: 256 }, (_, i) => table.readUInt32BE(8 * i + 4))
  const lengths: number[] = []
  let [high, low, size] = [0, 0, 0]
  for (const byte of bytes) {
    const sum = ((low << 1) >>> 0) + (lows[byte] as number)
    high =
      (((high << 1) | (low >>> 31)) + (highs[byte] as number) + (sum > 0xffffffff ? 1 : 0)) >>> 0
    low = sum >>> 0
    size++
    if ((size >= 8192 && high >>> 16 === 0) || size === 131072) {
      lengths.push(size)
      ;[high, low, size] = [0, 0, 0]
    }
  }
  if (size > 0) lengths.push(size)
  return lengths
}
