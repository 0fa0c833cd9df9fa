import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  bareDir,
  commitFiles,
  createRepo,
  expectClean,
  initWork,
  readRepo,
} from '../support/git-work.js'
import { git, gitOk, startTestHub, tempDir } from '../support/hub.js'

test('a SHA-256 repository from its creation to a shallow clone, in every protocol version', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const dir = await tempDir()
  await createRepo(hub, ada, 'wide', { objectFormat: 'sha256', init: true })
  const url = hub.gitUrl('ada/wide.git', ada)
  const bare = await bareDir(hub, 'ada', 'wide')
  for (const version of ['0', '1', '2']) {
    const v = ['-c', `protocol.version=${version}`]
    const at = join(dir, `clone-${version}`)
    await gitOk(dir, [...v, 'clone', '-q', url, at])
    expect(await gitOk(at, ['rev-parse', '--show-object-format'])).toBe('sha256')
    await gitOk(at, ['tag', '-a', `v${version}`, '-m', 'tag'])
    const tip = await commitFiles(at, { [`${version}.txt`]: `${version}\n` })
    expect(tip).toMatch(/^[0-9a-f]{64}$/)
    await gitOk(at, [...v, 'push', '-q', 'origin', 'main', `v${version}`])
    expect((await readRepo(hub, 'ada', 'wide')).headOid).toBe(tip)
    const shallow = join(dir, `shallow-${version}`)
    await gitOk(dir, [...v, 'clone', '-q', '--depth=1', '--filter=blob:none', url, shallow])
    expect(await gitOk(shallow, ['rev-parse', 'HEAD'])).toBe(tip)
    await gitOk(shallow, [...v, 'fetch', '-q', '--unshallow'])
    await expectClean(shallow)
  }
  await gitOk(dir, ['clone', '-q', url, 'dumb'], { GIT_SMART_HTTP: '0' })
  await expectClean(bare)
  const repo = await readRepo(hub, 'ada', 'wide')
  expect(repo.objectFormat).toBe('sha256')
  expect(await hub.domain.checker.checkRepo(repo)).toEqual([])
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'a'.repeat(64)}\nsize 5\n`
  await commitFiles(join(dir, 'clone-2'), { 'w.bin': pointer })
  const refused = await git(join(dir, 'clone-2'), ['push', 'origin', 'main'])
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('a'.repeat(64))])
})

test('an empty SHA-256 repository takes its first push, and no SHA-1 history', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const dir = await tempDir()
  await createRepo(hub, ada, 'wide', { objectFormat: 'sha256', defaultBranch: 'trunk' })
  const url = hub.gitUrl('ada/wide.git', ada)
  const narrow = await initWork(dir, 'narrow')
  const mixed = await git(narrow, ['push', url, 'main:trunk'])
  expect([mixed.code !== 0, mixed.stderr]).toEqual([
    true,
    expect.stringMatching(/object format|hash algorithm/),
  ])
  const work = await initWork(dir, 'work', { objectFormat: 'sha256' })
  await gitOk(work, ['push', '-q', url, 'main:trunk'])
  const clone = join(dir, 'clone')
  await gitOk(dir, ['clone', '-q', url, 'clone'])
  expect(await gitOk(clone, ['symbolic-ref', 'HEAD'])).toBe('refs/heads/trunk')
  const fetched = await git(narrow, ['fetch', url, 'trunk'])
  expect([fetched.code !== 0, fetched.stderr]).toEqual([
    true,
    expect.stringMatching(/object format|hash algorithm|mismatched algorithms/),
  ])
})
