import { createHash, randomBytes } from 'node:crypto'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { gitOk, startTestHub, type TestHub, type TestUser, tempDir } from '../support/hub.js'
import { packhorse, startProcess } from '../support/process.js'

const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex')

/** Pushes one commit with a regular and an LFS file. */
async function push(work: string, serial: number): Promise<{ head: string; weights: Buffer }> {
  const weights = randomBytes(20_000)
  await writeFile(join(work, 'note.txt'), `note ${serial}\n`)
  await writeFile(join(work, `w${serial % 3}.bin`), weights)
  await gitOk(work, ['add', '.'])
  await gitOk(work, ['commit', '-q', '-m', `commit ${serial}`])
  await gitOk(work, ['push', '-q', 'origin', 'HEAD:main'])
  return { head: await gitOk(work, ['rev-parse', 'HEAD']), weights }
}

async function clone(hub: TestHub, owner: TestUser, name: string): Promise<string> {
  await hub.api('/api/repos/create', { as: owner, body: { name } })
  const dir = await tempDir()
  await gitOk(dir, ['clone', '-q', hub.gitUrl(`${owner.name}/${name}`, owner), 'w'])
  const work = join(dir, 'w')
  await gitOk(work, ['lfs', 'install', '--local'])
  await gitOk(work, ['lfs', 'track', '*.bin'])
  return work
}

test('a backup made during writes restores every push that was acknowledged before it, and is clean', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const busy = await clone(hub, ada, 'busy')
  const quiet = await clone(hub, ada, 'quiet')
  const squashed = await clone(hub, ada, 'squashed')
  const before = await push(busy, 0)
  const still = await push(quiet, 0)
  await push(squashed, 0)
  await push(squashed, 1)

  // writes of every kind go on until the backup is done
  let stop = false
  const acknowledged: string[] = [before.head]
  const writing = (async () => {
    for (let serial = 1; !stop; serial += 1) acknowledged.push((await push(busy, serial)).head)
  })()
  const squashing = (async () => {
    while (!stop) {
      await hub.api('/api/repos/squash', { as: ada, body: { repo: 'ada/squashed', type: 'model' } })
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  })()
  const target = join(await tempDir(), 'backup')
  const made = await packhorse(['backup', target, '--data', hub.dataDir])
  expect([made.code, made.stderr]).toEqual([0, ''])
  expect(made.stdout).toMatch(/^backed up 3 repositories, \d+ objects/)
  stop = true
  await Promise.all([writing, squashing])

  const data = join(await tempDir(), 'restored')
  const restored = await packhorse(['restore', target, '--data', data])
  expect([restored.code, restored.stderr]).toEqual([0, ''])
  const checked = await packhorse(['fsck', '--lfs', '--data', data])
  expect([checked.code, checked.stdout]).toEqual([0, 'clean\n'])
  // what opens the stored secrets came along, and nobody else may read it or the tokens' hashes
  const key = (directory: string) => readFile(join(directory, 'secret.key'), 'utf8')
  expect(await key(data)).toBe(await key(hub.dataDir))
  for (const file of ['secret.key', 'packhorse.sqlite'])
    expect((await stat(join(data, file))).mode & 0o777).toBe(0o600)
  for (const file of await readdir(target))
    if (/key$|sqlite$/.test(file)) expect((await stat(join(target, file))).mode & 0o777).toBe(0o600)

  const again = await startProcess(['--port', '0', '--data', data])
  const at = (name: string) => `${again.url.replace('://', `://ada:${ada.token}@`)}/ada/${name}.git`
  const dir = await tempDir()
  await gitOk(dir, ['lfs', 'install'], { HOME: dir })
  await gitOk(dir, ['clone', '-q', at('busy'), 'busy'], { HOME: dir })
  await gitOk(dir, ['clone', '-q', at('quiet'), 'quiet'], { HOME: dir })
  const tip = await gitOk(join(dir, 'busy'), ['rev-parse', 'HEAD'])
  expect(acknowledged).toContain(tip)
  await gitOk(join(dir, 'busy'), ['merge-base', '--is-ancestor', before.head, tip])
  expect(sha256(await readFile(join(dir, 'quiet/w0.bin')))).toBe(sha256(still.weights))
  // it is a hub to go on with
  await gitOk(join(dir, 'quiet'), ['commit', '-q', '--allow-empty', '-m', 'on'])
  await gitOk(join(dir, 'quiet'), ['push', '-q'])
}, 180_000)

