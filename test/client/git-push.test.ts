import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import type { ConfigSource } from '../../src/config/config.js'
import {
  bareDir,
  commitFiles,
  createRepo,
  expectClean,
  initWork,
  readRepo,
  refsOf,
} from '../support/git-work.js'
import { git, gitOk, startTestHub, type TestHub, type TestUser, tempDir } from '../support/hub.js'

let hub: TestHub
let ada: TestUser
let dir: string
let url: string
let work: string
let bare: string

async function start(env: ConfigSource = {}): Promise<void> {
  hub = await startTestHub(env)
  ada = await hub.user('ada')
  dir = await tempDir()
  await createRepo(hub, ada, 'repo')
  url = hub.gitUrl('ada/repo.git', ada)
  bare = await bareDir(hub, 'ada', 'repo')
  work = await initWork(dir, 'work')
}

const onServer = (revision: string) => git(bare, ['rev-parse', '--verify', '-q', revision])

describe('what git push can do', () => {
  beforeEach(() => start())

  test('new branch, deletion, forced update, several at once, tags', async () => {
    await gitOk(work, ['push', '-q', url, 'main', 'main:refs/heads/other'])
    await gitOk(work, ['tag', '-a', 'v1', '-m', 'v1'])
    await gitOk(work, ['push', '-q', url, 'v1', ':other'])
    expect((await onServer('refs/heads/other')).code).toBe(1)
    expect(await gitOk(bare, ['cat-file', '-t', 'v1'])).toBe('tag')
    await gitOk(work, ['commit', '-q', '--amend', '-m', 'rewritten'])
    const plain = await git(work, ['push', url, 'main'])
    expect([plain.code, plain.stderr]).toEqual([1, expect.stringContaining('[rejected]')])
    await gitOk(work, ['push', '-q', '--force-with-lease=main:v1^{}', url, 'main'])
    expect((await onServer('main')).stdout).toBe(`${await gitOk(work, ['rev-parse', 'main'])}\n`)
    await expectClean(bare)
  })

  test('an atomic push is all or nothing', async () => {
    await gitOk(work, ['push', '-q', url, 'main'])
    await commitFiles(work, { 'x.txt': 'x\n' })
    // D/F conflict on the server: refs/heads/main exists, so refs/heads/main/sub cannot
    const pushed = await git(work, ['push', '--atomic', url, 'main', 'main:refs/heads/main/sub'])
    expect(pushed.code).toBe(1)
    expect(await refsOf(bare)).not.toContain(await gitOk(work, ['rev-parse', 'main']))
    await gitOk(work, ['push', '-q', '--atomic', url, 'main', 'main:refs/heads/fine'])
    expect((await onServer('fine')).stdout).toBe((await onServer('main')).stdout)
  })

  test('push options are accepted, also ones that look like hook records', async () => {
    const options = ['--push-option=ci.skip', '--push-option=end ', '-o', 'ref 1 2 3']
    await gitOk(work, ['push', '-q', ...options, url, 'main'])
    expect((await onServer('main')).code).toBe(0)
  })

  test('signed commits and tags pass through unchanged', async () => {
    const signature = '-----BEGIN PGP SIGNATURE-----\n \n iQEz\n -----END PGP SIGNATURE-----'
    const tree = await gitOk(work, ['rev-parse', 'main^{tree}'])
    const who = 'Ada <ada@example.org> 1700000000 +0100'
    const commit = `tree ${tree}\nauthor ${who}\ncommitter ${who}\ngpgsig ${signature}\n\nsigned\n`
    const tag = (oid: string) =>
      `object ${oid}\ntype commit\ntag s1\ntagger ${who}\n\nmessage\n${signature.replaceAll('\n ', '\n')}\n`
    await writeFile(join(dir, 'commit'), commit)
    const oid = await gitOk(work, ['hash-object', '-t', 'commit', '-w', join(dir, 'commit')])
    await writeFile(join(dir, 'tag'), tag(oid))
    const tagOid = await gitOk(work, ['hash-object', '-t', 'tag', '-w', join(dir, 'tag')])
    await gitOk(work, ['push', '-q', url, `${oid}:refs/heads/signed`, `${tagOid}:refs/tags/s1`])
    await gitOk(dir, ['clone', '-q', '--mirror', url, 'copy.git'])
    const copy = join(dir, 'copy.git')
    expect((await git(copy, ['cat-file', 'commit', 'signed'])).stdout).toBe(commit)
    expect((await git(copy, ['cat-file', 'tag', 's1'])).stdout).toBe(tag(oid))
  })

  test('an empty repository is cloned with its planned branch', async () => {
    await createRepo(hub, ada, 'empty', { defaultBranch: 'trunk' })
    for (const version of ['0', '1', '2']) {
      const at = `empty-${version}`
      const v = ['-c', `protocol.version=${version}`]
      await gitOk(dir, [...v, 'clone', '-q', hub.gitUrl('ada/empty', ada), at])
      // before v2 there is no word for an unborn branch
      const branch = version === '2' ? 'trunk' : 'main'
      expect(await gitOk(join(dir, at), ['symbolic-ref', 'HEAD'])).toBe(`refs/heads/${branch}`)
    }
    await commitFiles(join(dir, 'empty-2'), { 'a.txt': 'a\n' })
    await gitOk(join(dir, 'empty-2'), ['push', '-q', 'origin', 'HEAD'])
    expect((await readRepo(hub, 'ada', 'empty')).defaultBranch).toBe('trunk')
  })

  test('the first branch of an empty repository becomes its default', async () => {
    await gitOk(work, ['push', '-q', url, 'main:refs/heads/develop'])
    expect(await gitOk(bare, ['symbolic-ref', 'HEAD'])).toBe('refs/heads/develop')
    expect((await readRepo(hub, 'ada', 'repo')).defaultBranch).toBe('develop')
  })

  test('ten thousand refs: pushed in part, listed, mirrored, pushed to', async () => {
    // git's client needs seconds of its own for ten thousand refs in one push: most come in on the server
    const tip = await gitOk(work, ['rev-parse', 'main'])
    const lines = Array.from({ length: 2_000 }, (_, n) => `${tip} refs/tags/pushed-${n}`)
    await writeFile(
      join(work, '.git/packed-refs'),
      `# pack-refs with: peeled fully-peeled sorted \n${lines.toSorted().join('\n')}\n`,
    )
    await gitOk(work, ['push', '-q', url, 'main', '--tags'])
    const more = Array.from({ length: 8_000 }, (_, n) => `${tip} refs/tags/made-${n}`)
    const packed = [...lines, ...more].toSorted().join('\n')
    await gitOk(bare, ['pack-refs', '--all'])
    await writeFile(
      join(bare, 'packed-refs'),
      `# pack-refs with: peeled fully-peeled sorted \n${tip} refs/heads/main\n${packed}\n`,
    )
    expect((await gitOk(dir, ['ls-remote', '--tags', url])).split('\n')).toHaveLength(10_000)
    await gitOk(dir, ['clone', '-q', '--mirror', url, 'all.git'])
    expect(await refsOf(join(dir, 'all.git'))).toBe(await refsOf(bare))
    const next = await commitFiles(work, { 'next.txt': 'x\n' })
    await gitOk(work, ['push', '-q', url, 'main', ':refs/tags/made-77'])
    expect((await onServer('main')).stdout).toBe(`${next}\n`)
    expect(await hub.domain.stores.refs.list((await readRepo(hub, 'ada', 'repo')).id)).toHaveLength(
      10_000,
    )
  })

  test('a push of some size goes in chunks', async () => {
    await commitFiles(work, { 'random.bin': randomBytes(5_000_000) })
    await gitOk(work, ['-c', 'http.postBuffer=65536', 'push', '-q', url, 'main'])
    await gitOk(dir, ['clone', '-q', url, 'back'])
    expect(await gitOk(join(dir, 'back'), ['rev-parse', 'HEAD:random.bin'])).toBe(
      await gitOk(work, ['rev-parse', 'HEAD:random.bin']),
    )
  })
})

