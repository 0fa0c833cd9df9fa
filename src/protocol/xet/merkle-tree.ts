/**
 * The tree over (chunk hash, raw length) whose root names xorbs and, keyed once more, files.
 * Level by level nodes are grouped left to right; a group ends after its third or a later node whose
 * u64le(hash[24..32]) mod 4 = 0, after nine nodes, or at the level's end. The parent is the node hash of the
 * group's text and the sum of its lengths. A level of one node is the root, so a single leaf is its own root.
 * (draft-denis-xet, "Merkle tree"; xet-core `aggregated_hashes`.)
 */
import { fileHashOfRoot, nodeHash } from './content-hash.js'
import { HASH_BYTES, hashToHex } from './hash-string.js'

const GROUP_MIN = 3
const GROUP_MAX = 9

interface Level {
  /** All nodes this level has seen. */
  total: number
  /** The open group. */
  count: number
  text: string
  length: number
  /** Hash of the node added last: the root if the level ends with one node. */
  last: Uint8Array
}

/** Takes leaves one by one and keeps one open group per level: a few hundred bytes for a file of any size. */
export class MerkleTree {
  readonly #levels: Level[] = []
  #root: Buffer | undefined

  /** Appends a leaf. @param hash 32 bytes, copied. @param length raw bytes, a safe integer. */
  add(hash: Uint8Array, length: number): void {
    if (this.#root) throw new Error('the tree is closed')
    this.#push(
      0,
      hash.length === HASH_BYTES ? Buffer.from(hash) : hash.slice(0, HASH_BYTES),
      length,
    )
  }

  /** Closes the tree. Its root hash; 32 zero bytes without any leaf. */
  root(): Buffer {
    this.#root ??= this.#close()
    return this.#root
  }

  /** Closes the tree. The Xet file hash; 32 zero bytes without any leaf. */
  fileHash(): Buffer {
    const root = this.root()
    return this.#levels.length === 0 ? root : fileHashOfRoot(root)
  }

  #push(depth: number, hash: Uint8Array, length: number): void {
    const level = this.#levels[depth] ?? { total: 0, count: 0, text: '', length: 0, last: hash }
    this.#levels[depth] = level
    level.total++
    level.count++
    level.text += `${hashToHex(hash)} : ${length}\n`
    level.length += length
    level.last = hash
    const endsGroup = ((hash[24] as number) & 3) === 0
    if (level.count === GROUP_MAX || (level.count >= GROUP_MIN && endsGroup)) this.#collapse(depth)
  }

  #collapse(depth: number): void {
    const level = this.#levels[depth] as Level
    const { text, length } = level
    level.count = 0
    level.text = ''
    level.length = 0
    this.#push(depth + 1, nodeHash(text), length)
  }

  #close(): Buffer {
    for (let depth = 0; depth < this.#levels.length; depth++) {
      const level = this.#levels[depth] as Level
      if (level.total === 1) return Buffer.from(level.last)
      if (level.count > 0) this.#collapse(depth)
    }
    return Buffer.alloc(HASH_BYTES)
  }
}

/**
 * The hash that names a xorb.
 * @param chunkHashes 32 bytes per chunk, concatenated. @param rawLengths one per chunk.
 */
export function xorbHash(chunkHashes: Uint8Array, rawLengths: ArrayLike<number>): Buffer {
  return treeOf(chunkHashes, rawLengths).root()
}

/** The hash that names a file of these chunks; arguments as for `xorbHash`. No chunks give 32 zero bytes. */
export function fileHash(chunkHashes: Uint8Array, rawLengths: ArrayLike<number>): Buffer {
  return treeOf(chunkHashes, rawLengths).fileHash()
}

function treeOf(chunkHashes: Uint8Array, rawLengths: ArrayLike<number>): MerkleTree {
  if (chunkHashes.length !== rawLengths.length * HASH_BYTES) {
    throw new RangeError('one length per hash')
  }
  const tree = new MerkleTree()
  for (let i = 0; i < rawLengths.length; i++) {
    tree.add(chunkHashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES), rawLengths[i] as number)
  }
  return tree
}
