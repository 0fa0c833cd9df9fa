import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { expect, onTestFinished, test } from 'vitest'
import { BLOCK_BYTES } from '../../../src/lib/blocks.js'
import { FileSink } from '../../../src/lib/file-sink.js'

async function place(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'sink-'))
  onTestFinished(() => rm(dir, { recursive: true }))
  return join(dir, 'file')
}

function pieces(total: number, size: number): Buffer[] {
  const bytes = Buffer.from(Array.from({ length: total }, (_, at) => (at * 13 + (at >> 9)) & 255))
  const found: Buffer[] = []
  for (let at = 0; at < total; at += size) found.push(bytes.subarray(at, at + size))
  return found
}

test.each([
  [0, 1],
  [1, 1],
  [100_000, 999],
  [BLOCK_BYTES, BLOCK_BYTES],
  [2 * BLOCK_BYTES, 65_536],
  [3 * BLOCK_BYTES + 5, 70_001],
  [4 * BLOCK_BYTES, 4 * BLOCK_BYTES],
])('%i bytes in pieces of %i make the same file', async (total, size) => {
  const path = await place()
  const parts = pieces(total, size)
  await pipeline(Readable.from(parts), new FileSink(path))
  expect((await readFile(path)).equals(Buffer.concat(parts))).toBe(true)
})

test('more than is synced on the way comes whole', async () => {
  const path = await place()
  const piece = Buffer.alloc(1_000_000, 7)
  await pipeline(Readable.from(Array(80).fill(piece)), new FileSink(path))
  expect((await stat(path)).size).toBe(80_000_000)
  expect((await readFile(path)).every((it) => it === 7)).toBe(true)
})

test('a file that is there is left alone', async () => {
  const path = await place()
  await writeFile(path, 'mine')
  await expect(pipeline(Readable.from([Buffer.from('x')]), new FileSink(path))).rejects.toThrow(
    'EEXIST',
  )
  expect(await readFile(path, 'utf8')).toBe('mine')
})

test('a source that breaks off closes the file', async () => {
  const path = await place()
  const sink = new FileSink(path)
  async function* source() {
    yield Buffer.alloc(BLOCK_BYTES + 1)
    throw new Error('broken off')
  }
  await expect(pipeline(Readable.from(source()), sink)).rejects.toThrow('broken off')
  if (!sink.closed) await new Promise((resolve) => sink.once('close', resolve))
  expect(sink.closed).toBe(true)
})
