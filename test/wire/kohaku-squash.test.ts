import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { HUB_ACTOR } from '../../src/domain/events/events.js'
import type { GitEngine } from '../../src/domain/ports.js'
import { Squash } from '../../src/domain/repos/squash.js'
import type { Repo } from '../../src/domain/types.js'
import { FLUSH, pktLine } from '../../src/protocol/pkt-line.js'
import { git, gitOk, startTestHub, type TestHub, type TestUser, tempDir } from '../support/hub.js'

const ADDRESS = { kind: 'model', namespace: 'ada', name: 'm' } as const

async function readRepo(hub: TestHub): Promise<Repo> {
  const repo = await hub.domain.stores.repos.findByAddress(ADDRESS)
  if (!repo) throw new Error('the repository is gone')
  return repo
}

const squash = (hub: TestHub, as: TestUser) =>
  hub.api('/api/repos/squash', { as, body: { repo: 'ada/m', type: 'model' } })

async function push(work: string, name: string): Promise<boolean> {
  await gitOk(work, ['fetch', '-q', 'origin'])
  await gitOk(work, ['reset', '-q', '--hard', 'origin/main'])
  await writeFile(join(work, name), name)
  await gitOk(work, ['add', '.'])
  await gitOk(work, ['commit', '-q', '-m', name])
  const { code, stderr } = await git(work, ['push', '-q', 'origin', 'HEAD:main'])
  if (code !== 0) expect(stderr).toMatch(/locked for|rejected|cannot lock ref|fetch first/)
  return code === 0
}

test('pushes that race with squashes land and stay, or are refused', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const dir = await tempDir()
  await hub.api('/api/repos/create', { as: ada, body: { name: 'm' } })
  const pushers = ['p', 'q']
  for (const it of pushers) await gitOk(dir, ['clone', '-q', hub.gitUrl('ada/m', ada), it])
  const landed: string[] = []
  let running = true
  const loops = pushers.map(async (pusher) => {
    for (let n = 0; running && n < 200; n += 1)
      if (await push(join(dir, pusher), `${pusher}${n}.txt`)) landed.push(`${pusher}${n}.txt`)
  })
  const statuses: number[] = []
  for (let n = 0; n < 8; n += 1) {
    statuses.push((await squash(hub, ada)).status)
    // the next one comes while another push is somewhere on its way
    const before = landed.length
    await expect.poll(() => landed.length, { timeout: 30_000 }).toBeGreaterThan(before)
    await new Promise((resolve) => setTimeout(resolve, n * 40))
  }
  running = false
  await Promise.all(loops)
  expect(statuses.filter((it) => ![200, 423].includes(it))).toEqual([])
  expect(statuses).toContain(200)
  expect(landed.length).toBeGreaterThanOrEqual(8)
  await expect.poll(async () => (await squash(hub, ada)).status, { timeout: 20_000 }).toBe(200)
  await gitOk(dir, ['clone', '-q', hub.gitUrl('ada/m', ada), 'after'])
  const files = (await gitOk(join(dir, 'after'), ['ls-files'])).split('\n')
  expect(landed.filter((it) => !files.includes(it))).toEqual([])
  expect(await gitOk(join(dir, 'after'), ['rev-list', '--count', '--all'])).toBe('1')
  expect(await hub.domain.checker.checkRepo(await readRepo(hub))).toEqual([])
}, 300_000)

/** The engine, except that one step fails as if the process had died there. */
function dyingAt(git: GitEngine, step: 'before refs' | 'after refs'): GitEngine {
  return {
    ...git,
    replaceRefs: async (...order) => {
      if (step === 'after refs') await git.replaceRefs(...order)
      throw new Error('the process died')
    },
  }
}

for (const step of ['before refs', 'after refs'] as const)
  test(`a squash that dies ${step} moved is undone or done as a whole`, async () => {
    const hub = await startTestHub({ PACKHORSE_JOB_INTERVAL_MS: '60000' })
    const ada = await hub.user('ada')
    const dir = await tempDir()
    await hub.api('/api/repos/create', { as: ada, body: { name: 'm' } })
    await gitOk(dir, ['clone', '-q', hub.gitUrl('ada/m', ada), 'work'])
    expect(await push(join(dir, 'work'), 'one.txt')).toBe(true)
    await writeFile(join(dir, 'work', 'big'), randomBytes(300_000))
    expect(await push(join(dir, 'work'), 'two.txt')).toBe(true)
    await gitOk(join(dir, 'work'), ['push', '-q', 'origin', 'HEAD:refs/heads/side'])
    const tree = await gitOk(join(dir, 'work'), ['rev-parse', 'HEAD^{tree}'])
    const before = (await gitOk(dir, ['ls-remote', hub.gitUrl('ada/m', ada)])).split('\n')
    const dying = new Squash({
      ...hub.domain,
      ...hub.domain.stores,
      holds: hub.domain.holds,
      git: dyingAt(hub.domain.git, step),
    })
    await expect(dying.squash(await readRepo(hub), HUB_ACTOR)).rejects.toThrow('the process died')
    await hub.close()

    const again = await startTestHub({ PACKHORSE_DATA: hub.dataDir })
    const after = (await gitOk(dir, ['ls-remote', again.gitUrl('ada/m', ada)])).split('\n')
    if (step === 'before refs') expect(after).toEqual(before)
    else expect(after).toHaveLength(2)
    await gitOk(dir, ['clone', '-q', again.gitUrl('ada/m', ada), 'after'])
    expect(await gitOk(join(dir, 'after'), ['rev-parse', 'HEAD^{tree}'])).toBe(tree)
    // the job was left before the refs moved: it prunes what is unreachable, in the one case as in the other
    await expect
      .poll(async () => (await again.domain.stores.jobs.counts()).failing, { timeout: 20_000 })
      .toBe(0)
    await expect
      .poll(async () => (await readRepo(again)).commitCount, { timeout: 20_000 })
      .toBe(step === 'before refs' ? 3 : 1)
    expect(await again.domain.checker.checkRepo(await readRepo(again))).toEqual([])
  }, 60_000)

