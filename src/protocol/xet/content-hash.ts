/**
 * The hashes of Xet, all keyed BLAKE3 of 32 bytes, each use under a key of its own:
 *   chunk  raw chunk bytes                      node  text lines `<hash string> : <length>\n`, one per child
 *   file   tree root, under the salt (zeros)    range chunk hashes of a term, concatenated
 *   dedupe chunk hash, under the key in the answer shard's footer (a `KeyedHash` of the caller's)
 * (draft-denis-xet, "Hashing"; the tree that node hashes build is in merkle-tree.ts.)
 */
import { KeyedHash } from './blake3.js'
import { HASH_BYTES } from './hash-string.js'

const under = (keyHex: string) => new KeyedHash(Buffer.from(keyHex, 'hex'))
const chunkHasher = under('6697f5775b9550de3135cbaca597181c9de421109beb2b58b4d0b04b93adf229')
const nodeHasher = under('017ec5c7a5472996fd946666b48a02e65ddd536f37c76dd2f86352e64a53713f')
const rangeHasher = under('7f1857d6ce56ed66127ff913e7a5c3f3a4cd26d5b5db49e64124987f28fb94c3')
const fileHasher = new KeyedHash(Buffer.alloc(HASH_BYTES))

/** The hash of a chunk: of its raw bytes, whatever its compression. */
export function chunkHash(raw: Uint8Array): Buffer {
  return chunkHasher.digest(raw)
}

/** The hash of an inner tree node; `lines` is its children's text (see above). */
export function nodeHash(lines: string): Buffer {
  return nodeHasher.digest(lines)
}

/**
 * The hash that proves knowledge of a term's chunks ("term verification").
 * @param chunkHashes the term's chunk hashes in order, 32 bytes each, concatenated.
 */
export function rangeHash(chunkHashes: Uint8Array): Buffer {
  return rangeHasher.digest(chunkHashes)
}

/** The Xet file hash of the tree root over all its chunks. An empty file has none: its hash is zero. */
export function fileHashOfRoot(root: Uint8Array): Buffer {
  return fileHasher.digest(root)
}

/**
 * May clients ask for this chunk in a global dedupe query, by its hash alone: u64le(hash[24..32]) mod 1024 = 0?
 * The first chunk of a file is asked for as well, whatever its hash.
 */
export function isDedupeCandidate(hash: Uint8Array, offset = 0): boolean {
  return hash[offset + 24] === 0 && ((hash[offset + 25] as number) & 3) === 0
}
