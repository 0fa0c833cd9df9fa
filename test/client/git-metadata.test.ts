import { randomBytes } from 'node:crypto'
import { chmod, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseLfsPointer } from '../../src/protocol/lfs-pointer.js'
import { bareDir, commitFiles, createRepo, initWork, readRepo } from '../support/git-work.js'
import { git, gitOk, runCommand, startTestHub, type TestHub, tempDir } from '../support/hub.js'

/** What the database must hold, worked out from git's own output. */
async function fromGit(bare: string) {
  const refs = (await git(bare, ['for-each-ref', '--format=%(objectname) %(refname)'])).stdout
  const head = (await git(bare, ['rev-parse', '-q', '--verify', 'HEAD'])).stdout.trim() || null
  const files: unknown[] = []
  const list = head ? (await git(bare, ['ls-tree', '-r', '-l', '-z', 'HEAD'])).stdout : ''
  for (const line of list.split('\0').filter((it) => it !== '')) {
    const [, mode, type, blobOid = '', size, path] =
      /^(\d+) (\w+) (\w+) +(-|\d+)\t([\s\S]+)$/.exec(line) ?? []
    if (type !== 'blob') continue
    const content = Number(size) < 1024 ? await git(bare, ['cat-file', 'blob', blobOid]) : undefined
    const pointer = content && parseLfsPointer(Buffer.from(content.stdout))
    files.push({
      path,
      mode,
      blobOid,
      size: pointer?.size ?? Number(size),
      lfsOid: pointer?.oid ?? null,
      pointerSize: pointer ? Number(size) : null,
    })
  }
  const bytes = await runCommand(
    'find',
    [
      join(bare, 'objects'),
      '-type',
      'f',
      '(',
      '-path',
      '*/pack/*',
      '-o',
      '-path',
      '*/??/*',
      ')',
      '-printf',
      '%s\n',
    ],
    { cwd: bare },
  )
  return {
    defaultBranch: (await gitOk(bare, ['symbolic-ref', 'HEAD'])).slice('refs/heads/'.length),
    headOid: head,
    headAt: head
      ? new Date(await gitOk(bare, ['log', '-1', '--format=%cI', 'HEAD'])).toISOString()
      : null,
    commitCount: head ? Number(await gitOk(bare, ['rev-list', '--count', 'HEAD'])) : 0,
    gitBytes: bytes.stdout.split('\n').reduce((sum, it) => sum + Number(it), 0),
    refs: refs.split('\n').filter((it) => it !== ''),
    files: files.sort((a, b) => byPath(a as { path: string }, b as { path: string })),
  }
}

const byPath = (a: { path: string }, b: { path: string }) =>
  Buffer.compare(Buffer.from(a.path), Buffer.from(b.path))

async function fromDatabase(hub: TestHub) {
  const repo = await readRepo(hub, 'ada', 'repo')
  const { refs, files } = hub.domain.stores
  const { defaultBranch, headOid, commitCount, gitBytes } = repo
  return {
    defaultBranch,
    headOid,
    headAt: headOid === null ? null : repo.headAt,
    commitCount,
    gitBytes,
    refs: (await refs.list(repo.id)).map(({ oid, name }) => `${oid} ${name}`),
    files: await files.list(repo.id, '', 10_000),
  }
}

