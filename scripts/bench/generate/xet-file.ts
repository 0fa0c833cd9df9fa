import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { rangeHash } from '../../../src/protocol/xet/content-hash.js'
import { hashToHex } from '../../../src/protocol/xet/hash-string.js'
import { MerkleTree } from '../../../src/protocol/xet/merkle-tree.js'
import { encodeShard } from '../../../src/protocol/xet/shard-encoder.js'
import type { ShardTerm } from '../../../src/protocol/xet/shard-format.js'
import { type BuiltXorb, XorbBuilder } from '../../../src/protocol/xet/xorb-builder.js'
import type { XorbIndex } from '../../../src/protocol/xet/xorb-index.js'
import type { LfsObject } from '../lib/lfs-client.js'
import { noise } from './lfs-file.js'

/** What clients cut on the average. */
const CHUNK_BYTES = 64 * 1024

/** A file as a Xet client sends it, ready made: its xorbs lie one after the other in a file. */
export interface XetFile {
  readonly object: LfsObject
  /** Xet file hash. */
  readonly hash: string
  readonly path: string
  readonly xorbs: readonly { readonly hash: string; readonly at: number; readonly bytes: number }[]
  readonly shard: Buffer
}

/** Noise that no server has seen, in chunks that nothing compresses, as weights are. */
export async function writeXetFile(path: string, size: number, seed: number): Promise<XetFile> {
  const file = await open(path, 'w')
  const builder = new XorbBuilder('none')
  const sha256 = createHash('sha256')
  const tree = new MerkleTree()
  const indexes: XorbIndex[] = []
  const xorbs: { hash: string; at: number; bytes: number }[] = []
  let at = 0
  const close = async ({ index, records }: BuiltXorb) => {
    const bytes = Buffer.concat(records)
    await file.write(bytes)
    xorbs.push({ hash: hashToHex(index.hash), at, bytes: bytes.length })
    indexes.push(index)
    at += bytes.length
  }
  for (const block of noise(size, seed)) {
    sha256.update(block)
    for (let from = 0; from < block.length; from += CHUNK_BYTES) {
      const chunk = block.subarray(from, from + CHUNK_BYTES)
      if (!builder.fits(chunk.length)) await close(builder.finish() as BuiltXorb)
      builder.add(chunk)
    }
  }
  const last = builder.finish()
  if (last) await close(last)
  await file.sync()
  await file.close()
  const terms = indexes.map((index): ShardTerm => {
    const chunkEnd = index.rawEnds.length
    let start = 0
    for (const [n, end] of index.rawEnds.entries()) {
      tree.add(index.chunkHashes.subarray(n * 32, n * 32 + 32), end - start)
      start = end
    }
    return { xorbHash: index.hash, rawBytes: start, chunkStart: 0, chunkEnd }
  })
  const hash = tree.fileHash()
  const digest = sha256.digest()
  const rangeHashes = indexes.map((it) => rangeHash(it.chunkHashes))
  const shard = encodeShard([{ hash, terms, rangeHashes, sha256: digest }], indexes)
  const object = { oid: digest.toString('hex'), size }
  return { object, hash: hashToHex(hash), path, xorbs, shard }
}
