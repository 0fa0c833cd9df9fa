import { expect, test } from 'vitest'
import { digestOf, reachOf } from '../../../src/git/fetch-cache/asked.js'
import type { FetchRequest } from '../../../src/protocol/git-fetch.js'

const [A, B, C] = ['a', 'b', 'c'].map((it) => it.repeat(40)) as [string, string, string]

const CLONE: FetchRequest = {
  wants: [A, B],
  haves: [],
  done: true,
  depth: undefined,
  since: undefined,
  filter: undefined,
  includeTag: true,
  ofsDelta: true,
}

function tips(cloned: readonly string[], others: readonly string[] = []) {
  return { oids: new Set([...cloned, ...others]), cloned: new Set(cloned), tagsDigest: '' }
}

/** The same request, and how often its wants were looked at. */
function counted(request: FetchRequest) {
  const reads = { count: 0 }
  const { wants } = request
  const asked = Object.defineProperty({ ...request }, 'wants', {
    get: () => {
      reads.count += 1
      return wants
    },
  })
  return { asked, reads }
}

test('many wants are compared with the refs once, and again when the refs are others', () => {
  const { asked, reads } = counted(CLONE)
  const first = tips([A, B])
  for (let n = 0; n < 5; n += 1) expect(reachOf(asked, first).isPermitted).toBe(true)
  expect(reads.count).toBe(1)
  expect(reachOf(asked, tips([A, C])).isPermitted).toBe(false)
  expect(reads.count).toBe(2)
  expect(reachOf(asked, first).isPermitted).toBe(true)
})

test('many wants are written down and hashed once', () => {
  const { asked, reads } = counted(CLONE)
  const digests = Array.from({ length: 5 }, () => digestOf(asked, 'sha1'))
  expect(reads.count).toBe(1)
  expect(new Set(digests).size).toBe(1)
  expect(digestOf({ ...CLONE }, 'sha1')).toBe(digests[0])
  expect(digestOf({ ...CLONE, wants: [A] }, 'sha1')).not.toBe(digests[0])
  expect(digestOf({ ...CLONE, includeTag: false }, 'sha1')).not.toBe(digests[0])
})

test('a clone is whole when it wants every branch and tag and nothing is left out', () => {
  expect(reachOf({ ...CLONE }, tips([A, B])).isWhole).toBe(true)
  expect(reachOf({ ...CLONE, wants: [A, B, C] }, tips([A, B], [C])).isWhole).toBe(true)
  expect(reachOf({ ...CLONE }, tips([A, B, C])).isWhole).toBe(false)
  // as many as there are, but one of them is no branch or tag
  expect(reachOf({ ...CLONE, wants: [A, C] }, tips([A, B], [C])).isWhole).toBe(false)
  const parts: Partial<FetchRequest>[] = [
    { depth: 1 },
    { since: 1 },
    { filter: 'blob:none' },
    { haves: [C] },
    { ofsDelta: false },
  ]
  for (const part of parts) expect(reachOf({ ...CLONE, ...part }, tips([A, B])).isWhole).toBe(false)
})
