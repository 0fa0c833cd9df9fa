import { spawn } from 'node:child_process'
import { mkdir, readdir, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { gitOk, startTestHub, type TestHub, type TestUser, tempDir } from '../support/hub.js'

const DEAD = 'h00000000-p1-t1'

async function repoWithHistory(hub: TestHub, owner: TestUser, name: string) {
  await hub.api('/api/repos/create', { as: owner, body: { name } })
  const repo = await hub.domain.stores.repos.findByAddress({
    kind: 'model',
    namespace: owner.name,
    name,
  })
  if (!repo) throw new Error('not created')
  return { repo, directory: hub.domain.git.directory(repo.id) }
}

/** A file as a git that died a while ago left it. */
async function leave(path: string): Promise<string> {
  await mkdir(join(path, '..'), { recursive: true })
  await writeFile(path, '')
  const past = new Date(Date.now() - 60_000)
  await utimes(path, past, past)
  return path
}

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  )
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20))
}

test('locks and half-written objects of a dead git go, and a push works again', async () => {
  const first = await startTestHub()
  const ada = await first.user('ada')
  const { directory } = await repoWithHistory(first, ada, 'x')
  await first.close()
  const left = [
    'HEAD.lock',
    'packed-refs.lock',
    'refs/heads/main.lock',
    'objects/pack/tmp_pack_abc123',
    'objects/17/tmp_obj_abc123',
    'objects/tmp_objdir-incoming-abc123/pack/pack-1.pack',
    'objects/info/commit-graphs/commit-graph-chain.lock',
    'fast_import_crash_4711',
  ].map((it) => join(directory, it))
  for (const path of left) await leave(path)

  const hub = await startTestHub({ PACKHORSE_DATA: first.dataDir })
  const dir = await tempDir()
  // opening the repository is enough; ctime cannot be set back, so the second look may be the one that sweeps
  await until(async () => {
    await hub.api('/ada/x.git/info/refs?service=git-upload-pack')
    return !(await Promise.all(left.map(exists))).includes(true)
  })
  await gitOk(dir, ['clone', '-q', hub.gitUrl('ada/x', ada), 'w'])
  await gitOk(join(dir, 'w'), ['commit', '-q', '--allow-empty', '-m', 'again'])
  await gitOk(join(dir, 'w'), ['push', '-q'])
})

test('files of a git that is at work are left alone', async () => {
  const first = await startTestHub()
  const ada = await first.user('ada')
  const { directory } = await repoWithHistory(first, ada, 'x')
  await first.close()
  const lock = await leave(join(directory, 'refs/heads/side.lock'))
  const git = spawn('git', ['--git-dir=.', 'update-ref', '--stdin'], { cwd: directory })
  onTestFinished(() => {
    git.kill('SIGKILL')
  })
  const hub = await startTestHub({ PACKHORSE_DATA: first.dataDir })
  const { sweepLeftovers } = hub.domain.git
  const repo = await hub.domain.stores.repos.findByAddress({
    kind: 'model',
    namespace: 'ada',
    name: 'x',
  })
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  expect(await sweepLeftovers(repo?.id ?? '')).toBe(1)
  expect(await exists(lock)).toBe(true)
  git.kill('SIGKILL')
  await until(async () => (await sweepLeftovers(repo?.id ?? '')) === 0)
  expect(await exists(lock)).toBe(false)
})

test('uploads, trash, holds, jobs and creations of a dead process go at the start', async () => {
  const first = await startTestHub()
  const ada = await first.user('ada')
  const { repo } = await repoWithHistory(first, ada, 'held')
  const { stores } = first.domain
  // a process of this machine that has ended: a pid that cannot be
  const { PROCESS_INSTANCE } = await import('../../src/lib/process-instance.js')
  const dead = PROCESS_INSTANCE.replace(/-p\d+-/, '-p4194305-')
  await stores.holds.acquire({
    repoId: repo.id,
    kind: 'squash',
    holder: 'ada',
    owner: dead,
    seconds: 3_600,
  })
  await stores.jobs.enqueue({ kind: 'repo.maintain', key: 'gone' })
  expect(await stores.jobs.claim(dead, 3_600)).toBeDefined()
  await stores.repos.create({ ...repo, id: 'repo_0123456789ab', name: 'cut-off', owner: dead })
  const incoming = await leave(join(first.dataDir, 'objects/incoming', `${dead}-x`))
  const foreign = await leave(join(first.dataDir, 'objects/incoming', `${DEAD}-x`))
  await mkdir(join(first.dataDir, 'git/trash', `new-${dead}-x`, 'objects'), { recursive: true })
  await mkdir(join(first.dataDir, 'git/trash', `new-${PROCESS_INSTANCE}-x`), { recursive: true })
  await first.close()

  const hub = await startTestHub({ PACKHORSE_DATA: first.dataDir })
  expect(await hub.domain.stores.holds.find(repo.id)).toEqual([])
  expect((await hub.api('/api/repos/create', { as: ada, body: { name: 'cut-off' } })).status).toBe(
    200,
  )
  await until(async () => !(await exists(incoming)))
  await until(async () => (await readdir(join(hub.dataDir, 'git/trash'))).length === 1)
  // another machine's upload, and this process's own creation, may be under way
  expect(await exists(foreign)).toBe(true)
  expect(await readdir(join(hub.dataDir, 'git/trash'))).toEqual([`new-${PROCESS_INSTANCE}-x`])
})

test('refs that moved behind the hub’s back are taken in by the next look', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const { repo, directory } = await repoWithHistory(hub, ada, 'x')
  const look = () => hub.api('/ada/x.git/info/refs?service=git-upload-pack')
  await look()
  const head = await gitOk(directory, ['--git-dir=.', 'rev-parse', 'HEAD'])
  await gitOk(directory, ['--git-dir=.', 'update-ref', 'refs/heads/behind', head])
  await until(async () => {
    await look()
    return (await hub.domain.stores.refs.list(repo.id)).some(
      (it) => it.name === 'refs/heads/behind',
    )
  })
})
