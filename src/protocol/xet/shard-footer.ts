/**
 * The last 200 bytes of a shard file, u64 little-endian unless stated:
 *   0 version = 1 | 8 files at | 16 xorbs at | 24 file lookup at, 32 count | 40 xorb lookup at, 48 count
 *   56 chunk lookup at, 64 count | 72 HMAC key[32] | 104 created | 112 key expiry | 120 reserved[48]
 *   168 stored bytes on disk | 176 materialised bytes | 184 stored bytes | 192 footer at
 * (xet-core `MDBShardFileFooter`; the public text calls 24..72 reserved, but clients read them.)
 */
import { FOOTER_BYTES, RECORD_BYTES } from './shard-format.js'
import { XetFormatError } from './xet-format-error.js'

export interface ShardFooter {
  /** Offsets of the two sections in bytes, and of the tables after them: where the xorb section ends. */
  readonly filesAt: number
  readonly xorbsAt: number
  readonly lookupsAt: number
  /** Key of the chunk hashes; 32 zero bytes: not keyed. */
  readonly key: Uint8Array
  /** Unix seconds; `undefined` = never. */
  readonly createdAt: number
  readonly expiresAt: number | undefined
  /** Sums over the xorbs, in bytes. */
  readonly storedBytes: number
  readonly rawBytes: number
}

const NEVER = 0xffff_ffff_ffff_ffffn

/** The footer of a shard without lookup tables, to follow directly on the xorb section. */
export function encodeShardFooter(footer: ShardFooter): Buffer {
  const bytes = Buffer.alloc(FOOTER_BYTES)
  const u64 = (at: number, value: number) => bytes.writeBigUInt64LE(BigInt(value), at)
  u64(0, 1)
  u64(8, footer.filesAt)
  u64(16, footer.xorbsAt)
  // hf_xet takes the first, the JS client its own idea of these for the end of the xorb section.
  for (const at of [24, 40, 56]) u64(at, footer.lookupsAt)
  bytes.set(footer.key, 72)
  u64(104, footer.createdAt)
  if (footer.expiresAt === undefined) bytes.writeBigUInt64LE(NEVER, 112)
  else u64(112, footer.expiresAt)
  u64(168, footer.storedBytes)
  u64(176, footer.rawBytes)
  u64(184, footer.storedBytes)
  u64(192, footer.lookupsAt)
  return bytes
}

/** Reads the footer at the end of a whole shard. @throws XetFormatError for offsets that do not lie in it. */
export function parseShardFooter(shard: Uint8Array): ShardFooter {
  const at = shard.length - FOOTER_BYTES
  if (at < RECORD_BYTES) throw new XetFormatError('shard footer cut short')
  const bytes = Buffer.from(shard.buffer, shard.byteOffset + at, FOOTER_BYTES)
  const u64 = (offset: number): number => {
    const value = bytes.readBigUInt64LE(offset)
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new XetFormatError('number out of bounds in the shard footer')
    }
    return Number(value)
  }
  if (bytes.readBigUInt64LE(0) !== 1n) throw new XetFormatError('unknown shard footer version')
  const footer: ShardFooter = {
    filesAt: u64(8),
    xorbsAt: u64(16),
    lookupsAt: u64(24),
    key: Buffer.from(bytes.subarray(72, 104)),
    createdAt: u64(104),
    expiresAt: bytes.readBigUInt64LE(112) === NEVER ? undefined : u64(112),
    storedBytes: u64(184),
    rawBytes: u64(176),
  }
  const { filesAt, xorbsAt, lookupsAt } = footer
  // The JS client leaves the lookup offsets 0.
  const inOrder =
    filesAt >= RECORD_BYTES &&
    xorbsAt >= filesAt &&
    xorbsAt <= at &&
    (lookupsAt === 0 || (lookupsAt >= xorbsAt && lookupsAt <= at))
  if (!inOrder) throw new XetFormatError('section offset out of bounds in the shard footer')
  return footer
}
