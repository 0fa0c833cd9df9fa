import { createHash } from 'node:crypto'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { formatLfsPointer } from '../../src/protocol/lfs-pointer.js'
import { startAbfHub } from '../support/abf.js'
import { gitOk, runCommand, tempDir } from '../support/hub.js'
import { download, randomObject, uploadAll } from '../support/lfs.js'
import { readCapture, xetClient } from '../support/xet.js'

/* What the hub does by itself, and uploads that name no ref: held back as long as a mirror copies the repository. */

const sha256 = (it: Buffer | number) =>
  Buffer.isBuffer(it) ? createHash('sha256').update(it).digest('hex') : it

async function linkedProject() {
  const hub = await startAbfHub({ PACKHORSE_JOB_INTERVAL_MS: '3600000' })
  const { abf, ivan, repositoryId } = hub
  const seq = await hub.project(ivan, 'tools')
  await abf(ivan, 'PUT', `repositories/${repositoryId}/add_project.json`, { project_id: seq })
  const repo = await hub.domain.stores.repos.findBySeq(seq)
  if (!repo) throw new Error('no project')
  const lock = () => abf(ivan, 'PUT', `repositories/${repositoryId}/add_repo_lock_file.json`)
  const unlock = () =>
    abf(ivan, 'DELETE', `repositories/${repositoryId}/remove_repo_lock_file.json`)
  return { hub, repo, lock, unlock, url: hub.gitUrl('ivan/tools.git', ivan) }
}

async function workTree(url: string): Promise<string> {
  const dir = await tempDir()
  await gitOk(dir, ['init', '-q', '-b', 'master', 'work'])
  const work = join(dir, 'work')
  await gitOk(work, ['remote', 'add', 'origin', url])
  return work
}

test('repo.maintain repacks nothing under the lock, and does it afterwards', async () => {
  const { hub, repo, lock, unlock } = await linkedProject()
  const bare = hub.domain.git.directory(repo.id)
  const packs = async () =>
    (await readdir(join(bare, 'objects', 'pack'))).filter((it) => it.endsWith('.pack')).sort()
  for (let n = 0; n < 14; n += 1) {
    const stream = `commit refs/heads/b${n}\ncommitter A <a@b> ${1_700_000_000 + n} +0000\ndata 1\nx\nM 644 inline f\ndata 2\n${n % 10}\n\n`
    const script = `printf '%s' "$0" | git -c fastimport.unpackLimit=0 fast-import --quiet`
    const made = await runCommand('sh', ['-c', script, stream], { cwd: bare })
    expect([made.code, made.stderr]).toEqual([0, ''])
  }
  const before = await packs()
  expect(before.length).toBeGreaterThan(12)
  await lock()
  const { jobs } = hub.domain.stores
  await jobs.enqueue({ kind: 'repo.maintain', key: repo.id })
  await hub.domain.jobs.drain()
  expect(await packs()).toEqual(before)
  // put off, not forgotten
  expect((await jobs.counts()).failing).toBe(1)
  await unlock()
  await expect
    .poll(
      async () => {
        await hub.domain.jobs.drain()
        return (await packs()).length
      },
      { timeout: 20_000, interval: 100 },
    )
    .toBeLessThan(before.length)
  expect((await jobs.counts()).failing).toBe(0)
  await gitOk(bare, ['fsck', '--full', '--strict', '--no-dangling'])
}, 60_000)

test('the LFS collector takes nothing of a locked repository', async () => {
  const { hub, repo, lock, unlock, url } = await linkedProject()
  const { ivan, domain } = hub
  const work = await workTree(url)
  const object = randomObject(3_000)
  await gitOk(work, ['commit', '-q', '--allow-empty', '-m', 'one'])
  await gitOk(work, ['push', '-q', 'origin', 'master'])
  await uploadAll(hub, 'ivan/tools', ivan, [object])
  await gitOk(work, ['checkout', '-q', '-b', 'big'])
  await writeFile(join(work, 'big.bin'), formatLfsPointer(object))
  await gitOk(work, ['add', '.'])
  await gitOk(work, ['commit', '-q', '-m', 'big'])
  await gitOk(work, ['push', '-q', 'origin', 'big'])
  await gitOk(work, ['push', '-q', 'origin', ':big'])
  await lock()
  const collect = (dryRun: boolean) => domain.collector.collect({ dryRun, graceSeconds: 0 })
  for (const dryRun of [true, false])
    expect(await collect(dryRun)).toMatchObject({ unlinked: 0, objects: 0 })
  const served = () => download(hub, 'ivan/tools', ivan, object)
  expect(await served()).toEqual(object.bytes)
  await unlock()
  expect(await collect(false)).toMatchObject({ unlinked: 1, objects: 1 })
  expect(await served()).toBe(410)
  expect(await domain.stores.lfs.listLinks(repo.id, '', 10)).toEqual([])
}, 60_000)

test('Xet: uploads are put off, and the collector leaves what the repository serves', async () => {
  const { hub, lock, unlock, url } = await linkedProject()
  const { ivan, domain } = hub
  const capture = readCapture('hf_xet-1.8.0')
  const client = await xetClient(hub, 'ivan/tools', ivan)
  const xorb = () => client.call(`/v1/xorbs/default/${capture.xorbHash}`, { body: capture.xorb })
  const shard = () => client.call('/v1/shards', { body: capture.shard })
  const locked = { error: expect.stringContaining('locked for mirroring by ivan') }
  const expectPutOff = async (reply: Response) => {
    // 503 with Retry-After, which Xet clients repeat by themselves; 423 they would give up on
    expect([reply.status, reply.headers.get('retry-after')]).toEqual([503, expect.any(String)])
    expect(await reply.json()).toEqual(locked)
  }
  await lock()
  await expectPutOff(await xorb())
  await expectPutOff(await shard())
  await unlock()
  expect((await xorb()).status).toBe(200)
  await lock()
  await expectPutOff(await shard())
  await unlock()
  expect((await shard()).status).toBe(200)

  // named by a branch that goes: only the lock keeps it
  const [file] = Object.values(capture.files)
  if (!file) throw new Error('an empty capture')
  const object = { oid: file.sha256, size: file.size }
  const work = await workTree(url)
  await gitOk(work, ['commit', '-q', '--allow-empty', '-m', 'one'])
  await gitOk(work, ['push', '-q', 'origin', 'master'])
  await writeFile(join(work, 'x.bin'), formatLfsPointer(object))
  await gitOk(work, ['add', '.'])
  await gitOk(work, ['commit', '-q', '-m', 'x'])
  await gitOk(work, ['push', '-q', 'origin', 'master:side'])
  await gitOk(work, ['push', '-q', 'origin', ':side'])
  await lock()
  const collect = async () => {
    await domain.collector.collect({ dryRun: false, graceSeconds: 0 })
    return domain.xet.collector.collect({ dryRun: false, graceSeconds: 0 })
  }
  const served = () => download(hub, 'ivan/tools', ivan, object)
  await collect()
  expect(sha256(await served())).toBe(file.sha256)
  await unlock()
  await collect()
  expect(await served()).toBe(410)
}, 60_000)