describe('what is refused is told on the terminal and leaves nothing', () => {
  async function expectRefused(
    args: readonly string[],
    ...words: readonly (string | RegExp)[]
  ): Promise<string> {
    const before = await refsOf(bare)
    const objects = await gitOk(bare, ['count-objects', '-v'])
    const pushed = await git(work, ['push', ...args])
    expect(pushed.code).not.toBe(0)
    for (const word of words) expect(pushed.stderr).toMatch(word)
    expect(await refsOf(bare)).toBe(before)
    expect(await gitOk(bare, ['count-objects', '-v'])).toBe(objects)
    return pushed.stderr
  }

  test('bad objects (receive.fsckObjects)', async () => {
    await start()
    await gitOk(work, ['push', '-q', url, 'main'])
    const tree = await gitOk(work, ['rev-parse', 'main^{tree}'])
    await writeFile(
      join(dir, 'bad'),
      `tree ${tree}\nauthor no mail 1 +0000\ncommitter Ada <a@b> 1700000000 +0000\n\nbad\n`,
    )
    const args = ['hash-object', '--literally', '-t', 'commit', '-w', join(dir, 'bad')]
    const oid = await gitOk(work, args)
    await gitOk(work, ['update-ref', 'refs/heads/bad', oid])
    await expectRefused([url, 'bad'], /remote: (fatal|error): .*(missingEmail|fsck)/)

    // a tree with ".git" in it would take over whoever checks it out
    const blob = await gitOk(work, ['rev-parse', 'main:hello.txt'])
    await writeFile(
      join(dir, 'tree'),
      Buffer.concat([Buffer.from('100644 .GIT\0'), Buffer.from(blob, 'hex')]),
    )
    const evil = await gitOk(work, [
      'hash-object',
      '--literally',
      '-t',
      'tree',
      '-w',
      join(dir, 'tree'),
    ])
    const commit = await gitOk(work, ['commit-tree', '-m', 'evil', '-p', 'main', evil])
    await expectRefused([url, `${commit}:refs/heads/evil`], /hasDotgit/)
  })

  test('more bytes than PACKHORSE_MAX_PUSH_BYTES', async () => {
    await start({ PACKHORSE_MAX_PUSH_BYTES: '200000' })
    await gitOk(work, ['push', '-q', url, 'main'])
    await commitFiles(work, { 'random.bin': randomBytes(3_000_000) })
    await expectRefused([url, 'main'], /remote: .*(larger|exceeds maximum allowed size)/)
    await expectRefused(
      ['--no-thin', url, 'main:refs/heads/again'],
      /remote: .*(larger|exceeds maximum allowed size)/,
    )
  })

  test('more bytes than the quota', async () => {
    await start()
    await gitOk(work, ['push', '-q', url, 'main'])
    const repo = await readRepo(hub, 'ada', 'repo')
    const { stores } = hub.domain
    await stores.accounts.setNamespaceQuotas(repo.namespaceId, { publicBytes: 500_000 })
    await commitFiles(work, { 'random.bin': randomBytes(1_000_000) })
    await expectRefused([url, 'main'], /remote: .*[Qq]uota/)
    await stores.accounts.setNamespaceQuotas(repo.namespaceId, { publicBytes: null })
    await gitOk(work, ['push', '-q', url, 'main'])
  })

  test('missing LFS objects, each named, and what to do', async () => {
    await start()
    const oids = Array.from({ length: 25 }, () => randomBytes(32).toString('hex'))
    const pointer = (oid: string) =>
      `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize 1234\n`
    await commitFiles(work, Object.fromEntries(oids.map((it, n) => [`${n}.bin`, pointer(it)])))
    const told = await expectRefused(
      [url, 'main'],
      /remote: .*LFS pointer/,
      /remote: .*git lfs push --all/,
      /remote: .*and 5 more/,
    )
    expect(oids.filter((it) => told.includes(it))).toHaveLength(20)
    expect(told).toContain('1234 bytes')
  })

  test('missing LFS objects wherever a push hides them', async () => {
    await start()
    await gitOk(work, ['push', '-q', url, 'main'])
    const pointer = (oid: string) =>
      `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize 99\n`
    const fresh = () => randomBytes(32).toString('hex')
    const back = () => gitOk(work, ['reset', '-q', '--hard', base])
    const base = await gitOk(work, ['rev-parse', 'main'])
    const expectNamed = async (oid: string, ...args: string[]) =>
      expect(await expectRefused([url, ...args], /LFS pointer/)).toContain(oid)

    const deep = fresh()
    await commitFiles(work, { 'a/b/c/d.bin': pointer(deep) })
    await expectNamed(deep, 'main')
    // gone again in the next commit, but in the history
    await commitFiles(work, { 'a/b/c/d.bin': null })
    await expectNamed(deep, 'main:refs/heads/other')
    await back()

    const inPack = fresh()
    const many = Array.from({ length: 60 }, (_, n) => [`many/${n}`, `${n}\n`])
    await commitFiles(work, { ...Object.fromEntries(many), 'w.bin': pointer(inPack) })
    await expectNamed(inPack, 'main')
    await back()

    const merged = fresh()
    await gitOk(work, ['switch', '-q', '-c', 'side'])
    await commitFiles(work, { 's.bin': pointer(merged) })
    await commitFiles(work, { 's.bin': null })
    await gitOk(work, ['switch', '-q', 'main'])
    await commitFiles(work, { 'm.txt': 'm\n' })
    await gitOk(work, ['merge', '-q', '--no-ff', '-m', 'merge', 'side'])
    await expectNamed(merged, 'main')
    await back()

    const tagged = fresh()
    await commitFiles(work, { 't.bin': pointer(tagged) })
    await gitOk(work, ['tag', '-a', 'inner', '-m', 'x', 'main^{tree}'])
    await gitOk(work, ['tag', '-a', 'outer', '-m', 'x', 'inner'])
    await back()
    await expectNamed(tagged, 'outer')

    // the object is there, but not with this size
    await writeFile(join(dir, 'real'), 'real bytes')
    await gitOk(work, ['lfs', 'install', '--local'])
    await gitOk(work, ['lfs', 'track', '*.real'])
    await commitFiles(work, { 'x.real': 'real bytes' })
    await gitOk(work, ['push', '-q', url, 'main'])
    const oid = /oid sha256:(\w+)/.exec(await gitOk(work, ['show', 'main:x.real']))?.[1] ?? ''
    await commitFiles(work, { 'again.txt': pointer(oid).replace('99', '10') })
    await gitOk(work, ['push', '-q', url, 'main'])
    await commitFiles(work, {
      'good.txt': pointer(oid).replace('99', '10'),
      'bad.txt': pointer(oid),
    })
    await expectNamed(oid, '--no-verify', 'main')
  })

  test('pointers alone are fine for a mirror of pointers', async () => {
    await start({ PACKHORSE_ALLOW_MISSING_LFS: 'true' })
    const oid = randomBytes(32).toString('hex')
    await commitFiles(work, {
      'a.bin': `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize 7\n`,
    })
    await gitOk(work, ['push', '-q', url, 'main'])
    const repo = await readRepo(hub, 'ada', 'repo')
    expect(await hub.domain.stores.files.find(repo.id, 'a.bin')).toMatchObject({
      lfsOid: oid,
      size: 7,
    })
  })

  test('a locked repository', async () => {
    await start()
    const repo = await readRepo(hub, 'ada', 'repo')
    await hub.domain.holds.run(repo, 'squash', 'ada', () =>
      expectRefused([url, 'main'], /remote: .*locked for squash by ada/, /remote: .*[Tt]ry again/),
    )
    await gitOk(work, ['push', '-q', url, 'main'])
  })

  test('refs of the hub itself', async () => {
    await start()
    await gitOk(work, ['push', '-q', url, 'main'])
    await expectRefused([url, 'main:refs/packhorse/x'], /hidden ref|not allowed/)
    const tip = await gitOk(work, ['rev-parse', 'main'])
    await gitOk(bare, ['update-ref', 'refs/packhorse/keep', tip])
    await expectRefused([url, ':refs/packhorse/keep'], /rejected|does not exist|hidden/)
    for (const version of ['0', '1', '2'])
      expect(
        await gitOk(dir, ['-c', `protocol.version=${version}`, 'ls-remote', url]),
      ).not.toContain('packhorse')
    await gitOk(dir, ['clone', '-q', '--mirror', url, 'm.git'])
    expect(await refsOf(join(dir, 'm.git'))).not.toContain('packhorse')
  })

  test('who may not', async () => {
    await start()
    const eve = await hub.user('eve')
    const reader = { ...ada, token: await hub.token(ada.user, { role: 'read' }) }
    await expectRefused([hub.gitUrl('ada/repo.git', eve), 'main'], /remote: .*write access/)
    await expectRefused([hub.gitUrl('ada/repo.git', reader), 'main'], /remote: .*read-only/)
    await expectRefused([hub.gitUrl('ada/repo.git'), 'main'], /could not read Username/)
    const wrong = { ...ada, token: 'wrong' }
    await expectRefused([hub.gitUrl('ada/repo.git', wrong), 'main'], /Authentication failed/)
  })
})

