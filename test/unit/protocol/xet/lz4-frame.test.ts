import lz4 from 'lz4-napi'
import { describe, expect, test } from 'vitest'
import { encodeLz4Frame, viewLz4Frame } from '../../../../src/protocol/xet/lz4-frame.js'
import { XetFormatError } from '../../../../src/protocol/xet/xet-format-error.js'
import { xxh32 } from '../../../../src/protocol/xet/xxh32.js'
import { dice, lcgBytes, mixedBytes } from './sample-bytes.js'

const decode = (frame: Uint8Array, length: number, grouped = false) =>
  Buffer.from(viewLz4Frame(frame, length, grouped))

test('xxh32 of the published vectors', () => {
  expect(xxh32(Buffer.from(''))).toBe(0x02cc5d05)
  expect(xxh32(Buffer.from('a'))).toBe(0x550d7456)
  expect(xxh32(Buffer.from('abc'))).toBe(0x32d153ff)
  expect(xxh32(Buffer.from('Nobody inspects the spammish repetition'))).toBe(0xe2293b2f)
})

describe('against an independent LZ4', () => {
  const lengths = [1, 2, 12, 13, 14, 20, 64, 100, 4095, 65535, 65536, 65537, 100_003, 131_072]
  test.each(lengths)('%i bytes, both ways', (length) => {
    for (let seed = 1; seed <= 12; seed++) {
      const raw = seed === 1 ? Buffer.alloc(length, 7) : mixedBytes(length, seed * 7 + length)
      const theirs = lz4.compressFrameSync(raw)
      expect(decode(theirs, length).equals(raw)).toBe(true)
      for (const grouped of [false, true]) {
        const ours = encodeLz4Frame(raw, 200_000, grouped)
        if (!ours) continue // longer than the kernel's room: incompressible
        expect(decode(ours, length, grouped).equals(raw)).toBe(true)
        const opened = lz4.decompressFrameSync(ours)
        expect(opened.equals(grouped ? groupedByHand(raw) : raw)).toBe(true)
      }
    }
  })

  test('checksums of both kinds are understood and checked', () => {
    const raw = mixedBytes(100_000, 3)
    const frame = lz4.compressFrameSync(raw, { contentChecksum: true, blockChecksums: true })
    expect(decode(frame, raw.length).equals(raw)).toBe(true)
    const last = Buffer.from(frame)
    last.writeUInt8(last.readUInt8(last.length - 1) ^ 1, last.length - 1)
    expect(() => decode(last, raw.length)).toThrow(XetFormatError)
  })
})

test('linked blocks reach back into the one before, independent ones may not', () => {
  const first = Buffer.from('abcdefghijklmnop')
  // no literals, a match of 8 at distance 16, then five literals
  const second = Buffer.from([0x04, 16, 0, 0x50, ...Buffer.from('QRSTU')])
  const frame = (flags: number) => {
    const descriptor = Buffer.from([flags, 0x40])
    return Buffer.concat([
      Buffer.from([0x04, 0x22, 0x4d, 0x18]),
      descriptor,
      Buffer.from([(xxh32(descriptor) >>> 8) & 0xff]),
      u32(0x80000000 + first.length),
      first,
      u32(second.length),
      second,
      u32(0),
    ])
  }
  expect(decode(frame(0x40), 29).toString()).toBe('abcdefghijklmnopabcdefghQRSTU')
  expect(() => decode(frame(0x60), 29)).toThrow(XetFormatError)
})

test('a content size in the frame header must be the expected one', () => {
  const frame = (size: number) => {
    const descriptor = Buffer.from([0x68, 0x40, size, 0, 0, 0, 0, 0, 0, 0])
    const check = Buffer.from([(xxh32(descriptor) >>> 8) & 0xff])
    const body = [u32(0x80000003), Buffer.from('abc'), u32(0)]
    return Buffer.concat([Buffer.from([0x04, 0x22, 0x4d, 0x18]), descriptor, check, ...body])
  }
  expect(decode(frame(3), 3).toString()).toBe('abc')
  expect(() => decode(frame(4), 3)).toThrow(XetFormatError)
})

test('a bomb stops at the length that its header admits', () => {
  const zeros = Buffer.alloc(131_072)
  const bomb = lz4.compressFrameSync(Buffer.alloc(4 << 20))
  expect(bomb.length).toBeLessThan(256 * 1024)
  expect(() => decode(bomb, 131_072)).toThrow(XetFormatError)
  expect(() => decode(encodeLz4Frame(zeros, 131_072) as Buffer, 131_071)).toThrow(XetFormatError)
  expect(() => viewLz4Frame(bomb, 131_073)).toThrow()
})

test('what does not get shorter is not encoded', () => {
  const noise = lcgBytes(65_536, 9n)
  expect(encodeLz4Frame(noise, noise.length - 1)).toBeUndefined()
  expect(encodeLz4Frame(Buffer.from('abc'), 2)).toBeUndefined()
})

test('every mutated, cut or prolonged frame is refused or decodes to the full length', () => {
  const raw = mixedBytes(700, 21)
  for (const grouped of [false, true]) {
    const frame = encodeLz4Frame(raw, 10_000, grouped) as Buffer
    for (let at = 0; at < frame.length; at++) {
      for (const flip of [0x01, 0x10, 0x80, 0xff]) {
        const broken = Buffer.from(frame)
        broken[at] = (broken[at] as number) ^ flip
        attempt(() => expect(decode(broken, raw.length, grouped).length).toBe(raw.length))
      }
      expect(() => decode(frame.subarray(0, at), raw.length, grouped)).toThrow(XetFormatError)
    }
    expect(() => decode(Buffer.concat([frame, Buffer.alloc(1)]), raw.length)).toThrow(
      XetFormatError,
    )
  }
})

test('noise behind a good frame header is refused or decodes to the full length', () => {
  const roll = dice(77)
  const header = (encodeLz4Frame(Buffer.alloc(100), 100) as Buffer).subarray(0, 7)
  for (let round = 0; round < 20_000; round++) {
    const block = Buffer.from(Array.from({ length: 1 + roll(40) }, () => roll(256) & roll(256)))
    const frame = Buffer.concat([header, u32(block.length), block, u32(0)])
    attempt(() => expect(decode(frame, 300).length).toBe(300))
  }
})

function attempt(check: () => void): void {
  try {
    check()
  } catch (err) {
    if (!(err instanceof XetFormatError)) throw err
  }
}

function groupedByHand(raw: Buffer): Buffer {
  return Buffer.concat([0, 1, 2, 3].map((k) => Buffer.from(raw.filter((_, i) => i % 4 === k))))
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