test('a repetition brings what is new, drops what is gone, and keeps the backup before when it fails', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const work = await clone(hub, ada, 'x')
  await push(work, 0)
  await hub.api('/api/repos/create', { as: ada, body: { name: 'to-go' } })
  const gone = await hub.domain.stores.repos.findByAddress({
    kind: 'model',
    namespace: 'ada',
    name: 'to-go',
  })
  const target = join(await tempDir(), 'backup')
  const manifest = async () => JSON.parse(await readFile(join(target, 'manifest.json'), 'utf8'))
  expect((await packhorse(['backup', target, '--data', hub.dataDir])).code).toBe(0)
  const first = await manifest()
  expect(first.repositories).toBe(2)
  const [object] = await hub.domain.stores.lfs.scanObjects('', 1)
  const kept = join(target, 'objects', object?.key ?? '')
  const { ino } = await stat(kept)

  await push(work, 1)
  await hub.api('/api/repos/delete', { method: 'DELETE', as: ada, body: { name: 'to-go' } })
  expect((await packhorse(['backup', target, '--data', hub.dataDir])).code).toBe(0)
  const second = await manifest()
  expect([second.repositories, second.objects]).toEqual([1, 2])
  expect((await stat(kept)).ino).toBe(ino)
  await expect(stat(join(target, first.database.file))).rejects.toThrow(/ENOENT/)
  const hex = (gone?.id ?? '').slice('repo_'.length)
  await expect(
    stat(join(target, 'git', hex.slice(0, 2), hex.slice(2, 4), `${gone?.id}.git`)),
  ).rejects.toThrow(/ENOENT/)

  // bytes that the database names are lost: that is no backup to replace the one before
  const newest = (await hub.domain.stores.lfs.scanObjects('', 10)).find(
    (it) => it.oid !== object?.oid,
  )
  await hub.domain.store.delete(newest?.key ?? '')
  const failed = await packhorse(['backup', target, '--data', hub.dataDir])
  expect([failed.code, failed.stderr]).toEqual([
    1,
    expect.stringContaining(`LFS object ${newest?.oid}`),
  ])
  expect(await manifest()).toEqual(second)
  const data = join(await tempDir(), 'restored')
  expect((await packhorse(['restore', target, '--data', data])).code).toBe(0)
  expect((await packhorse(['fsck', '--lfs', '--data', data])).stdout).toBe('clean\n')
}, 180_000)

test('nothing is restored over something, from nothing, or from a damaged backup', async () => {
  const hub = await startTestHub()
  await hub.user('ada')
  const target = join(await tempDir(), 'backup')
  expect((await packhorse(['backup', target, '--data', hub.dataDir])).code).toBe(0)
  const over = await packhorse(['restore', target, '--data', hub.dataDir])
  expect([over.code, over.stderr]).toEqual([1, expect.stringContaining('is not empty')])
  const from = await packhorse(['restore', await tempDir(), '--data', join(await tempDir(), 'new')])
  expect([from.code, from.stderr]).toEqual([1, expect.stringContaining('no finished backup')])
  const { database } = JSON.parse(await readFile(join(target, 'manifest.json'), 'utf8'))
  const bytes = await readFile(join(target, database.file))
  bytes[5_000] = (bytes[5_000] ?? 0) ^ 1
  await writeFile(join(target, database.file), bytes)
  const damaged = await packhorse(['restore', target, '--data', join(await tempDir(), 'new')])
  expect([damaged.code, damaged.stderr]).toEqual([1, expect.stringContaining('damaged')])
}, 120_000)

test('while a backup runs nothing is collected', async () => {
  const hub = await startTestHub()
  const { backupLease } = hub.domain
  await backupLease.during(async () => {
    const refused = await packhorse(['gc', '--grace', '0', '--data', hub.dataDir])
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining('backup is running'),
    ])
  })
  expect((await packhorse(['gc', '--grace', '0', '--data', hub.dataDir])).code).toBe(0)
}, 120_000)