test('after pushes of every shape the metadata is what git says, and reindex finds the same', async () => {
  const hub = await startTestHub({ PACKHORSE_DEFAULT_BRANCH_DELETE: 'admins' })
  const ada = await hub.user('ada')
  await createRepo(hub, ada, 'repo')
  await createRepo(hub, ada, 'inner', { init: true })
  const bare = await bareDir(hub, 'ada', 'repo')
  const dir = await tempDir()
  const url = hub.gitUrl('ada/repo', ada)
  const work = await initWork(dir, 'work', { files: { 'a.txt': 'a\n', 'd/b.txt': 'b\n' } })
  const { stores } = hub.domain
  const reposEvents = async () => {
    const { id } = await readRepo(hub, 'ada', 'repo')
    const events = await stores.events.list({ repoId: id, limit: 1_000 })
    return events.filter((it) => it.type === 'repo.refs')
  }
  let pushes = 0

  /** Pushes and compares everything; `refs` are the names that the event must tell of. */
  const check = async (what: string, args: readonly string[], refs: readonly string[]) => {
    const before = await readRepo(hub, 'ada', 'repo')
    await gitOk(work, ['push', '-q', url, ...args])
    pushes += 1
    expect({ what, ...(await fromDatabase(hub)) }).toEqual({ what, ...(await fromGit(bare)) })
    const after = await readRepo(hub, 'ada', 'repo')
    expect((after.pushedAt ?? '') > (before.pushedAt ?? '')).toBe(true)
    const events = await reposEvents()
    expect(events).toHaveLength(pushes)
    const last = events.at(-1)
    expect(last).toMatchObject({ dialect: 'git', actor: { name: 'ada' } })
    const updates = (last?.data.updates ?? []) as { name: string }[]
    expect(updates.map((it) => it.name)).toEqual(refs)
  }
  const main = 'refs/heads/main'

  await check('first', ['main'], [main])
  await commitFiles(work, { 'c.txt': 'c\n', 'd/e/f.txt': 'f\n', empty: '' })
  await check('new files', ['main'], [main])
  await commitFiles(work, { 'a.txt': null, 'd/b.txt': null })
  await check('deletions', ['main'], [main])
  await rename(join(work, 'c.txt'), join(work, 'renamed.txt'))
  await rename(join(work, 'd'), join(work, 'dd'))
  await commitFiles(work, {})
  await check('renames', ['main'], [main])
  await chmod(join(work, 'renamed.txt'), 0o755)
  await commitFiles(work, {})
  await check('mode', ['main'], [main])
  await symlink('renamed.txt', join(work, 'link'))
  await commitFiles(work, {})
  await check('symlink', ['main'], [main])
  await gitOk(work, ['submodule', '--quiet', 'add', hub.gitUrl('ada/inner', ada), 'sub'])
  await commitFiles(work, {})
  await check('submodule', ['main'], [main])
  await rm(join(work, 'dd'), { recursive: true })
  await commitFiles(work, { dd: 'now a file\n' })
  await check('folder becomes file', ['main'], [main])
  await rm(join(work, 'dd'))
  await mkdir(join(work, 'dd'))
  await writeFile(join(work, 'dd', 'x'), 'now a folder\n')
  await commitFiles(work, {})
  await check('file becomes folder', ['main'], [main])
  await commitFiles(work, { 'ä/😀 "q"\\\t.txt': 'odd\n', 'dd.txt': '1', 'dd-x': '2', 'dd/': null })
  await check('odd names', ['main'], [main])
  await commitFiles(work, {}, 'empty')
  await check('empty commit', ['main'], [main])

  await gitOk(work, ['switch', '-q', '-c', 'side', 'main~3'])
  await commitFiles(work, { 'side.txt': 'side\n' })
  await check('other branch', ['side'], ['refs/heads/side'])
  await gitOk(work, ['switch', '-q', 'main'])
  await gitOk(work, ['merge', '-q', '--no-ff', '-m', 'merge', 'side'])
  await check('merge', ['main'], [main])
  await gitOk(work, ['tag', '-a', 'v1', '-m', 'v1'])
  await gitOk(work, ['tag', 'light', 'side'])
  await check('tags only', ['v1', 'light'], ['refs/tags/light', 'refs/tags/v1'])
  await check('branch deletion', [':side', ':light'], ['refs/heads/side', 'refs/tags/light'])
  await gitOk(work, ['reset', '-q', '--hard', 'main~2'])
  await check('back', ['-f', 'main'], [main])
  await commitFiles(work, { 'fork.txt': 'fork\n' })
  await gitOk(work, ['commit', '-q', '--amend', '-m', 'rewritten'])
  await check('rewritten', ['-f', 'main', 'main:refs/heads/b2'], ['refs/heads/b2', main])
  const many = Array.from({ length: 300 }, (_, n) => [`many/${n % 7}/${n}.txt`, `${n}\n`])
  await commitFiles(work, Object.fromEntries(many))
  await check('many files, as a pack', ['main'], [main])
  for (let n = 0; n < 70; n += 1) await commitFiles(work, { 'n.txt': `${n}\n` })
  await check('many commits', ['main'], [main])
  await gitOk(work, ['checkout', '-q', '--orphan', 'other'])
  await commitFiles(work, { 'only.txt': 'x\n' })
  await check('unrelated history', ['-f', 'other:main'], [main])
  await gitOk(work, ['branch', '-q', '-f', 'main', 'other'])

  const repo = await readRepo(hub, 'ada', 'repo')
  const caller = { caller: await hub.domain.login.byToken(ada.token, ''), dialect: 'test' }
  await hub.domain.registry.changeSettings(repo, { defaultBranch: 'b2' }, caller)
  await hub.domain.recorder.sync(await readRepo(hub, 'ada', 'repo'))
  expect(await fromDatabase(hub)).toEqual(await fromGit(bare))
  await hub.domain.registry.changeSettings(repo, { defaultBranch: 'main' }, caller)
  await hub.domain.recorder.sync(await readRepo(hub, 'ada', 'repo'))
  await check('default branch deleted', [':main'], [main])
  await check('default branch again', ['other:main'], [main])
  expect(await hub.domain.checker.checkRepo(await readRepo(hub, 'ada', 'repo'))).toEqual([])

  const rows = async () => ({
    repo: await readRepo(hub, 'ada', 'repo'),
    ...(await fromDatabase(hub)),
    events: (await reposEvents()).length,
    usage: await stores.quotas.usage(repo.namespaceId),
  })
  const before = await rows()
  await hub.domain.recorder.rebuild(before.repo)
  expect(await rows()).toEqual(before)
})

test('LFS files: oid and size in the file table, bytes in usage, however the pointer moves', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await createRepo(hub, ada, 'repo')
  const bare = await bareDir(hub, 'ada', 'repo')
  const dir = await tempDir()
  const work = await initWork(dir, 'work')
  await gitOk(work, ['remote', 'add', 'origin', hub.gitUrl('ada/repo', ada)])
  await gitOk(work, ['lfs', 'install', '--local'])
  await gitOk(work, ['lfs', 'track', '*.bin'])
  const push = async (files: Record<string, Buffer | string | null>) => {
    await commitFiles(work, files)
    await gitOk(work, ['push', '-q', 'origin', 'main'])
    expect(await fromDatabase(hub)).toEqual(await fromGit(bare))
  }
  await push({ 'a.bin': randomBytes(5_000), 'b.bin': randomBytes(6_000) })
  await push({ 'a.bin': randomBytes(7_000), 'b.bin': null })
  await push({ 'now-text.bin': 'x' })
  await push({ '.gitattributes': '', 'now-text.bin': 'plain\n' })
  const repo = await readRepo(hub, 'ada', 'repo')
  expect(repo.lfsBytes).toBe(5_000 + 6_000 + 7_000 + 1)
  const usage = await hub.domain.stores.quotas.usage(repo.namespaceId)
  expect(usage.publicBytes).toBe(repo.gitBytes + repo.lfsBytes)
})
