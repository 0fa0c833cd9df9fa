import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { deflateSync } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import { FLUSH, pktLine } from '../../src/protocol/pkt-line.js'
import { commitFiles, createRepo, initWork } from '../support/git-work.js'
import { git, gitOk, startTestHub, type TestUser, tempDir } from '../support/hub.js'
import { startProcess } from '../support/process.js'

/* Packs are taken in by a bounded number of processes; who comes later waits, unread, and after a while is refused. */

/** A git that takes in packs only once there is a file `go`, and writes down how many of it do at once. */
async function gatedGit(dir: string): Promise<void> {
  await mkdir(join(dir, 'running'), { recursive: true })
  await writeFile(
    join(dir, 'git'),
    `#!/bin/sh
PATH='${process.env.PATH}'
case " $* " in
*" receive-pack "*)
  touch '${dir}/running/'$$
  ls '${dir}/running' | wc -l >> '${dir}/counts'
  until [ -e '${dir}/go' ]; do sleep 0.05; done
  git "$@"
  code=$?
  rm '${dir}/running/'$$
  exit $code ;;
*) exec git "$@" ;;
esac
`,
  )
  await chmod(join(dir, 'git'), 0o755)
}

async function until(ready: () => Promise<boolean>): Promise<void> {
  while (!(await ready())) await sleep(20)
}

test('twelve big pushes at once: two are taken in at a time, small ones pass by, all succeed', async () => {
  const hub = await startTestHub()
  const users = await Promise.all(['ada', 'bob', 'eve'].map((it) => hub.user(it)))
  const dir = await tempDir()
  const gated = join(dir, 'gated')
  await gatedGit(gated)
  const { url } = await startProcess(['--data', hub.dataDir, '--port', '0'], {
    PATH: `${gated}:${process.env.PATH}`,
    PACKHORSE_LOG_LEVEL: 'silent',
    PACKHORSE_PACK_PROCESSES: '2',
  })
  const remote = (user: TestUser, name: string) => {
    const it = new URL(url)
    it.username = user.name
    it.password = user.token
    return `${it}${user.name}/${name}.git`
  }
  const works: { work: string; user: TestUser; to: string }[] = []
  for (let n = 0; n < 12; n += 1) {
    const user = users[n % 3] as TestUser
    await createRepo(hub, user, `r${n}`)
    const work = await initWork(dir, `r${n}`, { files: { 'big.bin': randomBytes(700_000) } })
    works.push({ work, user, to: remote(user, `r${n}`) })
  }
  const running = async () => (await readdir(join(gated, 'running'))).length

  const pushes = works.map(({ work, to }) => git(work, ['push', '-q', to, 'main']))
  await until(async () => (await running()) === 2)
  const ada = users[0] as TestUser
  await createRepo(hub, ada, 'small')
  const small = await initWork(dir, 'small', { files: { 'a.txt': 'a\n' } })
  await gitOk(small, ['push', '-q', remote(ada, 'small'), 'main'])
  expect(await running()).toBe(2)

  await writeFile(join(gated, 'go'), '')
  for (const { code, stderr } of await Promise.all(pushes)) expect([code, stderr]).toEqual([0, ''])
  const counts = (await readFile(join(gated, 'counts'), 'utf8')).trim().split('\n').map(Number)
  expect(counts.length).toBe(12)
  expect(Math.max(...counts)).toBe(2)
  for (const { work, to } of works)
    expect(await gitOk(work, ['ls-remote', to, 'main'])).toContain(
      await gitOk(work, ['rev-parse', 'main']),
    )
})

test('a push that waited too long is refused with 503, nothing of it stays, and it succeeds later', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const eve = await hub.user('eve')
  const dir = await tempDir()
  const gated = join(dir, 'gated')
  await gatedGit(gated)
  const { url } = await startProcess(['--data', hub.dataDir, '--port', '0'], {
    PATH: `${gated}:${process.env.PATH}`,
    PACKHORSE_LOG_LEVEL: 'silent',
    PACKHORSE_PACK_PROCESSES: '1',
    PACKHORSE_PACK_WAIT_SECONDS: '1',
  })
  const push = async (user: TestUser, name: string) => {
    const to = new URL(`${url}/${user.name}/${name}.git`)
    to.username = user.name
    to.password = user.token
    return git(join(dir, name), ['push', '-q', to.href, 'main'])
  }
  for (const [user, name] of [
    [ada, 'one'],
    [eve, 'two'],
  ] as const) {
    await createRepo(hub, user, name)
    const work = await initWork(dir, name, { files: { 'big.bin': randomBytes(3_000_000) } })
    await commitFiles(work, { 'a.txt': 'a\n' })
  }
  const first = push(ada, 'one')
  await until(async () => (await readdir(join(gated, 'running'))).length === 1)
  const refused = await push(eve, 'two')
  expect(refused.code).not.toBe(0)
  expect(refused.stderr).toContain('503')
  expect(await gitOk(dir, ['ls-remote', hub.gitUrl('eve/two.git', eve)])).toBe('')

  await writeFile(join(gated, 'go'), '')
  expect((await first).code).toBe(0)
  const again = await push(eve, 'two')
  expect([again.code, again.stderr]).toEqual([0, ''])
})

test('a sender that stalls gives its turn to the next one', async () => {
  const hub = await startTestHub({ PACKHORSE_PACK_PROCESSES: '1' })
  const ada = await hub.user('ada')
  const eve = await hub.user('eve')
  const dir = await tempDir()
  await createRepo(hub, ada, 'one')
  await createRepo(hub, eve, 'two')
  const stalled = request(`${hub.url}/ada/one.git/git-receive-pack`, {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${ada.token}`,
      'Content-Type': 'application/x-git-receive-pack-request',
    },
  }).on('error', () => undefined)
  onTestFinished(() => void stalled.destroy())
  const command = `${'0'.repeat(40)} ${'1'.repeat(40)} refs/heads/main\0 report-status`
  stalled.write(Buffer.concat([pktLine(command), FLUSH, packOfOne(600_000)]))
  await until(async () => hub.domain.git.runningProcesses() > 0)

  const work = await initWork(dir, 'two', { files: { 'big.bin': randomBytes(700_000) } })
  const { code, stderr } = await git(work, ['push', '-q', hub.gitUrl('eve/two.git', eve), 'main'])
  expect([code, stderr]).toEqual([0, ''])
})

/** The beginning of a pack whose only blob does not end. */
function packOfOne(bytes: number): Buffer {
  const head = Buffer.from('PACK\0\0\0\x02\0\0\0\x01', 'latin1')
  const size = Buffer.from([
    0xb0 | (bytes & 15),
    0x80 | ((bytes >> 4) & 127),
    0x80 | ((bytes >> 11) & 127),
    bytes >> 18,
  ])
  return Buffer.concat([head, size, deflateSync(randomBytes(bytes)).subarray(0, bytes - 1_000)])
}
