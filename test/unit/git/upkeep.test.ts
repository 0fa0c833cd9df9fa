import { readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { sweepRepository } from '../../../src/git/leftovers.js'
import { prune } from '../../../src/git/upkeep.js'
import { PROCESS_INSTANCE } from '../../../src/lib/process-instance.js'
import { gitOk, tempDir } from '../../support/hub.js'

const DEAD = PROCESS_INSTANCE.replace(/-t\d+/, '-t1')
const EARLIER_BOOT = PROCESS_INSTANCE.replace(/^h\w{8}/, 'h00000000')
let dir: string
let lock: string

beforeEach(async () => {
  const parent = await tempDir()
  dir = join(parent, 'upkeep.git')
  lock = join(dir, 'packhorse-upkeep.lock')
  await gitOk(parent, ['init', '-q', '--bare', '-b', 'main', 'upkeep.git'])
  const tree = await gitOk(dir, ['hash-object', '-t', 'tree', '-w', '/dev/null'])
  const commit = await gitOk(dir, ['commit-tree', '-m', 'one', tree])
  await gitOk(dir, ['update-ref', 'refs/heads/main', commit])
})

const locks = async () => (await readdir(dir)).filter((it) => it.includes('lock'))

test('the upkeep of a process that died holds nobody up', async () => {
  await writeFile(lock, DEAD)
  await prune(dir)
  expect(await locks()).toEqual([])
})

test('a running upkeep keeps its lock, between two gits, too', async () => {
  await writeFile(lock, PROCESS_INSTANCE)
  await expect(prune(dir)).rejects.toMatchObject({ code: 'busy' })
  await aged(lock)
  expect(await sweepRepository(dir)).toBe(0)
  expect(await locks()).toEqual(['packhorse-upkeep.lock'])
  await rm(lock)
})

test('what an upkeep left when the machine went down is swept', async () => {
  const names = ['', '.over.lock', `.${EARLIER_BOOT}-00.lock`]
  for (const name of names) await writeFile(`${lock}${name}`, EARLIER_BOOT)
  const dead = `${lock}.${DEAD}-00.lock`
  await writeFile(dead, DEAD)
  await expect.poll(() => sweepRepository(dir), { timeout: 10_000, interval: 300 }).toBe(0)
  expect(await locks()).toEqual([])
})

/** As if it had stood for a while; the sweep goes by when the file's inode changed, which cannot be set. */
async function aged(path: string): Promise<void> {
  await utimes(path, 1, 1)
  await new Promise((resolve) => setTimeout(resolve, 1_100))
}
