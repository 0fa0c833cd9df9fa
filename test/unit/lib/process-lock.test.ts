import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PROCESS_INSTANCE } from '../../../src/lib/process-instance.js'
import { withProcessLock } from '../../../src/lib/process-lock.js'

const DEAD = PROCESS_INSTANCE.replace(/-t\d+/, '-t1')
let directory: string
let lock: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'process-lock-'))
  lock = join(directory, 'upkeep.lock')
})
afterAll(() => rm(directory, { recursive: true, force: true }))

test('one at a time, and the lock names its holder', async () => {
  const inside = await new Promise<string>((resolve) => {
    void withProcessLock(lock, async () => {
      expect(await withProcessLock(lock, () => Promise.reject(new Error('ran')))).toBe(false)
      resolve(await readFile(lock, 'utf8'))
    })
  })
  expect(inside).toBe(PROCESS_INSTANCE)
  await expect(withProcessLock(lock, () => Promise.reject(new Error('failed')))).rejects.toThrow(
    'failed',
  )
  expect(await withProcessLock(lock, async () => undefined)).toBe(true)
  expect(await readdir(directory)).toEqual([])
})

test('a lock of another machine is left alone', async () => {
  const elsewhere = PROCESS_INSTANCE.replace(/^h\w{8}/, 'h00000000')
  await writeFile(lock, elsewhere)
  expect(await withProcessLock(lock, async () => undefined)).toBe(false)
  expect(await readFile(lock, 'utf8')).toBe(elsewhere)
  await rm(lock)
})

test('a dead lock that many take over at once has one holder at a time', async () => {
  let holders = 0
  let most = 0
  let times = 0
  const take = async () => {
    // not in step: one looks while another one takes over
    for (let i = Math.random() * 10; i > 0; i -= 1) await turn()
    return withProcessLock(lock, async () => {
      holders += 1
      times += 1
      most = Math.max(most, holders)
      // long enough for the others to do what they had begun
      for (let i = 0; i < 20; i += 1) await turn()
      holders -= 1
    })
  }
  for (let round = 0; round < 12; round += 1) {
    await writeFile(lock, DEAD)
    // whoever tried to take over died, too
    if (round % 4 === 0) await writeFile(`${lock}.over.lock`, DEAD)
    const before = times
    await Promise.all(Array.from({ length: 10 }, take))
    expect(times).toBeGreaterThan(before)
  }
  expect(most).toBe(1)
  expect(await readdir(directory)).toEqual([])
})
