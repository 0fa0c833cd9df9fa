import { describe, expect, test } from 'vitest'
import {
  formatLfsPointer,
  mayBePointer,
  parseLfsPointer,
} from '../../../src/protocol/lfs-pointer.js'

/* git-lfs docs/spec.md */

const oid = '4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393'
const text = (...lines: string[]) => Buffer.from(`${lines.join('\n')}\n`)
const VERSION = 'version https://git-lfs.github.com/spec/v1'

test('the example of the specification, both ways', () => {
  const pointer = text(VERSION, `oid sha256:${oid}`, 'size 12345')
  expect(parseLfsPointer(pointer)).toEqual({ oid, size: 12345 })
  expect(formatLfsPointer({ oid, size: 12345 })).toEqual(pointer)
})

test.each([0, 1, 9_007_199_254_740_991])('size %i comes back', (size) => {
  const pointer = formatLfsPointer({ oid, size })
  expect(parseLfsPointer(pointer)).toEqual({ oid, size })
  expect(mayBePointer(pointer.length)).toBe(true)
})

describe('is a pointer', () => {
  test.each([
    [
      'with the first version URL',
      [text('version https://hawser.github.com/spec/v1', `oid sha256:${oid}`, 'size 7')],
    ],
    ['with extensions', [text(VERSION, `ext-0-foo sha256:${oid}`, `oid sha256:${oid}`, 'size 7')]],
  ])('%s', (_, [pointer]) => {
    expect(parseLfsPointer(pointer as Buffer)).toEqual({ oid, size: 7 })
  })
})

describe('is none', () => {
  test.each<[string, Buffer]>([
    ['empty', Buffer.alloc(0)],
    ['other text', Buffer.from('x'.repeat(200))],
    ['another version', text('version https://example.org/spec/v1', `oid sha256:${oid}`, 'size 7')],
    ['no version first', text(`oid sha256:${oid}`, 'size 7', VERSION)],
    ['no oid', text(VERSION, `ext sha1:${oid}`, 'size 7'.padEnd(60))],
    ['a short oid', text(VERSION, `oid sha256:${oid.slice(1)}`, 'size 7')],
    ['a long oid', text(VERSION, `oid sha256:${oid}0`, 'size 7')],
    ['upper case', text(VERSION, `oid sha256:${oid.toUpperCase()}`, 'size 7')],
    ['another hash', text(VERSION, `oid sha512:${oid}`, 'size 7')],
    ['no size', text(VERSION, `oid sha256:${oid}`, 'length 7')],
    ['a negative size', text(VERSION, `oid sha256:${oid}`, 'size -7')],
    ['a size with a fraction', text(VERSION, `oid sha256:${oid}`, 'size 7.5')],
    ['a size that no number holds', text(VERSION, `oid sha256:${oid}`, 'size 9999999999999999')],
    ['indented', text(VERSION, ` oid sha256:${oid}`, 'size 7')],
    [
      '1,024 bytes long',
      Buffer.concat([text(VERSION, `oid sha256:${oid}`, 'size 7'), Buffer.alloc(1024, 'x')]),
    ],
  ])('%s', (_, blob) => {
    expect(parseLfsPointer(blob)).toBeUndefined()
  })
})

test('random changes to a pointer never throw, and never make an oid or size of another shape', () => {
  const pointer = formatLfsPointer({ oid, size: 12345 })
  let seed = 7
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
    return seed % below
  }
  for (let n = 0; n < 20_000; n += 1) {
    const changed = Buffer.from(pointer)
    for (let edits = 1 + random(3); edits > 0; edits -= 1)
      changed[random(changed.length)] = random(256)
    const parsed = parseLfsPointer(changed.subarray(0, changed.length - random(3)))
    if (!parsed) continue
    expect(parsed.oid).toMatch(/^[0-9a-f]{64}$/)
    expect(Number.isSafeInteger(parsed.size) && parsed.size >= 0).toBe(true)
  }
})
