import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { RepoKind } from '../../src/domain/types.js'
import { commitFiles, createRepo, initWork } from '../support/git-work.js'
import { git, gitOk, startTestHub, tempDir } from '../support/hub.js'

const FORMS: readonly [kind: RepoKind, prefix: string][] = [
  ['model', ''],
  ['model', 'models/'],
  ['dataset', 'datasets/'],
  ['space', 'spaces/'],
]

describe('every form of URL, with every protocol version', () => {
  for (const [kind, prefix] of FORMS)
    test(`/${prefix}ns/name`, async () => {
      const hub = await startTestHub()
      const ada = await hub.user('ada')
      const dir = await tempDir()
      await createRepo(hub, ada, 'thing', { type: kind })
      const work = await initWork(dir, 'work')
      let turn = 0
      for (const suffix of ['', '.git'])
        for (const version of ['0', '1', '2']) {
          const url = hub.gitUrl(`${prefix}ada/thing${suffix}`, ada)
          const config = ['-c', `protocol.version=${version}`]
          const tip = await commitFiles(work, { 'turn.txt': `${turn}\n` })
          await gitOk(work, [...config, 'push', '-q', url, 'main'])
          const clone = `clone-${turn}`
          await gitOk(dir, [...config, 'clone', '-q', url, clone])
          expect(await gitOk(join(dir, clone), ['rev-parse', 'HEAD'])).toBe(tip)
          const next = await commitFiles(work, { 'more.txt': `${turn}\n` })
          await gitOk(work, [...config, 'push', '-q', url, 'main'])
          await gitOk(join(dir, clone), [...config, 'fetch', '-q'])
          expect(await gitOk(join(dir, clone), ['rev-parse', 'origin/main'])).toBe(next)
          turn += 1
        }
    })
})

test('the kinds are apart: equal names are three repositories', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const dir = await tempDir()
  const tips: string[] = []
  for (const kind of ['model', 'dataset', 'space'] as const) {
    await createRepo(hub, ada, 'same', { type: kind })
    const work = await initWork(dir, kind, { files: { 'kind.txt': kind } })
    const prefix = kind === 'model' ? '' : `${kind}s/`
    await gitOk(work, ['push', '-q', hub.gitUrl(`${prefix}ada/same`, ada), 'main'])
    tips.push(await gitOk(work, ['rev-parse', 'main']))
  }
  expect(new Set(tips).size).toBe(3)
  for (const [index, prefix] of ['', 'datasets/', 'spaces/'].entries())
    expect(await gitOk(dir, ['ls-remote', hub.gitUrl(`${prefix}ada/same`, ada), 'main'])).toBe(
      `${tips[index]}\trefs/heads/main`,
    )
})

test('protocol versions are spoken as asked for', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const dir = await tempDir()
  await createRepo(hub, ada, 'thing', { init: true })
  for (const version of ['0', '1', '2']) {
    const { stderr } = await git(
      dir,
      ['-c', `protocol.version=${version}`, 'ls-remote', hub.gitUrl('ada/thing', ada)],
      { GIT_TRACE_PACKET: '1' },
    )
    const announced = /(?:git|ls-remote)< (version \d)/.exec(stderr)?.[1] ?? 'version 0'
    expect(announced).toBe(`version ${version}`)
  }
})

test('a moved repository is followed for reads and pushes, also by an open clone', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const dir = await tempDir()
  await createRepo(hub, ada, 'old', { init: true })
  const url = hub.gitUrl('ada/old.git', ada)
  await gitOk(dir, ['clone', '-q', url, 'work'])
  const body = { fromRepo: 'ada/old', toRepo: 'ada/new', type: 'model' }
  expect((await hub.api('/api/repos/move', { as: ada, body })).status).toBe(200)

  const tip = await commitFiles(join(dir, 'work'), { 'a.txt': 'a\n' })
  const pushed = await git(join(dir, 'work'), ['push', 'origin', 'main'])
  expect([pushed.code, pushed.stderr]).toEqual([0, expect.stringContaining('redirecting to')])
  await gitOk(join(dir, 'work'), ['pull', '-q'])
  expect(await gitOk(dir, ['ls-remote', url, 'main'])).toContain(tip)
  expect(await gitOk(dir, ['ls-remote', hub.gitUrl('ada/new', ada), 'main'])).toContain(tip)

  await createRepo(hub, ada, 'old', { init: true })
  expect(await gitOk(dir, ['ls-remote', url, 'main'])).not.toContain(tip)
})
