import { expect, test } from 'vitest'
import { countParameters } from '../../../src/domain/cards/safetensors.js'
import type { RepoFile } from '../../../src/domain/types.js'

function count(header: object) {
  const json = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  const bytes = Buffer.concat([length, json, Buffer.alloc(8)])
  const file: RepoFile = {
    path: 'model.safetensors',
    mode: '100644',
    blobOid: '0'.repeat(40),
    size: bytes.length,
    lfsOid: null,
    pointerSize: null,
  }
  return countParameters([file], async (_, { first, last }) => bytes.subarray(first, last + 1))
}

const tensor = (dtype: string) => ({ dtype, shape: [2, 3], data_offsets: [0, 24] })

test('parameters are counted by type', async () => {
  expect(await count({ a: tensor('F32'), b: tensor('F32'), c: tensor('F8_E4M3') })).toEqual({
    parameters: { F32: 12, F8_E4M3: 6 },
    total: 18,
  })
})

test('a header of types that nobody has is not kept', async () => {
  const many = Array.from({ length: 1_000 }, (_, n) => [`t${n}`, tensor(`X${n}`)])
  expect(await count(Object.fromEntries(many))).toBeUndefined()
  expect(await count({ a: tensor('__proto__') })).toBeUndefined()
})
