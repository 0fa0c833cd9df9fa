import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  bareDir,
  commitFiles,
  createRepo,
  expectClean,
  initWork,
  readRepo,
  refsOf,
} from '../support/git-work.js'
import { git, gitOk, runCommand, startTestHub, tempDir } from '../support/hub.js'

/** A hub with one empty repository and a work tree to push from. */
async function start() {
  const dataDir = await tempDir()
  const hub = await startTestHub({ PACKHORSE_DATA: dataDir })
  const ada = await hub.user('ada')
  await createRepo(hub, ada, 'repo')
  const bare = await bareDir(hub, 'ada', 'repo')
  const dir = await tempDir()
  const work = await initWork(dir, 'work')
  const run = join(dataDir, 'run')
  return { dataDir, hub, ada, bare, dir, work, run }
}

const pointer = (oid: string) =>
  `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize 1234\n`

test('a push on the server’s disk while the hub is up is decided and recorded by it', async () => {
  const { hub, bare, work, run } = await start()
  for (const target of [bare, `file://${bare}`]) {
    const tip = await commitFiles(work, { [`${target.length}.txt`]: 'x\n' })
    await gitOk(work, ['push', '-q', target, 'main'])
    const repo = await readRepo(hub, 'ada', 'repo')
    expect(repo).toMatchObject({ headOid: tip, refsDigest: expect.stringMatching(/./) })
    expect((await hub.domain.stores.refs.list(repo.id)).map((it) => it.oid)).toEqual([tip])
  }
  const { stores } = hub.domain
  const events = await stores.events.list({ limit: 100 })
  expect(events.at(-1)).toMatchObject({ type: 'repo.refs', dialect: 'disk' })
  expect(await readdir(join(run, 'hooks'))).toEqual([])
  expect(await readdir(join(run, 'hubs'))).toHaveLength(1)
})

test('what the hub refuses is refused on its disk too', async () => {
  const { hub, bare, work, run } = await start()
  await gitOk(work, ['push', '-q', bare, 'main'])
  const before = await refsOf(bare)
  const oid = randomBytes(32).toString('hex')
  await commitFiles(work, { 'w.bin': pointer(oid) })
  const missing = await git(work, ['push', `file://${bare}`, 'main'])
  expect(missing.code).toBe(1)
  expect(missing.stderr).toContain(`remote:   ${oid} (1234 bytes)`)
  expect(missing.stderr).toContain('git lfs push --all')
  const repo = await readRepo(hub, 'ada', 'repo')
  await hub.domain.holds.run(repo, 'squash', 'ada', async () => {
    const locked = await git(work, ['push', bare, 'main~1:refs/heads/other'])
    expect([locked.code, locked.stderr]).toEqual([
      1,
      expect.stringMatching(/remote: .*locked for squash by ada/),
    ])
  })
  expect((await git(work, ['push', bare, ':main'])).stderr).toContain('it is the default branch')
  expect(await refsOf(bare)).toBe(before)
  expect(await readdir(join(run, 'hooks'))).toEqual([])
})

test('a push while the hub is down passes and is taken in at the next start', async () => {
  const { dataDir, hub, bare, dir, work, run } = await start()
  await hub.close()
  expect(await readdir(join(run, 'hubs'))).toEqual([])
  await gitOk(work, ['tag', '-m', 'v1', '-a', 'v1'])
  const tip = await commitFiles(work, { 'a/b.txt': 'later\n', 'hello.txt': null })
  await gitOk(work, ['push', '-q', bare, 'main', 'v1'])
  const again = await startTestHub({ PACKHORSE_DATA: dataDir })
  // beside serving: nobody has to ask for the repository first
  await expect
    .poll(async () => (await readRepo(again, 'ada', 'repo')).headOid, { timeout: 10_000 })
    .toBe(tip)
  const repo = await readRepo(again, 'ada', 'repo')
  expect(repo.commitCount).toBe(2)
  const { stores } = again.domain
  expect((await stores.files.list(repo.id, '', 10)).map((it) => it.path)).toEqual(['a/b.txt'])
  expect((await stores.refs.list(repo.id)).map((it) => it.name)).toEqual([
    'refs/heads/main',
    'refs/tags/v1',
  ])
  expect(await again.domain.checker.checkRepo(repo)).toEqual([])
  await gitOk(dir, ['clone', '-q', again.gitUrl('ada/repo'), 'clone'])
  expect(await gitOk(join(dir, 'clone'), ['rev-parse', 'HEAD'])).toBe(tip)
})

test('a hub that was killed does not keep pushes waiting', async () => {
  const { hub, bare, work, run } = await start()
  await hub.close()
  const dead = spawn('true')
  await once(dead, 'close')
  await writeFile(join(run, 'hubs', `${dead.pid}-abcdef012345`), '')
  await gitOk(work, ['push', '-q', bare, 'main'])
})

