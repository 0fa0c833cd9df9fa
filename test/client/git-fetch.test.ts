import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import {
  bareDir,
  commitFiles,
  createRepo,
  expectClean,
  initWork,
  refsOf,
} from '../support/git-work.js'
import { git, gitOk, startTestHub, type TestHub, type TestUser, tempDir } from '../support/hub.js'

const VERSIONS = ['0', '2']
let hub: TestHub
let ada: TestUser
let dir: string
let url: string
let work: string

/** Twelve dated commits on main, a branch `side` off the fourth, two tags. */
beforeEach(async () => {
  hub = await startTestHub()
  ada = await hub.user('ada')
  dir = await tempDir()
  await createRepo(hub, ada, 'history')
  url = hub.gitUrl('ada/history.git', ada)
  work = await initWork(dir, 'work')
  for (let n = 2; n <= 12; n += 1) {
    const date = `2024-01-${String(n).padStart(2, '0')}T12:00:00Z`
    await commitFiles(work, { [`dir/${n}.txt`]: `${n}\n`, 'big.bin': randomBytes(4_000) }, `c${n}`)
    await gitOk(work, ['commit', '-q', '--amend', '--no-edit', '--date', date], {
      GIT_COMMITTER_DATE: date,
    })
    if (n === 4) await gitOk(work, ['branch', 'side'])
    if (n === 6) await gitOk(work, ['tag', 'light'])
    if (n === 8) await gitOk(work, ['tag', '-a', 'heavy', '-m', 'heavy'])
  }
  await gitOk(work, ['push', '-q', url, '--all'])
  await gitOk(work, ['push', '-q', url, '--tags'])
})

const count = (clone: string, revision = 'HEAD') =>
  gitOk(join(dir, clone), ['rev-list', '--count', revision])

describe('shallow', () => {
  test('depth, deepen, since, exclude, unshallow', async () => {
    for (const version of VERSIONS) {
      const v = ['-c', `protocol.version=${version}`]
      const at = `depth-${version}`
      await gitOk(dir, [...v, 'clone', '-q', '--depth=2', url, at])
      expect(await count(at)).toBe('2')
      const clone = join(dir, at)
      await gitOk(clone, [...v, 'fetch', '-q', '--depth=3'])
      expect(await count(at)).toBe('3')
      await gitOk(clone, [...v, 'fetch', '-q', '--deepen=2'])
      expect(await count(at)).toBe('5')
      await gitOk(clone, [...v, 'fetch', '-q', '--unshallow'])
      expect(await count(at)).toBe('12')
      expect(await gitOk(clone, ['rev-parse', '--is-shallow-repository'])).toBe('false')
      await expectClean(clone)

      const since = `since-${version}`
      await gitOk(dir, [...v, 'clone', '-q', '--shallow-since=2024-01-10T00:00:00Z', url, since])
      expect(await count(since)).toBe('3')
      const exclude = `exclude-${version}`
      await gitOk(dir, [...v, 'clone', '-q', '--shallow-exclude=heavy', url, exclude])
      expect(await count(exclude)).toBe('4')
    }
  })

  test('a push from a shallow clone is taken', async () => {
    await gitOk(dir, ['clone', '-q', '--depth=1', url, 'shallow'])
    const tip = await commitFiles(join(dir, 'shallow'), { 'from-shallow.txt': 'x\n' })
    await gitOk(join(dir, 'shallow'), ['push', '-q', 'origin', 'main'])
    const bare = await bareDir(hub, 'ada', 'history')
    expect(await gitOk(bare, ['rev-parse', 'main'])).toBe(tip)
    expect(await gitOk(bare, ['rev-list', '--count', 'main'])).toBe('13')
    await expectClean(bare)
  })
})

describe('partial clone', () => {
  for (const filter of ['blob:none', 'blob:limit=1k', 'tree:0'])
    test(filter, async () => {
      for (const version of VERSIONS) {
        const at = `partial-${version}`
        await gitOk(dir, [
          ...['-c', `protocol.version=${version}`],
          ...['clone', '-q', '--no-checkout', `--filter=${filter}`, url, at],
        ])
        const clone = join(dir, at)
        const missing = await gitOk(clone, ['rev-list', '--objects', '--missing=print', '--all'])
        const gone = missing.split('\n').filter((it) => it.startsWith('?'))
        const big = await gitOk(work, ['rev-parse', 'main~1:big.bin'])
        const tree = await gitOk(work, ['rev-parse', 'main~1^{tree}'])
        const small = await gitOk(work, ['rev-parse', 'main~1:dir/2.txt'])
        if (filter === 'tree:0') expect(gone).toContain(`?${tree}`)
        else expect(gone).toContain(`?${big}`)
        expect(gone.includes(`?${small}`)).toBe(filter === 'blob:none')
        // what is missing comes when it is needed: a want of a bare object id
        expect(await gitOk(clone, ['cat-file', '-t', big])).toBe('blob')
        await gitOk(clone, ['checkout', '-q', 'main'])
        expect(await gitOk(clone, ['show', 'main:dir/12.txt'])).toBe('12')
      }
    })
})

