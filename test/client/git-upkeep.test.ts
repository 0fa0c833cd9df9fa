import { randomBytes } from 'node:crypto'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Upkeep } from '../../src/domain/repos/upkeep.js'
import { PROCESS_INSTANCE } from '../../src/lib/process-instance.js'
import {
  bareDir,
  commitFiles,
  createRepo,
  expectClean,
  expectNoGitLeft,
  initWork,
  readRepo,
} from '../support/git-work.js'
import { git, gitOk, startTestHub, tempDir } from '../support/hub.js'

test('upkeep beside pushes, fetches and clones loses nothing', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await createRepo(hub, ada, 'repo')
  const { id } = await readRepo(hub, 'ada', 'repo')
  const bare = await bareDir(hub, 'ada', 'repo')
  const dir = await tempDir()
  const url = hub.gitUrl('ada/repo', ada)
  const works = await Promise.all(['one', 'two'].map((it) => initWork(dir, it)))
  for (const [n, work] of works.entries())
    await gitOk(work, ['push', '-q', url, `main:refs/heads/w${n}`])
  const acknowledged = new Map<string, string>()
  let going = true
  const pushing = works.map(async (work, n) => {
    for (let round = 0; round < 12; round += 1) {
      const tip = await commitFiles(work, { [`${n}-${round}.bin`]: randomBytes(3_000) })
      await gitOk(work, ['tag', `t${n}-${round}`])
      await gitOk(work, ['push', '-q', url, `main:refs/heads/w${n}`, `t${n}-${round}`])
      acknowledged.set(`refs/heads/w${n}`, tip).set(`refs/tags/t${n}-${round}`, tip)
    }
  })
  const reading = (async () => {
    for (let n = 0; going; n += 1) {
      await gitOk(dir, ['clone', '-q', '--mirror', url, `mirror-${n}.git`])
      await expectClean(join(dir, `mirror-${n}.git`))
    }
  })()
  const keeping = (async () => {
    let rounds = 0
    while (going) {
      // more than the thresholds would ask for: repacking and packing refs all the time
      for (const args of [
        ['repack', '-d', '-l', '-q', '--geometric=2', '--write-midx'],
        ['pack-refs', '--all', '--prune'],
        ['commit-graph', 'write', '--reachable', '--changed-paths', '--split'],
      ])
        await gitOk(bare, args)
      await hub.domain.git.maintain(id)
      rounds += 1
    }
    return rounds
  })()
  await Promise.all(pushing).finally(() => {
    going = false
  })
  await reading
  expect(await keeping).toBeGreaterThan(0)
  for (const [name, oid] of acknowledged) expect(await gitOk(bare, ['rev-parse', name])).toBe(oid)
  await expectClean(bare)
  expect(await hub.domain.checker.checkRepo(await readRepo(hub, 'ada', 'repo'))).toEqual([])
})

test('pruning keeps pushes out while it runs, drops what is unreachable, and keeps all else', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await createRepo(hub, ada, 'repo')
  const bare = await bareDir(hub, 'ada', 'repo')
  const dir = await tempDir()
  const url = hub.gitUrl('ada/repo', ada)
  const work = await initWork(dir, 'work')
  await gitOk(work, ['push', '-q', url, 'main'])
  const lost = await commitFiles(work, { 'big.bin': randomBytes(400_000) })
  await gitOk(work, ['push', '-q', url, 'main:refs/heads/gone'])
  await gitOk(work, ['push', '-q', url, ':gone'])
  await gitOk(work, ['reset', '-q', '--hard', 'main~1'])
  const before = await readRepo(hub, 'ada', 'repo')
  const outcomes: number[] = []
  let pruning = true
  const pushing = (async () => {
    for (let n = 0; pruning; n += 1) {
      await commitFiles(work, { [`${n}.txt`]: `${n}\n` })
      outcomes.push((await git(work, ['push', '-q', url, 'main'])).code)
    }
  })()
  await hub.domain.squash.prune(before.id, async () => undefined)
  pruning = false
  await pushing
  await gitOk(work, ['push', '-q', url, 'main'])
  expect((await git(bare, ['cat-file', '-e', lost])).code).not.toBe(0)
  await expectClean(bare)
  const after = await readRepo(hub, 'ada', 'repo')
  expect(after.headOid).toBe(await gitOk(work, ['rev-parse', 'main']))
  expect(after.gitBytes).toBeLessThan(before.gitBytes - 300_000)
  expect(await hub.domain.checker.checkRepo(after)).toEqual([])
  // refused or taken, never anything else
  expect(outcomes.filter((it) => it !== 0 && it !== 1)).toEqual([])
})

