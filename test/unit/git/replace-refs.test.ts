import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { copyFile, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { sweepRepository } from '../../../src/git/leftovers.js'
import { RefReader } from '../../../src/git/refs.js'
import { replaceRefs } from '../../../src/git/replace-refs.js'
import { gitOk, tempDir } from '../../support/hub.js'

let dir: string
let first: string
let second: string
let root: string
let reader: RefReader

beforeEach(async () => {
  const parent = await tempDir()
  // the sweep leaves a repository alone while any git of this machine works in one of that name: other tests' too
  dir = join(parent, `${randomUUID()}.git`)
  await gitOk(parent, ['init', '-q', '--bare', '-b', 'main', dir])
  const tree = await gitOk(dir, ['hash-object', '-t', 'tree', '-w', '/dev/null'])
  first = await gitOk(dir, ['commit-tree', '-m', 'one', tree])
  second = await gitOk(dir, ['commit-tree', '-m', 'two', '-p', first, tree])
  root = await gitOk(dir, ['commit-tree', '-m', 'root', tree])
  await gitOk(dir, ['update-ref', 'refs/heads/main', first])
  await gitOk(dir, ['update-ref', 'refs/heads/packed/only', first])
  await gitOk(dir, ['tag', '-m', 'tag', '-a', 'v1', second])
  await gitOk(dir, ['update-ref', 'refs/packhorse/packed', second])
  await gitOk(dir, ['pack-refs', '--all', '--prune'])
  await gitOk(dir, ['update-ref', 'refs/heads/main', second])
  for (let n = 0; n < 40; n += 1) await gitOk(dir, ['update-ref', `refs/heads/topic/${n}`, first])
  await gitOk(dir, ['update-ref', 'refs/pr/1', first])
  await gitOk(dir, ['update-ref', 'refs/packhorse/loose', first])
  reader = new RefReader()
})

const refs = async () =>
  (await gitOk(dir, ['for-each-ref', '--format=%(objectname) %(refname)'])).split('\n')

async function leftBehind(): Promise<string[]> {
  const names = await readdir(dir, { recursive: true })
  return names.filter((it) => /\.lock$|packed-refs\.new$|packhorse-gone/.test(it))
}

const replace = (read = () => reader.read(dir), from = reader.read(dir)) =>
  replaceRefs(dir, from, { name: 'refs/heads/main', oid: root }, read)

test('one ref is left, and hidden ones; git reads it so and can go on', async () => {
  const tidy = await replace()
  const hidden = [`${first} refs/packhorse/loose`, `${second} refs/packhorse/packed`]
  expect(await refs()).toEqual([`${root} refs/heads/main`, ...hidden])
  expect(reader.read(dir)).toMatchObject({
    defaultBranch: 'main',
    headOid: root,
    refs: [{ name: 'refs/heads/main', oid: root }],
  })
  await tidy()
  expect(await leftBehind()).toEqual([])
  await gitOk(dir, ['fsck', '--full'])
  await gitOk(dir, ['update-ref', 'refs/heads/topic/1', first, '0'.repeat(40)])
  await gitOk(dir, ['tag', 'v1', root])
  await gitOk(dir, ['pack-refs', '--all', '--prune'])
  expect(await refs()).toEqual([
    `${root} refs/heads/main`,
    `${first} refs/heads/topic/1`,
    ...hidden,
    `${root} refs/tags/v1`,
  ])
})

test('no hidden ref, no packed-refs: the result is the same', async () => {
  for (const it of ['loose', 'packed'])
    await gitOk(dir, ['update-ref', '-d', `refs/packhorse/${it}`])
  await (await replace())()
  expect(await refs()).toEqual([`${root} refs/heads/main`])
  await (await replace())()
  expect(await refs()).toEqual([`${root} refs/heads/main`])
  expect(await leftBehind()).toEqual([])
})

for (const held of ['packed-refs.lock', 'refs/heads/topic/7.lock', 'refs/heads/packed/only.lock'])
  test(`nothing changes while somebody holds ${held}, whose lock stays`, async () => {
    const before = await refs()
    await mkdir(dirname(join(dir, held)), { recursive: true })
    await writeFile(join(dir, held), 'theirs')
    await expect(replace()).rejects.toMatchObject({ code: 'conflict' })
    expect(await refs()).toEqual(before)
    expect(await leftBehind()).toEqual([held])
    expect(await readFile(join(dir, held), 'utf8')).toBe('theirs')
  })

test('nothing changes when a ref is not what it was', async () => {
  const from = reader.read(dir)
  await gitOk(dir, ['update-ref', 'refs/heads/topic/3', second])
  const before = await refs()
  await expect(replace(() => reader.read(dir), from)).rejects.toMatchObject({ code: 'conflict' })
  expect(await refs()).toEqual(before)
  expect(await leftBehind()).toEqual([])
})

test('while it goes on git can change none of the refs, and a new one is not lost', async () => {
  const codes: (number | null)[] = []
  const gitNow = (...args: string[]) =>
    codes.push(spawnSync('git', ['-C', dir, ...args], { stdio: 'ignore' }).status)
  const tidy = await replace(() => {
    const seen = reader.read(dir)
    gitNow('update-ref', 'refs/heads/topic/5', second)
    gitNow('update-ref', '-d', 'refs/heads/packed/only')
    gitNow('update-ref', 'refs/heads/late/one', second)
    return seen
  })
  await tidy()
  expect(codes).toEqual([128, 1, 0])
  expect((await refs()).filter((it) => !it.includes('/packhorse/'))).toEqual([
    `${second} refs/heads/late/one`,
    `${root} refs/heads/main`,
  ])
})

/** As a process leaves it that dies after these folders of refs have moved. */
async function diedAfter(moved: readonly string[]): Promise<void> {
  const gone = join(dir, 'packhorse-gone-0123')
  await mkdir(gone)
  await copyFile(join(dir, 'packed-refs'), join(gone, '.packed-refs'))
  for (const it of ['packed-refs', 'refs/heads/main', 'refs/heads/topic/1', 'refs/pr/1'])
    await writeFile(join(dir, `${it}.lock`), '')
  await writeFile(join(dir, 'packed-refs'), `# pack-refs with: sorted \n${root} refs/heads/main\n`)
  for (const it of moved) await rename(join(dir, 'refs', it), join(gone, it))
}

for (const moved of [[], ['tags', 'pr'], ['tags', 'pr', 'heads']])
  test(`a process that died with ${moved.length} folders moved did nothing, or all of it`, async () => {
    const visible = async () => (await refs()).filter((it) => !it.includes('/packhorse/'))
    const before = await visible()
    await diedAfter(moved)
    // what is a moment old may belong to somebody alive
    expect(await sweepRepository(dir)).toBeGreaterThan(0)
    await expect.poll(() => sweepRepository(dir), { timeout: 10_000, interval: 200 }).toBe(0)
    expect(await visible()).toEqual(moved.includes('heads') ? [`${root} refs/heads/main`] : before)
    expect(await leftBehind()).toEqual([])
    await gitOk(dir, ['pack-refs', '--all', '--prune'])
  })
