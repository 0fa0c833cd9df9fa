import { constants, existsSync } from 'node:fs'
import { mkdtemp, open, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises'
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

/** How this process has a file open (proc(5), fdinfo: flags in octal), by descriptor. */
async function openOn(path: string): Promise<('direct' | 'usual')[]> {
  const found: ('direct' | 'usual')[] = []
  for (const fd of await readdir('/proc/self/fd')) {
    if ((await readlink(`/proc/self/fd/${fd}`).catch(() => '')) !== path) continue
    const info = await readFile(`/proc/self/fdinfo/${fd}`, 'utf8')
    const flags = Number.parseInt(/flags:\s+(\d+)/.exec(info)?.[1] ?? '', 8)
    found.push(flags & constants.O_DIRECT ? 'direct' : 'usual')
  }
  return found
}

async function takesDirect(path: string): Promise<boolean> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_DIRECT
  const file = await open(path, flags).catch(() => undefined)
  await file?.close()
  return file !== undefined
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

test.skipIf(process.platform !== 'linux')(
  'long files go past the page cache from some point on, and are the same bytes',
  async () => {
    const path = await place()
    const block = (n: number) => Buffer.alloc(BLOCK_BYTES, `block ${n} `)
    const blocks = (64 * 1024 * 1024) / BLOCK_BYTES + 40
    const seen = new Set<string>()
    async function* source() {
      for (let n = 0; n < blocks; n += 1) {
        yield block(n)
        if (n < blocks - 10) continue
        for (const how of await openOn(path)) seen.add(how)
      }
      yield Buffer.from('the end')
    }
    await pipeline(Readable.from(source()), new FileSink(path))
    const file = await readFile(path)
    expect(file.length).toBe(blocks * BLOCK_BYTES + 7)
    for (let n = 0; n < blocks; n += 1)
      if (!file.subarray(n * BLOCK_BYTES, (n + 1) * BLOCK_BYTES).equals(block(n)))
        expect.fail(`block ${n} differs`)
    expect(file.subarray(-7).toString()).toBe('the end')
    const direct = await takesDirect(`${path}-probe`)
    expect([...seen].sort()).toEqual(direct ? ['direct', 'usual'] : ['usual'])
    expect(await openOn(path)).toEqual([])
  },
)

const MEMORY = '/dev/shm'

test.skipIf(!existsSync(MEMORY))('a long file in memory comes whole', async () => {
  // tmpfs refuses direct writes, or takes them as usual ones, by the age of the kernel
  const dir = await mkdtemp(join(MEMORY, 'sink-'))
  onTestFinished(() => rm(dir, { recursive: true }))
  const path = join(dir, 'file')
  const piece = Buffer.alloc(1_000_000, 9)
  await pipeline(Readable.from(Array(70).fill(piece)), new FileSink(path))
  expect((await stat(path)).size).toBe(70_000_000)
  expect((await readFile(path)).every((it) => it === 9)).toBe(true)
})
