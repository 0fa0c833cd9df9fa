/**
 * Shards tell the server of files and new xorbs; everything little-endian, in records of 48 bytes
 * (draft-denis-xet, "Shard format"; xet-core `mdb_shard`):
 *   header   tag[32], version u64 = 2, footer size u64 (0 or 200)
 *   files    hash[32], flags u32, n u32, 8 unused | n terms: xorb hash[32], flags, raw bytes, chunk start, end u32
 *            | flag 31: n range hashes[32] + 16 unused | flag 30: sha256[32] (see hash-string.ts) + 16 unused
 *   bookend  32 x FF, 16 unused
 *   xorbs    hash[32], flags, n, raw bytes, stored bytes u32 | n chunks: hash[32], raw start, raw bytes, flags, 0
 *   bookend, then possibly lookup tables and a footer of 200 bytes (shard-footer.ts)
 */
export const RECORD_BYTES = 48
export const FOOTER_BYTES = 200
export const SHARD_VERSION = 2n

/** Longest shard that is taken, in bytes: the clients' own limit. */
export const MAX_SHARD_BYTES = 64 * 1024 * 1024

export const FILE_HAS_RANGE_HASHES = 0x80000000
export const FILE_HAS_SHA256 = 0x40000000
/** Chunk flag: offer this chunk for global dedupe. */
export const CHUNK_FOR_DEDUPE = 0x80000000

export const SHARD_TAG = Buffer.concat([
  Buffer.from('HFRepoMetaData', 'latin1'),
  Buffer.from([0, 85, 105, 103, 69, 106, 123, 129, 87, 131, 165, 189, 217, 92, 205, 209, 74, 169]),
])

/** A run of chunks of one xorb, as part of a file. */
export interface ShardTerm {
  /** 32 bytes. */
  readonly xorbHash: Uint8Array
  /** Raw bytes of the run. */
  readonly rawBytes: number
  /** First chunk and the one after the last, as positions in the xorb. */
  readonly chunkStart: number
  readonly chunkEnd: number
}