test('old objects are gone from disk after a squash', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const dir = await tempDir()
  await hub.api('/api/repos/create', { as: ada, body: { name: 'm' } })
  await gitOk(dir, ['clone', '-q', hub.gitUrl('ada/m', ada), 'work'])
  const work = join(dir, 'work')
  await writeFile(join(work, 'big'), randomBytes(500_000))
  await gitOk(work, ['add', '.'])
  await gitOk(work, ['commit', '-m', 'big'])
  const old = await gitOk(work, ['rev-parse', 'HEAD'])
  await gitOk(work, ['rm', '-q', 'big'])
  await gitOk(work, ['commit', '-m', 'small again'])
  await gitOk(work, ['push', '-q', 'origin', 'HEAD:main'])
  expect((await readRepo(hub)).gitBytes).toBeGreaterThan(500_000)
  expect((await squash(hub, ada)).status).toBe(200)
  await expect
    .poll(async () => (await readRepo(hub)).gitBytes, { timeout: 50_000 })
    .toBeLessThan(50_000)
  const directory = hub.domain.git.directory((await readRepo(hub)).id)
  expect((await git(directory, ['cat-file', '-e', old])).code).not.toBe(0)
})

test('moving and deleting wait for a pruning that follows a squash', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await hub.api('/api/repos/create', { as: ada, body: { name: 'm' } })
  const { id } = await readRepo(hub)
  const { holds } = hub.domain.stores
  const whilePruned = async (act: () => ReturnType<typeof hub.api>) => {
    const hold = await holds.acquire({
      repoId: id,
      kind: 'pruning',
      holder: 'the hub',
      owner: 'test',
      seconds: 60,
    })
    const [reply] = await Promise.all([
      act(),
      new Promise((resolve) => setTimeout(resolve, 200)).then(() => holds.release(hold?.id ?? '')),
    ])
    return reply.status
  }
  const body = { fromRepo: 'ada/m', toRepo: 'ada/n', type: 'model' }
  expect(await whilePruned(() => hub.api('/api/repos/move', { as: ada, body }))).toBe(200)
  const gone = { as: ada, method: 'DELETE', body: { name: 'n' } }
  expect(await whilePruned(() => hub.api('/api/repos/delete', gone))).toBe(200)
})