test('single branch, tags, no tags', async () => {
  await gitOk(dir, ['clone', '-q', '--single-branch', '--branch=side', url, 'single'])
  expect(await refsOf(join(dir, 'single'))).not.toContain('refs/remotes/origin/main')
  expect(await count('single')).toBe('4')
  await gitOk(dir, ['clone', '-q', '--branch=heavy', url, 'tag'])
  expect(await count('tag')).toBe('8')
  await gitOk(dir, ['clone', '-q', '--no-tags', url, 'no-tags'])
  expect(await gitOk(join(dir, 'no-tags'), ['tag'])).toBe('')
  await gitOk(join(dir, 'no-tags'), ['fetch', '-q', '--tags'])
  expect(await gitOk(join(dir, 'no-tags'), ['tag'])).toBe('heavy\nlight')
  expect(await gitOk(join(dir, 'no-tags'), ['cat-file', '-t', 'heavy'])).toBe('tag')
})

test('mirrors both ways are equal, deletions included', async () => {
  await gitOk(dir, ['clone', '-q', '--mirror', url, 'mirror.git'])
  const mirror = join(dir, 'mirror.git')
  const bare = await bareDir(hub, 'ada', 'history')
  expect(await refsOf(mirror)).toBe(await refsOf(bare))
  await createRepo(hub, ada, 'copy')
  const copyUrl = hub.gitUrl('ada/copy.git', ada)
  await gitOk(mirror, ['update-ref', 'refs/notes/commits', 'side'])
  await gitOk(mirror, ['push', '-q', '--mirror', copyUrl])
  const copy = await bareDir(hub, 'ada', 'copy')
  expect(await refsOf(copy)).toBe(await refsOf(mirror))
  await gitOk(mirror, ['branch', '-D', 'side'])
  await gitOk(mirror, ['tag', '-d', 'light'])
  await gitOk(mirror, ['push', '-q', '--mirror', copyUrl])
  expect(await refsOf(copy)).toBe(await refsOf(mirror))
  await gitOk(mirror, ['remote', 'update', '--prune'])
  expect(await refsOf(mirror)).toBe(await refsOf(bare))
  await expectClean(copy)
})

test('a reachable commit can be fetched by its id', async () => {
  const third = await gitOk(work, ['rev-parse', 'main~9'])
  for (const version of VERSIONS) {
    await gitOk(dir, ['init', '-q', `sha-${version}`])
    const clone = join(dir, `sha-${version}`)
    await gitOk(clone, [
      ...['-c', `protocol.version=${version}`],
      ...['fetch', '-q', '--depth=1', url, third],
    ])
    expect(await gitOk(clone, ['rev-parse', 'FETCH_HEAD'])).toBe(third)
  }
})

test('an object that is not there is told, and the server goes on', async () => {
  for (const version of VERSIONS) {
    const fetched = await git(work, [
      ...['-c', `protocol.version=${version}`],
      ...['fetch', url, 'ffffffffffffffffffffffffffffffffffffffff'],
    ])
    expect([fetched.code, fetched.stderr]).toEqual([
      128,
      expect.stringContaining('not our ref ffffffffffffffffffffffffffffffffffffffff'),
    ])
  }
  await gitOk(work, ['ls-remote', url])
})

test('git archive --remote is refused with a reason', async () => {
  const archive = await git(work, ['archive', `--remote=${url}`, 'main'])
  expect(archive.code).toBe(128)
  expect(archive.stderr).toMatch(/not supported by protocol|403|does not work over HTTP/)
})

test('submodules are cloned along', async () => {
  await createRepo(hub, ada, 'outer')
  const outer = await initWork(dir, 'outer')
  await gitOk(outer, ['submodule', '--quiet', 'add', url, 'inner'])
  await commitFiles(outer, {}, 'submodule')
  const outerUrl = hub.gitUrl('ada/outer', ada)
  await gitOk(outer, ['push', '-q', outerUrl, 'main'])
  await gitOk(dir, ['clone', '-q', '--recurse-submodules', outerUrl, 'with-inner'])
  expect(await gitOk(join(dir, 'with-inner/inner'), ['rev-parse', 'HEAD'])).toBe(
    await gitOk(work, ['rev-parse', 'main']),
  )
})

test('dumb HTTP clones, loose and packed', async () => {
  const dumb = { GIT_SMART_HTTP: '0' }
  await gitOk(dir, ['clone', '-q', url, 'dumb-1'], dumb)
  expect(await count('dumb-1')).toBe('12')
  await hub.domain.git.prune((await hub.domain.stores.repos.scan(0, 10))[0]?.id ?? '')
  await gitOk(dir, ['clone', '-q', url, 'dumb-2'], dumb)
  expect(await gitOk(join(dir, 'dumb-2'), ['log', '--format=%H'])).toBe(
    await gitOk(work, ['log', '--format=%H']),
  )
  await expectClean(join(dir, 'dumb-2'))
  const stranger = await git(dir, ['clone', hub.gitUrl('ada/none'), 'dumb-3'], dumb)
  expect([stranger.code, stranger.stderr]).toEqual([
    128,
    expect.stringContaining('terminal prompts disabled'),
  ])
})
