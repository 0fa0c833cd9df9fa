import { expect, test } from 'vitest'
import { parseRange } from '../../../src/protocol/byte-range.js'

test.each([
  ['bytes=0-4', [{ first: 0, last: 4 }]],
  ['bytes=5-', [{ first: 5, last: 9 }]],
  ['bytes=-3', [{ first: 7, last: 9 }]],
  ['bytes=-300', [{ first: 0, last: 9 }]],
  ['bytes=2-100000', [{ first: 2, last: 9 }]],
  ['bytes=9-9', [{ first: 9, last: 9 }]],
  ['bytes=10-', []],
  ['bytes=-0', []],
  [
    'bytes=0-0, 5-6',
    [
      { first: 0, last: 0 },
      { first: 5, last: 6 },
    ],
  ],
  ['bytes=5-8,0-5,9-', [{ first: 0, last: 9 }]],
  ['bytes=12-20,3-4', [{ first: 3, last: 4 }]],
  ['bytes=4-2', undefined],
  ['bytes=-', undefined],
  ['bytes=a-b', undefined],
  ['bytes=1-2,', undefined],
  ['lines=1-2', undefined],
  ['bytes=99999999999999999999-', undefined],
  [`bytes=${'0-0,'.repeat(200)}0-0`, undefined],
  [undefined, undefined],
])('%s of ten bytes', (header, spans) => {
  expect(parseRange(header, 10)).toEqual(spans)
})

test('an empty body has no satisfiable range', () => {
  expect(parseRange('bytes=0-0', 0)).toEqual([])
  expect(parseRange('bytes=0-', 0)).toEqual([])
})