test('a push past its check is waited for before anything that needs the repository alone', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await createRepo(hub, ada, 'repo')
  const { id } = await readRepo(hub, 'ada', 'repo')
  const dir = await tempDir()
  const work = await initWork(dir, 'work')
  const { domain } = hub
  const { policy } = domain
  const original = policy.preReceive.bind(policy)
  let held: Promise<string> | undefined
  const order: string[] = []
  // the hold begins exactly between the check and the moment git moves the refs
  policy.preReceive = async (...args) => {
    const answer = await original(...args)
    const repo = await readRepo(hub, 'ada', 'repo')
    held ??= domain.holds.run(repo, 'squash', 'test', async () => {
      order.push('held')
      const bare = await bareDir(hub, 'ada', 'repo')
      return gitOk(bare, ['rev-parse', 'main'])
    })
    await expect.poll(async () => (await domain.stores.holds.find(id)).length).toBe(1)
    order.push('checked')
    return answer
  }
  const tip = await gitOk(work, ['rev-parse', 'main'])
  await gitOk(work, ['push', '-q', hub.gitUrl('ada/repo', ada), 'main'])
  expect(await held).toBe(tip)
  expect(order).toEqual(['checked', 'held'])
  expect(await domain.git.pushesInFlight(id)).toBe(0)
  await expectNoGitLeft(hub)
})

test('after a large push one bitmap covers the packs, and the next pushes keep it', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await createRepo(hub, ada, 'repo')
  const { id } = await readRepo(hub, 'ada', 'repo')
  const bare = await bareDir(hub, 'ada', 'repo')
  const url = hub.gitUrl('ada/repo', ada)
  const work = await initWork(await tempDir(), 'work')
  const many = Object.fromEntries(
    Array.from({ length: 800 }, (_, n) => [`${n}.bin`, randomBytes(2_000)]),
  )
  await commitFiles(work, many)
  await gitOk(work, ['push', '-q', url, 'main'])
  const packFiles = async () => readdir(join(bare, 'objects/pack'))
  expect(await hub.domain.git.needsMaintenance(id)).toBe(true)
  // as the daily job finds it
  const { stores } = hub.domain
  const upkeep = new Upkeep({ ...hub.domain, ...stores })
  await upkeep.planAll(new AbortController().signal)
  await hub.domain.jobs.drain()
  await expect.poll(() => hub.domain.git.needsMaintenance(id), { timeout: 30_000 }).toBe(false)
  const large = (await packFiles()).find((it) => it.endsWith('.pack'))
  expect((await packFiles()).filter((it) => it.endsWith('.bitmap'))).toHaveLength(1)
  expect(await readdir(join(bare, 'objects/info/commit-graphs'))).toContain('commit-graph-chain')

  await commitFiles(work, { 'more.bin': randomBytes(600_000), 'more.txt': 'x\n' })
  for (let n = 0; n < 40; n += 1) await commitFiles(work, { 'n.txt': `${n}\n` })
  await gitOk(work, ['push', '-q', url, 'main'])
  expect(await hub.domain.git.needsMaintenance(id)).toBe(false)
  await commitFiles(work, { 'again.bin': randomBytes(1_300_000) })
  for (let n = 0; n < 40; n += 1) await commitFiles(work, { 'm.txt': `${n}\n` })
  await gitOk(work, ['push', '-q', url, 'main'])
  expect(await hub.domain.git.needsMaintenance(id)).toBe(true)
  await hub.domain.git.maintain(id)
  // the large pack was not written anew, and the bitmap counts everything
  expect(await packFiles()).toContain(large)
  const counted = await gitOk(bare, ['rev-list', '--count', '--objects', '--all'])
  const byBitmap = ['rev-list', '--test-bitmap', 'HEAD']
  expect((await git(bare, byBitmap)).stderr).toContain('OK!')
  expect(
    await gitOk(bare, ['rev-list', '--count', '--objects', '--use-bitmap-index', '--all']),
  ).toBe(counted)
  await expectClean(bare)
})

test('two repackings of one repository never run at once; a dead one is in nobody’s way', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await createRepo(hub, ada, 'repo')
  const { id } = await readRepo(hub, 'ada', 'repo')
  const bare = await bareDir(hub, 'ada', 'repo')
  const work = await initWork(await tempDir(), 'work')
  await gitOk(work, ['push', '-q', hub.gitUrl('ada/repo', ada), 'main'])
  const lock = join(bare, 'packhorse-upkeep.lock')
  await writeFile(lock, PROCESS_INSTANCE)
  await expect(hub.domain.git.prune(id)).rejects.toMatchObject({ code: 'busy' })
  await writeFile(lock, PROCESS_INSTANCE.replace(/-t\d+$/, '-t1'))
  await hub.domain.git.prune(id)
  expect(await readdir(bare)).not.toContain('packhorse-upkeep.lock')
  await expectClean(bare)
})

test('files that are compressed already are packed as they are', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await createRepo(hub, ada, 'repo')
  const bare = await bareDir(hub, 'ada', 'repo')
  const told = await gitOk(bare, ['check-attr', 'delta', '--', 'a/b.safetensors', 'c.zip', 'd.txt'])
  expect(told.split('\n').map((it) => it.split(': ').at(-1))).toEqual([
    'unset',
    'unset',
    'unspecified',
  ])
})