/** A push of one new commit on top of `base`, of which the last byte is not sent before `finish`. */
async function stalledPush(
  hub: TestHub,
  as: TestUser,
  work: string,
  base: string,
  update: { oldOid: string; ref: string },
): Promise<{ tip: string; finish: () => Promise<string> }> {
  await gitOk(work, ['checkout', '-q', '--detach', base])
  // more than is read before git is started
  await writeFile(join(work, 'long'), randomBytes(900_000))
  await gitOk(work, ['add', 'long'])
  await gitOk(work, ['commit', '-q', '-m', `for ${update.ref}`])
  const tip = await gitOk(work, ['rev-parse', 'HEAD'])
  const packing = spawn('git', ['pack-objects', '--revs', '--thin', '--stdout', '-q'], {
    cwd: work,
  })
  packing.stdin.end(`${tip}\n^${base}\n`)
  const pack = Buffer.concat(await packing.stdout.toArray())
  const command = `${update.oldOid} ${tip} ${update.ref}\0 report-status agent=test\n`
  const body = Buffer.concat([pktLine(command), FLUSH, pack])
  const req = request(new URL('/ada/m.git/git-receive-pack', hub.url), {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${as.token}`,
      'Content-Type': 'application/x-git-receive-pack-request',
      'Content-Length': body.length,
    },
  })
  req.write(body.subarray(0, -1))
  const replied = once(req, 'response')
  replied.catch(() => undefined)
  return {
    tip,
    async finish() {
      req.end(body.subarray(-1))
      const [reply] = await replied
      return Buffer.concat(await reply.toArray()).toString()
    },
  }
}

test('pushes that stand still do not hold up a squash, and nothing is pruned under them', async () => {
  const hub = await startTestHub({
    PACKHORSE_JOB_INTERVAL_MS: '60000',
    PACKHORSE_PACK_PROCESSES: '4',
  })
  const ada = await hub.user('ada')
  const dir = await tempDir()
  await hub.api('/api/repos/create', { as: ada, body: { name: 'm' } })
  await gitOk(dir, ['clone', '-q', hub.gitUrl('ada/m', ada), 'work'])
  const work = join(dir, 'work')
  for (const name of ['one', 'two']) {
    await writeFile(join(work, name), name)
    await gitOk(work, ['add', name])
    await gitOk(work, ['commit', '-q', '-m', name])
  }
  await gitOk(work, ['push', '-q', 'origin', 'HEAD:main'])
  const old = await gitOk(work, ['rev-parse', 'origin/main'])
  const { id } = await readRepo(hub)
  const bare = hub.domain.git.directory(id)
  const push = (oldOid: string, ref: string) => stalledPush(hub, ada, work, old, { oldOid, ref })
  const onto = await push(old, 'refs/heads/main')
  const fresh = await push('0'.repeat(40), 'refs/heads/new')
  await expect.poll(() => hub.domain.git.pushesInFlight(id)).toBe(2)
  expect(await hub.domain.git.pushesInFlight(id, 'moving')).toBe(0)

  expect((await squash(hub, ada)).status).toBe(200)
  expect(await hub.domain.git.pushesInFlight(id)).toBe(2)
  const root = (await readRepo(hub)).headOid
  expect(root).not.toBe(old)

  expect(await onto.finish()).toMatch(/ng refs\/heads\/main failed to update ref/)
  // the other one still needs the old history
  const prune = () => hub.domain.squash.prune(id, async () => undefined)
  await expect(prune()).rejects.toMatchObject({ code: 'busy' })
  expect((await git(bare, ['cat-file', '-e', old])).code).toBe(0)
  expect(await fresh.finish()).toMatch(/ok refs\/heads\/new/)
  await expect.poll(() => hub.domain.git.pushesInFlight(id)).toBe(0)
  await prune()
  const refs = (await gitOk(dir, ['ls-remote', hub.gitUrl('ada/m', ada), 'refs/*'])).split('\n')
  expect(refs).toEqual([`${root}\trefs/heads/main`, `${fresh.tip}\trefs/heads/new`])
  await gitOk(bare, ['fsck', '--full', '--connectivity-only'])
  expect(await hub.domain.checker.checkRepo(await readRepo(hub))).toEqual([])
}, 60_000)

test('a fetch under way has what it needs to its end, be there a squash', async () => {
  const hub = await startTestHub({
    PACKHORSE_JOB_INTERVAL_MS: '60000',
    PACKHORSE_FETCH_CACHE_BYTES: '0',
  })
  const ada = await hub.user('ada')
  const dir = await tempDir()
  await hub.api('/api/repos/create', { as: ada, body: { name: 'm' } })
  await gitOk(dir, ['clone', '-q', hub.gitUrl('ada/m', ada), 'work'])
  const work = join(dir, 'work')
  // more than pipes and sockets hold
  await writeFile(join(work, 'big'), randomBytes(40_000_000))
  await gitOk(work, ['add', 'big'])
  await gitOk(work, ['commit', '-q', '-m', 'big'])
  await gitOk(work, ['push', '-q', 'origin', 'HEAD:main'])
  const old = await gitOk(work, ['rev-parse', 'HEAD'])

  const { hostname, port } = new URL(hub.url)
  const headers = {
    'Content-Type': 'application/x-git-upload-pack-request',
    'Git-Protocol': 'version=2',
    Authorization: `Bearer ${ada.token}`,
  }
  const path = '/ada/m.git/git-upload-pack'
  const req = request({ hostname, port, path, method: 'POST', headers })
  req.end(
    Buffer.concat([
      pktLine('command=fetch'),
      Buffer.from('0001'),
      pktLine(`want ${old}\n`),
      pktLine('done\n'),
      FLUSH,
    ]),
  )
  const [reply] = (await once(req, 'response')) as [IncomingMessage]
  expect(reply.statusCode).toBe(200)
  expect((await squash(hub, ada)).status).toBe(200)
  const { id } = await readRepo(hub)
  const prune = () => hub.domain.squash.prune(id, async () => undefined)
  const bare = hub.domain.git.directory(id)
  await expect(prune()).rejects.toMatchObject({ code: 'busy' })
  await gitOk(bare, ['cat-file', '-e', old])
  const bytes = Buffer.concat(await reply.toArray())
  expect([bytes.length > 40_000_000, bytes.subarray(-4).toString()]).toEqual([true, '0000'])
  await prune()
  expect((await git(bare, ['cat-file', '-e', old])).code).not.toBe(0)
}, 60_000)
