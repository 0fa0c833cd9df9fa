import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import {
  BLOCK_BYTES,
  type BlockSource,
  blocksOf,
  openFileBlocks,
  SMALL_BLOCK_BYTES,
} from '../../../src/lib/blocks.js'

const bytes = Buffer.from(Array.from({ length: 1_400_000 }, (_, at) => (at * 7 + (at >> 8)) & 255))

async function file(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'blocks-'))
  onTestFinished(() => rm(dir, { recursive: true }))
  await writeFile(join(dir, 'file'), bytes)
  return join(dir, 'file')
}

async function readAll(source: BlockSource, size: number, release: boolean): Promise<Buffer> {
  const copies: Buffer[] = []
  for (;;) {
    const block = await source.next(size)
    if (!block) break
    for (const part of block.parts) copies.push(Buffer.from(part))
    if (release) block.release()
  }
  await source.close()
  return Buffer.concat(copies)
}

const RANGES = [
  undefined,
  { first: 0, last: 0 },
  { first: 65_535, last: 65_536 },
  { first: 700_001, last: 1_399_999 },
]

test.each(RANGES)('a file comes in blocks as it does as a stream: %o', async (range) => {
  const path = await file()
  const expected = range ? bytes.subarray(range.first, range.last + 1) : bytes
  const stream = await openFileBlocks(path, range)
  expect(Buffer.concat(await stream.toArray()).equals(expected)).toBe(true)
  for (const size of [1_000, SMALL_BLOCK_BYTES, BLOCK_BYTES])
    for (const release of [true, false]) {
      const source = (await openFileBlocks(path, range)).takeBlocks()
      expect((await readAll(source, size, release)).equals(expected)).toBe(true)
    }
})

test('what is read at once shares no memory until it is released', async () => {
  const path = await file()
  const [one, two] = await Promise.all([openFileBlocks(path), openFileBlocks(path)])
  const [a, b] = [one.takeBlocks(), two.takeBlocks()]
  const first = await a.next(BLOCK_BYTES)
  const other = await b.next(BLOCK_BYTES)
  const memory = first?.parts[0]?.buffer
  expect(other?.parts[0]?.buffer).not.toBe(memory)
  first?.release()
  const again = await a.next(BLOCK_BYTES)
  expect(again?.parts[0]?.buffer).toBe(memory)
  expect(again?.parts[0]?.equals(bytes.subarray(BLOCK_BYTES, 2 * BLOCK_BYTES))).toBe(true)
  expect(other?.parts[0]?.equals(bytes.subarray(0, BLOCK_BYTES))).toBe(true)
  await Promise.all([a.close(), b.close()])
})

test('a stream that is made of no blocks is read in the pieces in which it comes', async () => {
  const source = blocksOf(Readable.from([Buffer.from('ab'), Buffer.from('cde')]))
  expect((await readAll(source, BLOCK_BYTES, true)).toString()).toBe('abcde')
})
