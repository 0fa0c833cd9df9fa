import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { gitOk, startTestHub } from '../support/hub.js'
import { cloneRepo, pushFiles } from '../support/repos.js'

async function hubWithModel(files: Record<string, string | Buffer> = {}) {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await hub.api('/api/repos/create', { as: ada, body: { name: 'm' } })
  const work = await cloneRepo(hub, ada, 'ada/m')
  const head = await pushFiles(work, { 'README.md': '# Hello\n', ...files })
  const ask = (query = '', as?: typeof ada) =>
    hub.api(`/api/models/ada/m${query}`, as ? { as } : {})
  const names = async (revision: string): Promise<string[]> =>
    (await ask(`/revision/${revision}`)).json.siblings.map(
      (it: { rfilename: string }) => it.rfilename,
    )
  return { hub, ada, work, head, ask, names }
}

test('each way of asking for siblings has its own shape, also when asked again', async () => {
  const content = Buffer.alloc(5_000, 7)
  const { hub, ada, work, ask } = await hubWithModel()
  await gitOk(work, ['lfs', 'track', '*.bin'])
  await pushFiles(work, { 'big.bin': content, 'dir/é "quoted".txt': 'text' })
  const sha256 = createHash('sha256').update(content).digest('hex')
  const oid = (path: string) => gitOk(work, ['rev-parse', `HEAD:${path}`])
  const pointerSize = Number(await gitOk(work, ['cat-file', '-s', 'HEAD:big.bin']))
  const attributes = Number(await gitOk(work, ['cat-file', '-s', 'HEAD:.gitattributes']))
  const plain = [
    { rfilename: '.gitattributes', size: attributes },
    { rfilename: 'README.md', size: 8 },
    { rfilename: 'big.bin', size: 5_000, lfs: { sha256, size: 5_000, pointerSize } },
    { rfilename: 'dir/é "quoted".txt', size: 4 },
  ]
  const blobs = await Promise.all(
    plain.map(async (it) => ({ ...it, blobId: await oid(it.rfilename) })),
  )
  const names = plain.map(({ rfilename }) => ({ rfilename }))
  for (let round = 0; round < 2; round += 1) {
    expect((await ask()).json.siblings).toEqual(plain)
    expect((await ask('?blobs=true')).json.siblings).toEqual(blobs)
    const secure = (await ask('?securityStatus=true')).json
    expect(secure.siblings).toEqual(plain)
    expect(secure.securityRepoStatus).toEqual({ scansDone: false, filesWithIssues: [] })
    const both = (await ask('?blobs=true&securityStatus=true', ada)).json
    expect([both.siblings, both.storage !== undefined]).toEqual([blobs, true])
    expect((await ask('?expand=siblings')).json.siblings).toEqual(plain)
    expect((await ask('?expand=likes')).json).not.toHaveProperty('siblings')
    expect((await hub.api('/api/models?full=true')).json[0].siblings).toEqual(names)
    expect((await hub.api('/api/models?expand=siblings')).json[0].siblings).toEqual(plain)
    expect((await hub.api('/api/models')).json[0]).not.toHaveProperty('siblings')
  }
})

test('siblings follow commits, deleted files, moved branches and a squash; the rest is fresh', async () => {
  const { hub, ada, work, head, ask, names } = await hubWithModel({ 'a.txt': 'a' })
  await gitOk(work, ['push', '-q', 'origin', 'HEAD:refs/heads/side'])
  const before = await names('main')
  expect(await names('main')).toEqual(before)
  expect(before).toContain('a.txt')

  await hub.api('/api/models/ada/m/like', { as: ada, method: 'POST' })
  expect((await ask()).json.likes).toBe(1)

  await pushFiles(work, { 'b.txt': 'b' })
  expect(await names('main')).toEqual([...before, 'b.txt'])
  expect(await names('side')).toEqual(before)
  await gitOk(work, ['rm', '-q', 'a.txt'])
  await gitOk(work, ['commit', '-qm', 'without a'])
  await gitOk(work, ['push', '-q', 'origin', 'HEAD'])
  const without = [...before, 'b.txt'].filter((it) => it !== 'a.txt')
  expect(await names('main')).toEqual(without)

  await gitOk(work, ['push', '-qf', 'origin', `${head}:main`])
  expect(await names('main')).toEqual(before)
  expect((await ask()).json.sha).toBe(head)
  await gitOk(work, ['push', '-q', 'origin', 'HEAD:main'])
  expect(await names('main')).toEqual(without)

  const body = { repo: 'ada/m', type: 'model' }
  expect((await hub.api('/api/repos/squash', { as: ada, body })).status).toBe(200)
  const squashed = (await ask()).json
  expect(squashed.sha).not.toBe(head)
  expect(await names('main')).toEqual(without)
  expect((await ask('/revision/side')).status).toBe(404)
  // pruned: what was kept of it is not given out
  await expect
    .poll(async () => (await ask(`/revision/${head}`)).status, { timeout: 20_000 })
    .toBe(404)
})

test('what is kept is for those who may read the repository', async () => {
  const { hub, ada, ask } = await hubWithModel({ 'a.txt': 'a' })
  expect((await ask()).status).toBe(200)
  await hub.api('/api/models/ada/m/settings', { as: ada, method: 'PUT', body: { private: true } })
  expect((await ask()).status).toBe(401)
  expect((await ask('', await hub.user('bob'))).status).toBe(404)
  const mine = await ask('', ada)
  expect([mine.json.private, mine.json.siblings.length]).toEqual([true, 3])
})

test('a long list is the same from git, from the database and from memory', async () => {
  const files = Object.fromEntries(Array.from({ length: 2_105 }, (_, n) => [`d/${n}.txt`, `${n}`]))
  const { work, head, names } = await hubWithModel(files)
  const paths = (await gitOk(work, ['ls-tree', '-r', '--name-only', head])).split('\n')
  for (let round = 0; round < 2; round += 1) expect(await names('main')).toEqual(paths)
  await pushFiles(work, { 'z.txt': 'z' })
  expect(await names(head)).toEqual(paths)
  expect(await names('main')).toEqual([...paths, 'z.txt'])
})
