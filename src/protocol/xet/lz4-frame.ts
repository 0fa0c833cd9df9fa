/**
 * LZ4 frames, the compression of Xet chunks (lz4 `doc/lz4_Frame_format.md`, v1.6):
 *   04 22 4d 18 | FLG BD [content size u64] HC | blocks: u32 size (top bit: stored), data [checksum] | u32 0 [checksum]
 * hf_xet writes independent blocks of at most 64 or 256 KiB and no checksums. Read here: everything the format
 * allows except dictionaries and skippable frames. Decoding never writes past the length the caller expects.
 */
import { Lz4BlockDecoder, lz4EncodeBlock, MAX_INPUT_BYTES } from './kernels.js'
import { XetFormatError } from './xet-format-error.js'
import { xxh32 } from './xxh32.js'

const MAGIC = 0x184d2204
const FLAG_INDEPENDENT = 0x20
const FLAG_BLOCK_CHECKSUM = 0x10
const FLAG_CONTENT_SIZE = 0x08
const FLAG_CONTENT_CHECKSUM = 0x04
const FLAG_RESERVED = 0x02
const FLAG_DICTIONARY = 0x01

/** Header, block size word and end mark around the single block that we write. */
const OVERHEAD_BYTES = 15
const HEADER_64K = frameHeader(0x40)
const HEADER_256K = frameHeader(0x50)

/**
 * Compresses at most 128 KiB into one frame. `undefined` when the frame would be longer than `limit` bytes.
 * @param grouped put the bytes into four groups (BG4) first.
 */
export function encodeLz4Frame(
  raw: Uint8Array,
  limit: number,
  grouped = false,
): Buffer | undefined {
  const block = lz4EncodeBlock(raw, limit - OVERHEAD_BYTES, grouped)
  if (!block) return undefined
  const frame = Buffer.allocUnsafe(block.length + OVERHEAD_BYTES)
  frame.set(raw.length <= 64 * 1024 ? HEADER_64K : HEADER_256K)
  frame.writeUInt32LE(block.length, 7)
  frame.set(block, 11)
  frame.writeUInt32LE(0, 11 + block.length)
  return frame
}

/**
 * Decompresses one frame to exactly `rawLength` bytes (at most 128 KiB).
 * @param grouped the content is in four byte groups (BG4): join them.
 * @returns a borrowed view, good until the next call into this folder: copy it to keep it.
 * @throws XetFormatError for anything but a whole frame of that content.
 */
export function viewLz4Frame(frame: Uint8Array, rawLength: number, grouped = false): Uint8Array {
  if (frame.length > MAX_INPUT_BYTES) throw new XetFormatError('LZ4 frame too long')
  if (frame.length < OVERHEAD_BYTES - 4) throw new XetFormatError('LZ4 frame cut short')
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  if (view.getUint32(0, true) !== MAGIC) throw new XetFormatError('not an LZ4 frame')
  const flags = view.getUint8(4)
  const blockCode = view.getUint8(5)
  if (flags >> 6 !== 1 || flags & FLAG_RESERVED) throw new XetFormatError('unknown LZ4 frame flags')
  if (flags & FLAG_DICTIONARY) throw new XetFormatError('LZ4 dictionaries are not used in Xet')
  if (blockCode & 0x8f || blockCode < 0x40) throw new XetFormatError('unknown LZ4 block size')
  const maxBlockBytes = 1 << (2 * (blockCode >> 4) + 8)

  let at = 6
  if (flags & FLAG_CONTENT_SIZE) {
    if (frame.length < at + 9) throw new XetFormatError('LZ4 frame cut short')
    if (view.getBigUint64(at, true) !== BigInt(rawLength)) {
      throw new XetFormatError('LZ4 content size differs from the chunk header')
    }
    at += 8
  }
  if (view.getUint8(at) !== headerChecksum(frame.subarray(4, at))) {
    throw new XetFormatError('LZ4 header checksum mismatch')
  }
  at += 1

  const decoder = new Lz4BlockDecoder(frame, rawLength, grouped)
  const take = (): number => {
    if (frame.length - at < 4) throw new XetFormatError('LZ4 frame cut short')
    at += 4
    return view.getUint32(at - 4, true)
  }
  for (let word = take(); word !== 0; word = take()) {
    const size = word & 0x7fffffff
    const stored = word >>> 31 === 1
    if (size > maxBlockBytes || size > frame.length - at) {
      throw new XetFormatError('LZ4 block longer than allowed')
    }
    const start = at
    at += size
    if (flags & FLAG_BLOCK_CHECKSUM && take() !== xxh32(frame, start, start + size)) {
      throw new XetFormatError('LZ4 block checksum mismatch')
    }
    const linked = !(flags & FLAG_INDEPENDENT)
    if (!decoder.add(start, size, stored, linked, maxBlockBytes)) {
      throw new XetFormatError('LZ4 block malformed or longer than the chunk header says')
    }
  }
  if (flags & FLAG_CONTENT_CHECKSUM && take() !== xxh32(decoder.output)) {
    throw new XetFormatError('LZ4 content checksum mismatch')
  }
  if (at !== frame.length) throw new XetFormatError('bytes after the LZ4 frame')
  if (decoder.length !== rawLength) {
    throw new XetFormatError('chunk shorter than its header says')
  }
  return decoder.finish()
}

function headerChecksum(descriptor: Uint8Array): number {
  return (xxh32(descriptor) >>> 8) & 0xff
}

function frameHeader(blockCode: number): Buffer {
  const header = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, blockCode, 0])
  header[6] = headerChecksum(header.subarray(4, 6))
  return header
}
