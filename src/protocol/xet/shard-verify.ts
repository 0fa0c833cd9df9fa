/**
 * Checks what a shard claims against the indexes of the xorbs that it names (draft-denis-xet, "Shard upload"):
 * terms lie inside their xorbs and are as long as they say, range hashes prove that the uploader knows the chunk
 * hashes (xorb hashes alone are public), and all chunks together have the file's hash.
 */
import { rangeHash } from './content-hash.js'
import { HASH_BYTES } from './hash-string.js'
import { MerkleTree } from './merkle-tree.js'
import type { ShardTerm } from './shard-format.js'
import type { ShardFile, ShardXorb } from './shard-parser.js'
import { XetFormatError } from './xet-format-error.js'
import { chunkAt, hashesOf, type XorbIndex } from './xorb-index.js'

/** Verifies one file term by term, so that the caller may load each xorb's index when its turn comes. */
export class FileVerifier {
  readonly #file: ShardFile
  readonly #tree = new MerkleTree()
  #next = 0
  #rawBytes = 0

  /** @throws XetFormatError when the file comes without range hashes. */
  constructor(file: ShardFile) {
    if (file.termCount > 0 && !file.hasRangeHashes) {
      throw new XetFormatError('file without verification hashes')
    }
    this.#file = file
  }

  /** Checks the next term against the index of its xorb. @throws XetFormatError when they disagree. */
  add(index: XorbIndex): ShardTerm {
    if (this.#next >= this.#file.termCount) throw new RangeError('the file has no more terms')
    const term = this.#file.term(this.#next)
    const { chunkStart, chunkEnd } = term
    if (Buffer.compare(term.xorbHash, index.hash) !== 0) throw new RangeError('not the term’s xorb')
    if (chunkEnd > index.rawEnds.length) throw new XetFormatError('file term beyond its xorb')
    const rawStart = chunkAt(index, chunkStart).rawStart
    if ((index.rawEnds[chunkEnd - 1] as number) - rawStart !== term.rawBytes) {
      throw new XetFormatError('length of a file term is not that of its chunks')
    }
    const proof = rangeHash(hashesOf(index, chunkStart, chunkEnd))
    if (!proof.equals(this.#file.rangeHash(this.#next))) {
      throw new XetFormatError('verification hash mismatch')
    }
    for (let i = chunkStart; i < chunkEnd; i++) {
      const chunk = chunkAt(index, i)
      this.#tree.add(chunk.hash, chunk.rawBytes)
    }
    this.#next++
    this.#rawBytes += term.rawBytes
    return term
  }

  /** After the last term: the file's length in bytes. @throws XetFormatError when its hash is another. */
  finish(): number {
    if (this.#next !== this.#file.termCount) throw new RangeError('terms are missing')
    if (!this.#tree.fileHash().equals(this.#file.hash)) {
      throw new XetFormatError('file hash mismatch')
    }
    return this.#rawBytes
  }
}

/** Does a shard describe this xorb as it is stored? Its claim of the stored length is not looked at. */
export function describesXorb(claim: ShardXorb, index: XorbIndex): boolean {
  const n = index.rawEnds.length
  if (claim.chunkCount !== n || Buffer.compare(claim.hash, index.hash) !== 0) return false
  for (let i = 0; i < n; i++) {
    const { hash, rawStart, rawBytes } = claim.chunk(i)
    const chunk = chunkAt(index, i)
    if (rawStart !== chunk.rawStart || rawBytes !== chunk.rawBytes) return false
    if (Buffer.compare(hash.subarray(0, HASH_BYTES), chunk.hash) !== 0) return false
  }
  return true
}
