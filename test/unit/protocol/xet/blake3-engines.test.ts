import { expect, test } from 'vitest'
import { loadNative, loadPortable } from '../../../../src/protocol/xet/blake3-engines.js'
import { lcgBytes } from './sample-bytes.js'

const key = Buffer.from('whats the Elvish word for friend')
// BLAKE3's published test vectors: input bytes 0, 1, … 250, 0, … of that length, first 32 bytes.
const published: readonly [length: number, hash: string][] = [
  [0, '92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26'],
  [1, '6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b'],
  [1024, '75c46f6f3d9eb4f55ecaaee480db732e6c2105546f1e675003687c31719c7ba4'],
]

test.each(['native', 'portable'])('the %s engine gives the published hashes', async (which) => {
  const open = which === 'native' ? await loadNative() : await loadPortable()
  if (!open) return // no binary for this machine: the portable one serves
  const engine = open(key)
  for (const [length, hash] of published) {
    engine.reset()
    engine.update(Buffer.from(Array.from({ length }, (_, i) => i % 251)))
    expect(engine.digest().toString('hex')).toBe(hash)
  }
})

test('both engines agree at every length that changes the tree, in one part and in many', async () => {
  const native = (await loadNative())?.(key)
  const portable = (await loadPortable())(key)
  if (!native) return
  for (const length of [31, 63, 64, 65, 1023, 1025, 2048, 3073, 8192, 16_385, 70_001, 131_072]) {
    const bytes = lcgBytes(length, BigInt(length))
    for (const engine of [native, portable]) engine.reset()
    native.update(bytes)
    for (let at = 0; at < length; at += 5000) portable.update(bytes.subarray(at, at + 5000))
    expect(portable.digest()).toEqual(native.digest())
  }
})
