import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { gitOk, startTestHub, tempDir } from '../support/hub.js'
import { packhorse } from '../support/process.js'

/** Every kind of damage that fsck promises to see, one after the other; reindex mends what can be derived. */
test('fsck names what disagrees, reindex mends what git knows', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await hub.api('/api/repos/create', { as: ada, body: { name: 'x' } })
  const dir = await tempDir()
  await gitOk(dir, ['clone', '-q', hub.gitUrl('ada/x', ada), 'w'])
  const work = join(dir, 'w')
  await gitOk(work, ['lfs', 'install', '--local'])
  await gitOk(work, ['lfs', 'track', '*.bin'])
  await writeFile(join(work, 'a.bin'), randomBytes(1_000))
  await gitOk(work, ['add', '.'])
  await gitOk(work, ['commit', '-q', '-m', 'bytes'])
  await gitOk(work, ['push', '-q'])
  await hub.close()

  const data = ['--data', hub.dataDir]
  const fsck = async (...words: string[]) => {
    const { code, stdout } = await packhorse(['fsck', ...words, ...data])
    return `${code}\n${stdout}`
  }
  expect(await fsck('--lfs')).toBe('0\nclean\n')

  const db = new Database(join(hub.dataDir, 'packhorse.sqlite'))
  const { key, oid } = db.prepare('select key, oid from lfs_object').get() as {
    key: string
    oid: string
  }
  db.exec("update repo set commit_count = 7, lfs_bytes = 5; delete from file where path = 'a.bin'")
  db.exec("insert into ref (repo_id, name, oid) select id, 'refs/heads/ghost', head_oid from repo")
  await mkdir(join(hub.dataDir, 'git/repos/01/23/repo_0123456789ab.git'), { recursive: true })
  const first = await fsck()
  for (const line of [
    /^1\n/,
    /model ada\/x: 7 commits counted, 2 in git/,
    /model ada\/x: 5 LFS bytes counted, 1000 linked/,
    /model ada\/x: file a\.bin: metadata disagrees/,
    /model ada\/x: ref refs\/heads\/ghost: metadata has/,
    /repo_0123456789ab\.git: no such repository/,
  ])
    expect(first).toMatch(line)
  expect((await packhorse(['reindex', ...data])).stdout).toBe('reindexed 1 repositories\n')
  const second = await fsck()
  expect(second.split('\n').slice(1)).toEqual([
    expect.stringContaining('repo_0123456789ab.git: no such repository'),
    '1 problems',
    '',
  ])

  const path = join(hub.dataDir, 'objects', key)
  await writeFile(path, randomBytes(1_000))
  expect(await fsck('--lfs')).toContain(`LFS object ${oid}: altered`)
  await writeFile(path, 'short')
  expect(await fsck()).toContain(`LFS object ${oid}: 5 bytes instead of 1000`)
  db.exec('delete from lfs_link')
  db.close()
  expect(await fsck()).toContain(`LFS object ${oid}: a commit names it, it is not here`)
}, 180_000)
