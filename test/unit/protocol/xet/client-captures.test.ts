import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { decodeRecords, encodeRecord } from '../../../../src/protocol/xet/chunk-record.js'
import { Chunker } from '../../../../src/protocol/xet/chunker.js'
import { chunkHash } from '../../../../src/protocol/xet/content-hash.js'
import { hashFromHex, hashToHex } from '../../../../src/protocol/xet/hash-string.js'
import { MerkleTree } from '../../../../src/protocol/xet/merkle-tree.js'
import { parseShardFooter } from '../../../../src/protocol/xet/shard-footer.js'
import { parseShard, type ShardFile } from '../../../../src/protocol/xet/shard-parser.js'
import { describesXorb, FileVerifier } from '../../../../src/protocol/xet/shard-verify.js'
import { validateXorb } from '../../../../src/protocol/xet/xorb-validator.js'

interface Expected {
  readonly xorb: string
  readonly chunks: number
  readonly files: Readonly<Record<string, { name: string; size: number; sha256: string }>>
}

describe.each(['hf_xet-1.8.0', 'huggingface-js-2.17.5'])('uploaded by %s', (client) => {
  const read = (name: string) =>
    readFileSync(new URL(`../../../../fixtures/xet/${client}/${name}`, import.meta.url))
  const expected: Expected = JSON.parse(read('expected.json').toString())
  const xorb = read('xorb.bin')
  const shardBytes = read('shard.bin')
  const index = validateXorb(xorb, hashFromHex(expected.xorb))
  const shard = parseShard(shardBytes)
  const chunks = [...decodeRecords(xorb)]
  const contentOf = (file: ShardFile) =>
    Buffer.concat([...file.terms()].flatMap((t) => chunks.slice(t.chunkStart, t.chunkEnd)))

  test('the xorb is valid, and the shard describes it', () => {
    expect(index.rawEnds.length).toBe(expected.chunks)
    expect([...shard.xorbs()].map((it) => describesXorb(it, index))).toEqual([true])
  })

  test('every file verifies and has the size and the SHA-256 that the client says', () => {
    const found = [...shard.files()].map((file) => {
      const verifier = new FileVerifier(file)
      for (const _ of file.terms()) verifier.add(index)
      const size = verifier.finish()
      const sha256 = createHash('sha256').update(contentOf(file)).digest('hex')
      expect(file.sha256?.toString('hex')).toBe(sha256)
      return [hashToHex(file.hash), { size, sha256 }]
    })
    const said = Object.entries(expected.files).map(([hash, { size, sha256 }]) => [
      hash,
      { size, sha256 },
    ])
    expect(Object.fromEntries(found)).toEqual(Object.fromEntries(said))
  })

  test('our chunker cuts the same files to the same hashes', () => {
    for (const file of shard.files()) {
      const chunker = new Chunker()
      const tree = new MerkleTree()
      const cut = [...chunker.push(contentOf(file)), chunker.finish()]
      for (const chunk of cut) if (chunk) tree.add(chunkHash(chunk), chunk.length)
      expect(hashToHex(tree.fileHash())).toBe(hashToHex(file.hash))
    }
  })

  test('our compression is as good as theirs, within a twentieth', () => {
    const ours = chunks.reduce((sum, chunk) => sum + encodeRecord(chunk).length, 0)
    expect(ours).toBeLessThan(xorb.length * 1.05)
  })

  test('a footer is there or not, and says no more than it must', () => {
    expect(shard.hasFooter).toBe(client.includes('js'))
    if (!shard.hasFooter) return
    expect(parseShardFooter(shardBytes)).toMatchObject({ filesAt: 48, key: Buffer.alloc(32) })
  })
})
