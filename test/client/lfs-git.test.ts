import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { git, gitOk, startTestHub, type TestHub, type TestUser, tempDir } from '../support/hub.js'
import { createRepo } from '../support/lfs.js'
import { OBJECT_MODES } from '../support/object-modes.js'

/* The real git and git-lfs. Each test has a HOME of its own with the LFS filters installed. */

const KIB = 1024
const MIB = 1024 * KIB

async function home(): Promise<string> {
  const dir = await tempDir()
  await gitOk(dir, ['lfs', 'install', '--skip-repo'], { HOME: dir })
  return dir
}

const run = (dir: string, cwd: string, ...args: string[]) =>
  gitOk(join(dir, cwd), args, { HOME: dir })
const attempt = (dir: string, cwd: string, ...args: string[]) =>
  git(join(dir, cwd), args, { HOME: dir })

async function write(dir: string, files: Record<string, Buffer>): Promise<void> {
  for (const [path, bytes] of Object.entries(files)) {
    await mkdir(join(dir, path, '..'), { recursive: true })
    await writeFile(join(dir, path), bytes)
  }
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

describe.each(OBJECT_MODES)('git lfs with $name', (mode) => {
  async function start(env: Record<string, string> = {}) {
    const hub = await startTestHub({ ...mode.env(), ...env })
    const ada = await hub.user('ada')
    await createRepo(hub, ada, 'r')
    const dir = await home()
    await run(dir, '.', 'clone', '-q', hub.gitUrl('ada/r.git', ada), 'one')
    await run(dir, 'one', 'config', 'lfs.locksverify', 'false')
    await run(dir, 'one', 'lfs', 'track', '*.bin')
    return { hub, ada, dir }
  }

  async function commitAndPush(dir: string, files: Record<string, Buffer>) {
    await write(join(dir, 'one'), files)
    await run(dir, 'one', 'add', '.')
    await run(dir, 'one', 'commit', '-q', '-m', 'files')
    await run(dir, 'one', 'push', '-q', 'origin', 'HEAD:main')
  }

  async function expectClone(
    hub: TestHub,
    as: TestUser,
    dir: string,
    files: Record<string, Buffer>,
  ) {
    await run(dir, '.', 'clone', '-q', hub.gitUrl('ada/r', as), 'fresh')
    for (const [path, bytes] of Object.entries(files)) {
      const got = await readFile(join(dir, 'fresh', path))
      expect([path, got.equals(bytes)]).toEqual([path, true])
    }
    await run(dir, 'fresh', 'lfs', 'fsck')
  }

  test('push, clone, fetch, pull and prune', async () => {
    const { hub, ada, dir } = await start()
    const files = {
      'a.bin': randomBytes(2 * MIB),
      'dir/b.bin': randomBytes(100),
      'empty.bin': Buffer.alloc(0),
      'with space & ünï-漢字.bin': randomBytes(5000),
      'ordinary.txt': Buffer.from('text'),
    }
    await commitAndPush(dir, files)
    await expectClone(hub, ada, dir, files)
    const next = { 'a.bin': randomBytes(MIB) }
    await commitAndPush(dir, next)
    await run(dir, 'fresh', 'lfs', 'fetch')
    await run(dir, 'fresh', 'pull', '-q')
    expect((await readFile(join(dir, 'fresh/a.bin'))).equals(next['a.bin'])).toBe(true)
    const recent = ['-c', 'lfs.fetchrecentrefsdays=0', '-c', 'lfs.fetchrecentcommitsdays=0']
    await run(
      dir,
      'fresh',
      ...recent,
      '-c',
      'lfs.pruneoffsetdays=0',
      'lfs',
      'prune',
      '--verify-remote',
    )
    await rm(join(dir, 'fresh/.git/lfs/objects'), { recursive: true })
    await run(dir, 'fresh', 'lfs', 'fetch', '--all')
    await run(dir, 'fresh', 'lfs', 'fsck')
  })

  test('500 small files over 16 connections', async () => {
    const { hub, ada, dir } = await start()
    await run(dir, 'one', 'config', 'lfs.concurrenttransfers', '16')
    const files = Object.fromEntries(
      Array.from({ length: 500 }, (_, n) => [`d${n % 10}/f${n}.bin`, randomBytes(100 + n)]),
    )
    await commitAndPush(dir, files)
    await expectClone(hub, ada, dir, files)
  })

  test('a file over the multipart threshold goes up and down the plain way', async () => {
    const { hub, ada, dir } = await start({
      PACKHORSE_LFS_MULTIPART_BYTES: String(5 * MIB),
      PACKHORSE_LFS_PART_BYTES: String(5 * MIB),
    })
    const files = { 'big.bin': randomBytes(23 * MIB + 1) }
    await commitAndPush(dir, files)
    await expectClone(hub, ada, dir, files)
  })

  test('pointers without their objects are refused with what to do, which then works', async () => {
    const { hub, ada, dir } = await start()
    const files = { 'a.bin': randomBytes(1000) }
    await write(join(dir, 'one'), files)
    await run(dir, 'one', 'add', '.')
    await run(dir, 'one', 'commit', '-q', '-m', 'pointer only')
    const refused = await attempt(dir, 'one', 'push', '--no-verify', 'origin', 'HEAD:main')
    expect(refused.code).not.toBe(0)
    expect(refused.stderr).toContain(sha256(files['a.bin']))
    expect(refused.stderr).toContain('git lfs push --all')
    await run(dir, 'one', 'lfs', 'push', '--all', 'origin')
    await run(dir, 'one', 'push', '-q', '--no-verify', 'origin', 'HEAD:main')
    await expectClone(hub, ada, dir, files)
  })

  test('an existing history is migrated to LFS and pushed over the old one', async () => {
    const { hub, ada, dir } = await start()
    await rm(join(dir, 'one/.gitattributes'))
    const files = { 'a.dat': randomBytes(50_000), 'b.txt': Buffer.from('b') }
    await commitAndPush(dir, files)
    await run(dir, 'one', 'lfs', 'migrate', 'import', '--yes', '--everything', '--include=*.dat')
    await run(dir, 'one', 'push', '-q', '-f', 'origin', 'HEAD:main')
    await expectClone(hub, ada, dir, files)
    expect(await run(dir, 'fresh', 'lfs', 'ls-files', '-n')).toBe('a.dat')
  })
})

/** A reverse proxy that cuts the first long answer after so many bytes and remembers the ranges asked for. */
async function cuttingProxy(afterBytes: number) {
  const seen = { target: '', cuts: 0, ranges: [] as (string | undefined)[] }
  const handle = (req: IncomingMessage, res: ServerResponse) => {
    const { method, headers, url = '' } = req
    if (url.includes('/download?')) seen.ranges.push(headers.range)
    const onward = request(new URL(url, seen.target), { method, headers }, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers)
      let sent = 0
      answer.on('data', (chunk: Buffer) => {
        sent += chunk.length
        if (sent > afterBytes && seen.cuts === 0) {
          seen.cuts += 1
          res.destroy()
          onward.destroy()
        } else res.write(chunk)
      })
      answer.on('end', () => res.end())
      answer.on('error', () => res.destroy())
    })
    onward.on('error', () => res.destroy())
    req.pipe(onward)
  }
  const server = createServer(handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

test('a download that breaks off goes on where it stopped', async () => {
  const proxy = await cuttingProxy(3 * MIB)
  const hub = await startTestHub({ PACKHORSE_URL: proxy.url })
  proxy.seen.target = hub.url
  const ada = await hub.user('ada')
  await createRepo(hub, ada, 'r')
  const dir = await home()
  await run(dir, '.', 'clone', '-q', hub.gitUrl('ada/r', ada), 'one')
  await run(dir, 'one', 'lfs', 'track', '*.bin')
  const bytes = randomBytes(8 * MIB)
  await write(join(dir, 'one'), { 'a.bin': bytes })
  await run(dir, 'one', 'add', '.')
  await run(dir, 'one', 'commit', '-q', '-m', 'one')
  await run(dir, 'one', 'push', '-q', 'origin', 'HEAD:main')
  await run(dir, '.', 'clone', '-q', hub.gitUrl('ada/r', ada), 'two')
  expect((await readFile(join(dir, 'two/a.bin'))).equals(bytes)).toBe(true)
  const [first, second] = proxy.seen.ranges
  expect([proxy.seen.cuts, first]).toEqual([1, undefined])
  expect(Number(/^bytes=(\d+)-/.exec(second ?? '')?.[1])).toBeGreaterThan(MIB)
})

describe('git lfs', () => {
  async function start() {
    const hub = await startTestHub()
    const [ada, bob] = [await hub.user('ada'), await hub.user('bob')]
    await hub.org('acme', ada, { bob: 'contributor' })
    await createRepo(hub, ada, 'r', { organization: 'acme' })
    const dir = await home()
    await run(dir, '.', 'clone', '-q', hub.gitUrl('acme/r', ada), 'one')
    await run(dir, 'one', 'lfs', 'track', '*.bin')
    await write(join(dir, 'one'), { 'a.bin': randomBytes(100), 'b.bin': randomBytes(100) })
    await run(dir, 'one', 'add', '.')
    await run(dir, 'one', 'commit', '-q', '-m', 'files')
    await run(dir, 'one', 'push', '-q', 'origin', 'HEAD:main')
    await run(dir, '.', 'clone', '-q', hub.gitUrl('acme/r', bob), 'two')
    return { hub, ada, bob, dir }
  }

  test('locks, tells them, keeps others from pushing locked files, and unlocks', async () => {
    const { dir } = await start()
    await run(dir, 'one', 'lfs', 'lock', 'a.bin')
    const listed = JSON.parse(await run(dir, 'two', 'lfs', 'locks', '--json'))
    expect(listed).toMatchObject([{ path: 'a.bin', owner: { name: 'ada' } }])
    expect(await run(dir, 'two', 'lfs', 'locks', '--path', 'b.bin')).toBe('')
    const verified = JSON.parse(await run(dir, 'two', 'lfs', 'locks', '--verify', '--json'))
    expect([verified.ours.length, verified.theirs.length]).toEqual([0, 1])
    expect((await attempt(dir, 'two', 'lfs', 'lock', 'a.bin')).code).not.toBe(0)
    expect((await attempt(dir, 'two', 'lfs', 'unlock', 'a.bin')).code).not.toBe(0)

    const change = async () => {
      await write(join(dir, 'two'), { 'a.bin': randomBytes(200) })
      await run(dir, 'two', 'commit', '-q', '-a', '-m', 'change')
    }
    await change()
    const url = (await run(dir, 'two', 'config', 'remote.origin.url')) ?? ''
    await run(dir, 'two', 'config', `lfs.${url}.git/info/lfs.locksverify`, 'true')
    await run(dir, 'two', 'config', 'lfs.locksverify', 'true')
    const refused = await attempt(dir, 'two', 'push', 'origin', 'HEAD:main')
    expect(refused.code).not.toBe(0)
    expect(refused.stderr).toContain('Cannot update locked files')

    await run(dir, 'one', 'lfs', 'unlock', 'a.bin')
    await run(dir, 'two', 'push', '-q', 'origin', 'HEAD:main')
    await run(dir, 'two', 'lfs', 'lock', 'b.bin')
    await run(dir, 'one', 'lfs', 'unlock', '--force', 'b.bin')
    expect(JSON.parse(await run(dir, 'two', 'lfs', 'locks', '--json'))).toEqual([])
  })

  test('goes on through a rename, by the old address', async () => {
    const { hub, ada, dir } = await start()
    const body = { fromRepo: 'acme/r', toRepo: 'acme/renamed', type: 'model' }
    expect((await hub.api('/api/repos/move', { as: ada, body })).status).toBe(200)
    const bytes = randomBytes(3000)
    await write(join(dir, 'one'), { 'c.bin': bytes })
    await run(dir, 'one', 'add', '.')
    await run(dir, 'one', 'commit', '-q', '-m', 'after')
    await run(dir, 'one', 'push', '-q', 'origin', 'HEAD:main')
    await run(dir, 'two', 'pull', '-q')
    expect((await readFile(join(dir, 'two/c.bin'))).equals(bytes)).toBe(true)
  })

  test('resumes with a range: what is there already is not sent again', async () => {
    const { hub, ada, dir } = await start()
    const bytes = randomBytes(4 * MIB)
    await write(join(dir, 'one'), { 'big.bin': bytes })
    await run(dir, 'one', 'add', '.')
    await run(dir, 'one', 'commit', '-q', '-m', 'big')
    await run(dir, 'one', 'push', '-q', 'origin', 'HEAD:main')
    const skip = { GIT_LFS_SKIP_SMUDGE: '1', HOME: dir }
    await gitOk(dir, ['clone', '-q', hub.gitUrl('acme/r', ada), 'fresh'], skip)
    const oid = sha256(bytes)
    const partial = join(dir, 'fresh/.git/lfs/incomplete')
    await mkdir(partial, { recursive: true })
    await writeFile(join(partial, `${oid}.part`), bytes)
    await truncate(join(partial, `${oid}.part`), 3 * MIB)
    const traced = await git(join(dir, 'fresh'), ['lfs', 'pull'], {
      HOME: dir,
      GIT_TRACE: '1',
      GIT_CURL_VERBOSE: '1',
    })
    expect(traced.code).toBe(0)
    expect(traced.stderr).toContain(`Range: bytes=${3 * MIB}-`)
    expect(traced.stderr).toContain('206 Partial Content')
    expect((await readFile(join(dir, 'fresh/big.bin'))).equals(bytes)).toBe(true)
  })
})

test('git lfs in a SHA-256 repository', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const body = { name: 'r', auto_init: false, object_format: 'sha256' }
  expect((await hub.api('/api/repos/create', { as: ada, body })).status).toBe(200)
  const dir = await home()
  await run(dir, '.', 'init', '-q', '--object-format=sha256', 'one')
  await run(dir, 'one', 'remote', 'add', 'origin', hub.gitUrl('ada/r', ada))
  await run(dir, 'one', 'lfs', 'track', '*.bin')
  const bytes = randomBytes(10_000)
  await write(join(dir, 'one'), { 'a.bin': bytes })
  await run(dir, 'one', 'add', '.')
  await run(dir, 'one', 'commit', '-q', '-m', 'one')
  await run(dir, 'one', 'push', '-q', 'origin', 'HEAD:main')
  await run(dir, '.', 'clone', '-q', hub.gitUrl('ada/r', ada), 'two')
  expect((await readFile(join(dir, 'two/a.bin'))).equals(bytes)).toBe(true)
  expect(await run(dir, 'two', 'rev-parse', 'HEAD')).toHaveLength(64)
})
