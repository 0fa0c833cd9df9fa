import { expect, test } from 'vitest'
import {
  hashFromHex,
  hashToHex,
  isHashHex,
  isZeroHash,
  swapSha256,
} from '../../../../src/protocol/xet/hash-string.js'
import { XetFormatError } from '../../../../src/protocol/xet/xet-format-error.js'

const COUNTING = Buffer.from(Array.from({ length: 32 }, (_, i) => i))
const COUNTING_HEX = '07060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918'

test('a hash is written with the bytes of every group of eight reversed', () => {
  expect(hashToHex(COUNTING)).toBe(COUNTING_HEX)
  expect(hashToHex(Buffer.concat([Buffer.alloc(3), COUNTING]), 3)).toBe(COUNTING_HEX)
  expect(hashFromHex(COUNTING_HEX)).toEqual(COUNTING)
})

test('a SHA-256 in shard order prints as its ordinary digits', () => {
  const hex = 'eaee34640ca7ca9dcbe15c348da93446896de37ccbdaa560376d90b1c92652cd'
  const stored = swapSha256(Buffer.from(hex, 'hex'))
  expect(stored.subarray(0, 8).toString('hex')).toBe('9dcaa70c6434eeea')
  expect(hashToHex(stored)).toBe(hex)
  expect(swapSha256(stored).toString('hex')).toBe(hex)
})

test.each([
  '',
  'a'.repeat(63),
  'a'.repeat(65),
  'A'.repeat(64),
  `${'a'.repeat(63)}g`,
  `${'a'.repeat(64)}\n`,
  'é'.repeat(64),
])('%j is not a hash', (text) => {
  expect(isHashHex(text)).toBe(false)
  expect(() => hashFromHex(text)).toThrow(XetFormatError)
})

test('only 32 zero bytes are the zero hash', () => {
  expect(isZeroHash(Buffer.alloc(32))).toBe(true)
  for (let i = 0; i < 32; i++) expect(isZeroHash(Buffer.alloc(32).fill(1, i, i + 1))).toBe(false)
  expect(() => hashToHex(Buffer.alloc(31))).toThrow(RangeError)
  expect(() => swapSha256(Buffer.alloc(31))).toThrow(RangeError)
})