describe('force push and deletion of the default branch', () => {
  async function startWithWriter(env: ConfigSource) {
    await start(env)
    const bob = await hub.user('bob')
    await hub.org('team', ada, { bob: 'contributor' })
    await createRepo(hub, ada, 'shared', { organization: 'team' })
    bare = await bareDir(hub, 'team', 'shared')
    const asAda = hub.gitUrl('team/shared.git', ada)
    const asBob = hub.gitUrl('team/shared.git', bob)
    await gitOk(work, ['push', '-q', asAda, 'main', 'main:refs/heads/other'])
    const rewrite = () =>
      gitOk(work, ['commit', '-q', '--amend', '-m', randomBytes(4).toString('hex')])
    return { asAda, asBob, rewrite }
  }

  test('by default admins of the repository may force, writers may not, nobody deletes the default', async () => {
    const { asAda, asBob, rewrite } = await startWithWriter({})
    await rewrite()
    const forced = await git(work, ['push', '-f', asBob, 'main'])
    expect([forced.code, forced.stderr]).toEqual([
      1,
      expect.stringMatching(/remote: A force push to refs\/heads\/main needs admin rights/),
    ])
    await gitOk(work, ['push', '-q', '-f', asAda, 'main'])
    await commitFiles(work, { 'forward.txt': 'x\n' })
    await gitOk(work, ['push', '-q', '-f', asBob, 'main'])
    for (const who of [asAda, asBob]) {
      const gone = await git(work, ['push', who, ':main'])
      expect([gone.code, gone.stderr]).toEqual([
        1,
        expect.stringMatching(/remote: Cannot delete refs\/heads\/main: it is the default branch/),
      ])
    }
    await gitOk(work, ['push', '-q', asBob, ':other'])
  })

  test('settings change it', async () => {
    const open = await startWithWriter({
      PACKHORSE_FORCE_PUSH: 'allow',
      PACKHORSE_DEFAULT_BRANCH_DELETE: 'admins',
    })
    await open.rewrite()
    await gitOk(work, ['push', '-q', '-f', open.asBob, 'main'])
    expect((await git(work, ['push', open.asBob, ':main'])).code).toBe(1)
    await gitOk(work, ['push', '-q', open.asAda, ':main'])
    expect((await onServer('main')).code).toBe(1)

    const strict = await startWithWriter({ PACKHORSE_FORCE_PUSH: 'refuse' })
    await strict.rewrite()
    const forced = await git(work, ['push', '-f', strict.asAda, 'main'])
    expect([forced.code, forced.stderr]).toEqual([
      1,
      expect.stringContaining('needs a change of the server’s settings'),
    ])
  })
})

