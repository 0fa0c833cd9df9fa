/**
 * A chunk as it lies in a xorb: 8 bytes of header, then the data.
 *   0 version u8 = 0 | 1 stored length u24 | 4 scheme u8 | 5 raw length u24 | 8 data     (little-endian)
 * Schemes: 0 as is, 1 LZ4 frame, 2 four byte groups (positions 0..3 mod 4, in that order), then LZ4 frame.
 * (draft-denis-xet, "Xorb format".)
 */
import { encodeLz4Frame, viewLz4Frame } from './lz4-frame.js'
import { XetFormatError } from './xet-format-error.js'

/** Bytes of a chunk record's header. */
export const RECORD_HEADER_BYTES = 8
/** Longest chunk before compression. */
export const MAX_CHUNK_RAW_BYTES = 128 * 1024
/** Longest data of a chunk record; hf_xet and we never store more than the raw length. */
export const MAX_CHUNK_STORED_BYTES = 256 * 1024

/** How a chunk's data is stored. */
export const Scheme = { none: 0, lz4: 1, groupedLz4: 2 } as const
export type Scheme = (typeof Scheme)[keyof typeof Scheme]

/** Which scheme the encoder may choose; `auto` takes the shorter, and `none` unless it saves a 32nd. */
export type Compression = 'none' | 'lz4' | 'grouped-lz4' | 'auto'

export interface RecordHeader {
  readonly scheme: Scheme
  /** Bytes of data after the header. */
  readonly storedBytes: number
  /** Bytes after decompression. */
  readonly rawBytes: number
}

/** Reads the 8 bytes at `offset`. @throws XetFormatError when they are missing or outside the limits above. */
export function readRecordHeader(bytes: Uint8Array, offset = 0): RecordHeader {
  if (bytes.length - offset < RECORD_HEADER_BYTES) {
    throw new XetFormatError('chunk header cut short')
  }
  const at = (i: number) => bytes[offset + i] as number
  const u24 = (i: number) => at(i) | (at(i + 1) << 8) | (at(i + 2) << 16)
  const storedBytes = u24(1)
  const scheme = at(4)
  const rawBytes = u24(5)
  if (at(0) !== 0) throw new XetFormatError('unknown chunk version')
  if (scheme !== Scheme.none && scheme !== Scheme.lz4 && scheme !== Scheme.groupedLz4) {
    throw new XetFormatError('unknown chunk compression scheme')
  }
  if (storedBytes === 0 || storedBytes > MAX_CHUNK_STORED_BYTES) {
    throw new XetFormatError('stored chunk length out of bounds')
  }
  if (rawBytes === 0 || rawBytes > MAX_CHUNK_RAW_BYTES) {
    throw new XetFormatError('raw chunk length out of bounds')
  }
  if (scheme === Scheme.none && storedBytes !== rawBytes) {
    throw new XetFormatError('uncompressed chunk with two lengths')
  }
  return { scheme, storedBytes, rawBytes }
}

/**
 * The raw bytes of a chunk, without a copy where possible: either `data` itself or a borrowed view that is good
 * until the next call into this folder.
 * @throws XetFormatError when the data does not decompress to exactly `header.rawBytes`.
 */
export function viewChunk(header: RecordHeader, data: Uint8Array): Uint8Array {
  if (data.length !== header.storedBytes) throw new XetFormatError('chunk data cut short')
  if (header.scheme === Scheme.none) return data
  return viewLz4Frame(data, header.rawBytes, header.scheme === Scheme.groupedLz4)
}

/** The raw bytes of a chunk in a buffer of their own; errors as for `viewChunk`. */
export function decodeChunk(header: RecordHeader, data: Uint8Array): Buffer {
  return Buffer.from(viewChunk(header, data))
}

/**
 * The raw chunks of whole records that follow each other in `bytes`, one by one, each in a buffer of its own.
 * For ranges of a stored xorb; streams go through `RecordReader`. @throws XetFormatError
 */
export function* decodeRecords(bytes: Uint8Array): Generator<Buffer, void> {
  let at = 0
  while (at < bytes.length) {
    const header = readRecordHeader(bytes, at)
    const start = at + RECORD_HEADER_BYTES
    at = start + header.storedBytes
    yield decodeChunk(header, bytes.subarray(start, at))
  }
}

/** A whole record (header and data) for 1 to 131072 raw bytes. A scheme that does not shorten becomes `none`. */
export function encodeRecord(raw: Uint8Array, compression: Compression = 'auto'): Buffer {
  if (raw.length === 0 || raw.length > MAX_CHUNK_RAW_BYTES) {
    throw new RangeError('a chunk is 1 to 131072 bytes')
  }
  const { scheme, data } = compress(raw, compression)
  const record = Buffer.allocUnsafe(RECORD_HEADER_BYTES + data.length)
  record.writeUInt8(0, 0)
  record.writeUIntLE(data.length, 1, 3)
  record.writeUInt8(scheme, 4)
  record.writeUIntLE(raw.length, 5, 3)
  record.set(data, RECORD_HEADER_BYTES)
  return record
}

function compress(raw: Uint8Array, how: Compression): { scheme: Scheme; data: Uint8Array } {
  let scheme: Scheme = Scheme.none
  let data = raw
  // Whoever reads pays for decompression each time: small savings are not worth it.
  let limit = how === 'auto' ? raw.length - (raw.length >> 5) - 1 : raw.length - 1
  if (how === 'lz4' || how === 'auto') {
    const frame = encodeLz4Frame(raw, limit)
    if (frame) [scheme, data, limit] = [Scheme.lz4, frame, frame.length - 1]
  }
  if (how === 'grouped-lz4' || how === 'auto') {
    const frame = encodeLz4Frame(raw, limit, true)
    if (frame) [scheme, data] = [Scheme.groupedLz4, frame]
  }
  return { scheme, data }
}
