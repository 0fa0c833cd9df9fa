import { describe, expect, test } from 'vitest'
import { KeyedHash } from '../../../../src/protocol/xet/blake3.js'
import {
  chunkHash,
  fileHashOfRoot,
  isDedupeCandidate,
  nodeHash,
  rangeHash,
} from '../../../../src/protocol/xet/content-hash.js'
import { hashFromHex, hashToHex } from '../../../../src/protocol/xet/hash-string.js'
import { fileHash, MerkleTree, xorbHash } from '../../../../src/protocol/xet/merkle-tree.js'
import { dice } from './sample-bytes.js'

// Vectors of the protocol documents.
const A = 'c28f58387a60d4aa200c311cda7c7f77f686614864f5869eadebf765d0a14a69'
const B = '6e4e3263e073ce2c0e78cc770c361e2778db3b054b98ab65e277fc084fa70f22'

test('chunk hash', () => {
  expect(hashToHex(chunkHash(Buffer.from('Hello World!')))).toBe(
    'd8d408e608fb9ca213b9909a65d86d725f2de4d8d540324be8a363e7a6e228cb',
  )
})

test('node hash of two children, and the tree that has only them', () => {
  const node = 'be64c7003ccd3cf4357364750e04c9592b3c36705dee76a71590c011766b6c14'
  expect(hashToHex(nodeHash(`${A} : 100\n${B} : 200\n`))).toBe(node)
  expect(hashToHex(xorbHash(pack(A, B), [100, 200]))).toBe(node)
})

test('range hash of two chunks', () => {
  expect(hashToHex(rangeHash(pack(A, B)))).toBe(
    'eb06a8ad81d588ac05d1d9a079232d9c1e7d0b07232fa58091caa7bf333a2768',
  )
})

test('a single leaf is its own root, and no leaf at all hashes to zero', () => {
  expect(hashToHex(xorbHash(pack(A), [7]))).toBe(A)
  expect(fileHash(pack(A), [7])).toEqual(fileHashOfRoot(hashFromHex(A)))
  expect(xorbHash(new Uint8Array(), [])).toEqual(Buffer.alloc(32))
  expect(fileHash(new Uint8Array(), [])).toEqual(Buffer.alloc(32))
})

test('a dedupe candidate has ten zero bits at byte 24', () => {
  const hash = Buffer.alloc(32, 0xff)
  expect(isDedupeCandidate(hash)).toBe(false)
  hash.writeUInt16LE(0xfc00, 24)
  expect(isDedupeCandidate(hash)).toBe(true)
  hash.writeUInt16LE(0x0200, 24)
  expect(isDedupeCandidate(hash)).toBe(false)
  expect(isDedupeCandidate(Buffer.concat([Buffer.alloc(5, 1), Buffer.alloc(32)]), 5)).toBe(true)
})

test('keyed hashes depend on the key and on nothing that was hashed before', () => {
  const keyed = new KeyedHash(Buffer.alloc(32, 7))
  const first = keyed.digest(hashFromHex(A))
  keyed.digest(hashFromHex(B))
  expect(keyed.digest(hashFromHex(A).subarray(0, 10), hashFromHex(A).subarray(10))).toEqual(first)
  expect(new KeyedHash(Buffer.alloc(32, 8)).digest(hashFromHex(A))).not.toEqual(first)
  expect(() => new KeyedHash(Buffer.alloc(31))).toThrow(RangeError)
})

describe('the tree that grows leaf by leaf is the one of the documents', () => {
  const roll = dice(11)
  for (const count of [1, 2, 3, 4, 8, 9, 10, 27, 28, 81, 82, 300, 1000]) {
    test(`${count} leaves`, () => {
      const leaves = Array.from({ length: count }, (_, i) => ({
        // Half of them as in nature, half never or always ending a group.
        hash: chunkHash(Buffer.from(`${i} ${roll(9999)}`)).fill(roll(256), 24, count % 2 ? 24 : 25),
        length: 1 + roll(131072),
      }))
      const tree = new MerkleTree()
      for (const { hash, length } of leaves) tree.add(hash, length)
      expect(tree.root()).toEqual(rootByLevels(leaves))
      expect(tree.fileHash()).toEqual(fileHashOfRoot(tree.root()))
      expect(() => tree.add(Buffer.alloc(32), 1)).toThrow()
    })
  }
})

/** The definition, word by word: whole levels, groups by look-ahead. */
function rootByLevels(leaves: readonly { hash: Buffer; length: number }[]): Buffer {
  let level = leaves
  while (level.length > 1) {
    const parents: { hash: Buffer; length: number }[] = []
    for (let rest = level; rest.length > 0; ) {
      const size = rest.length <= 2 ? rest.length : groupSize(rest)
      const group = rest.slice(0, size)
      parents.push({
        hash: nodeHash(group.map((n) => `${hashToHex(n.hash)} : ${n.length}\n`).join('')),
        length: group.reduce((sum, n) => sum + n.length, 0),
      })
      rest = rest.slice(size)
    }
    level = parents
  }
  return (level[0] as { hash: Buffer }).hash
}

function groupSize(nodes: readonly { hash: Buffer }[]): number {
  const end = Math.min(9, nodes.length)
  for (let i = 2; i < end; i++) {
    if ((nodes[i] as { hash: Buffer }).hash.readBigUInt64LE(24) % 4n === 0n) return i + 1
  }
  return end
}

function pack(...hashes: string[]): Buffer {
  return Buffer.concat(hashes.map((hash) => hashFromHex(hash)))
}