describe('a repository that is not there', () => {
  test('is told', async () => {
    await start()
    const pushed = await git(work, ['push', hub.gitUrl('ada/nothing.git', ada), 'main'])
    expect(pushed.code).toBe(128)
    expect(pushed.stderr).toMatch(/remote: Repository ada\/nothing not found. Create it first/)
    const cloned = await git(dir, ['clone', hub.gitUrl('ada/nothing.git', ada), 'x'])
    expect([cloned.code, cloned.stderr]).toEqual([
      128,
      expect.stringContaining('remote: Repository not found'),
    ])
  })

  test('is made by the push when the setting says so', async () => {
    await start({ PACKHORSE_CREATE_ON_PUSH: 'true' })
    await gitOk(work, ['push', '-q', hub.gitUrl('datasets/ada/made.git', ada), 'main'])
    expect((await readRepo(hub, 'ada', 'made', 'dataset')).visibility).toBe('private')
    const eve = await hub.user('eve')
    const pushed = await git(work, ['push', hub.gitUrl('ada/other.git', eve), 'main'])
    expect(pushed.code).toBe(128)
    expect((await git(work, ['push', hub.gitUrl('ada/bad..name.git', ada), 'main'])).code).toBe(128)
    expect(await hub.domain.stores.repos.count({})).toBe(2)
  })
})