test('two hubs on the same data answer each call once, and one may go', async () => {
  const { dataDir, hub, bare, work, run } = await start()
  const other = await startTestHub({ PACKHORSE_DATA: dataDir })
  expect(await readdir(join(run, 'hubs'))).toHaveLength(2)
  const tips: string[] = []
  for (let n = 0; n < 6; n += 1) {
    if (n === 3) await hub.close()
    tips.push(await commitFiles(work, { 'n.txt': `${n}\n` }))
    await gitOk(work, ['push', '-q', bare, 'main'])
  }
  const repo = await readRepo(other, 'ada', 'repo')
  expect(repo.headOid).toBe(tips.at(-1))
  const events = await other.domain.stores.events.list({ repoId: repo.id, limit: 100 })
  expect(events.filter((it) => it.type === 'repo.refs')).toHaveLength(6)
  expect(await readdir(join(run, 'hubs'))).toHaveLength(1)
})

test('a call that a dead hub had taken is answered by the living one', async () => {
  const { hub, bare, work, run } = await start()
  await gitOk(work, ['push', '-q', bare, 'main'])
  const tip = await gitOk(work, ['rev-parse', 'main'])
  const line = `ref ${'0'.repeat(40)} ${tip} refs/heads/x`
  await writeFile(
    join(run, 'hooks', 'taken-orphan123-999999999-abcdef'),
    `repository ${bare}\nhook pre-receive\n${line}\nend \n`,
  )
  const answer = join(run, 'hooks', 'answer-orphan123')
  await expect
    .poll(() => readFile(answer, 'utf8').catch(() => ''), { timeout: 10_000 })
    .toBe('ok\n')
  expect(await hub.domain.checker.checkRepo(await readRepo(hub, 'ada', 'repo'))).toEqual([])
})

test('hostile files in the mailbox are refused, and real pushes go on', async () => {
  const { bare, work, run, dir } = await start()
  const hooks = join(run, 'hooks')
  const tip = await gitOk(work, ['rev-parse', 'main'])
  const zero = '0'.repeat(40)
  const good = `hook pre-receive\nref ${zero} ${tip} refs/heads/x\n`
  await writeFile(join(dir, 'secret'), `repository ${bare}\n${good}end \n`)
  const refused: Record<string, string> = {
    empty: '',
    garbage: 'garbage\nend \n',
    noend: `repository ${bare}\n${good}`,
    elsewhere: `repository /etc\n${good}end \n`,
    escape: `repository ${bare}/../${bare.split('/').pop()}\n${good}end \n`,
    unknown: `repository ${bare.replace(/repo_.{12}/, 'repo_000000000000')}\n${good}end \n`,
    quarantine: `repository ${bare}\nhook pre-receive\nquarantine /etc\nref ${zero} ${tip} refs/heads/x\nend \n`,
    order: `repository ${bare}\n${good}quarantine ${bare}/objects/x\nend \n`,
    norefs: `repository ${bare}\nhook pre-receive\nend \n`,
  }
  for (const [id, text] of Object.entries(refused)) await writeFile(join(hooks, `call-${id}`), text)
  await symlink(join(dir, 'secret'), join(hooks, 'call-symlink'))
  await mkdir(join(hooks, 'call-folder'))
  await runCommand('mkfifo', [join(hooks, 'call-fifo')], { cwd: hooks })
  for (const id of [...Object.keys(refused), 'symlink', 'folder', 'fifo']) {
    const answer = join(hooks, `answer-${id}`)
    await expect
      .poll(() => readFile(answer, 'utf8').catch(() => ''), { timeout: 10_000 })
      .toMatch(/^> packhorse: .*\nrefuse\n$/)
    await rm(answer)
  }
  await writeFile(join(hooks, 'call-..'), '')
  await writeFile(join(hooks, 'not a call'), '')
  await gitOk(work, ['push', '-q', bare, 'main'])
  expect((await readdir(hooks)).sort()).toEqual(['call-..', 'not a call'])
  expect(await readFile(join(dir, 'secret'), 'utf8')).toContain('repository')
})

test('what killed hooks left is swept at a start', async () => {
  const { dataDir, hub, run } = await start()
  await hub.close()
  const old = join(run, 'hooks', 'writing-old0')
  await writeFile(old, '')
  await utimes(old, new Date(0), new Date(0))
  await writeFile(join(run, 'hubs', '999999999-abcdef'), '')
  await startTestHub({ PACKHORSE_DATA: dataDir })
  expect(await readdir(join(run, 'hooks'))).toEqual([])
  expect(await readdir(join(run, 'hubs'))).toHaveLength(1)
})

test('the data directory may be reached through a link', async () => {
  const parent = await tempDir()
  await mkdir(join(parent, 'real'))
  await symlink('real', join(parent, 'link'))
  const hub = await startTestHub({ PACKHORSE_DATA: join(parent, 'link') })
  const ada = await hub.user('ada')
  await createRepo(hub, ada, 'repo')
  const work = await initWork(parent, 'work')
  await gitOk(work, ['push', '-q', hub.gitUrl('ada/repo', ada), 'main'])
  const bare = await bareDir(hub, 'ada', 'repo')
  const tip = await commitFiles(work, { 'a.txt': 'a\n' })
  const throughLink = bare.replace('/real/', '/link/')
  await gitOk(work, ['push', '-q', throughLink, 'main'])
  expect((await readRepo(hub, 'ada', 'repo')).headOid).toBe(tip)
  await expectClean(bare)
})
