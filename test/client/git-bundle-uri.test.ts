import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { DELIM, FLUSH, pktLine } from '../../src/protocol/pkt-line.js'
import { commitFiles, createRepo, expectClean, initWork, readRepo } from '../support/git-work.js'
import { gitOk, startTestHub, type TestHub, type TestUser, tempDir } from '../support/hub.js'
import { HAS_S3, s3Env } from '../support/object-modes.js'
import { rawRequest } from '../support/raw-http.js'

const never = new AbortController().signal
let hub: TestHub
let ada: TestUser
let dir: string
let work: string
let url: string

beforeEach(() => open())

/** A hub with one large repository and its bundle. */
async function open(env: Parameters<typeof startTestHub>[0] = {}): Promise<void> {
  hub = await startTestHub({
    PACKHORSE_BUNDLE_MIN_BYTES: '100kB',
    PACKHORSE_FORCE_PUSH: 'allow',
    ...env,
  })
  ada = await hub.user('ada')
  dir = await tempDir()
  await createRepo(hub, ada, 'large')
  url = hub.gitUrl('ada/large.git', ada)
  work = await initWork(dir, 'work', { files: { 'big.bin': randomBytes(300_000) } })
  await gitOk(work, ['push', '-q', url, 'main'])
  await refresh()
}

const repo = () => readRepo(hub, 'ada', 'large')

async function refresh(): Promise<void> {
  await hub.domain.recorder.measure(await repo())
  await hub.domain.bundles.refreshAll(never, (err) => {
    throw err
  })
}

async function isAdvertised(): Promise<boolean> {
  const { body } = await rawRequest(hub.url, '/ada/large.git/info/refs?service=git-upload-pack', {
    headers: { 'Git-Protocol': 'version=2' },
    as: ada,
  })
  return body.includes('bundle-uri')
}

/** Path of the bundle that a client is told of, on this hub. */
async function bundlePath(): Promise<string | undefined> {
  const listed = await bundleUrl()
  return listed && new URL(listed).pathname
}

async function bundleUrl(): Promise<string | undefined> {
  const { status, body } = await rawRequest(hub.url, '/ada/large.git/git-upload-pack', {
    method: 'POST',
    as: ada,
    headers: {
      'Content-Type': 'application/x-git-upload-pack-request',
      'Git-Protocol': 'version=2',
    },
    // as git 2.47 sends it: the capabilities first
    body: Buffer.concat([
      pktLine('agent=git/2.47.3'),
      pktLine('object-format=sha1'),
      pktLine('command=bundle-uri'),
      DELIM,
      FLUSH,
    ]),
  })
  expect(status).toBe(200)
  return /\.uri=(\S+)/.exec(body.toString())?.[1]
}

const statusOf = async (path: string, as?: TestUser) =>
  (await rawRequest(hub.url, path, as ? { as } : {})).status

const settings = (isPrivate: boolean) =>
  hub.api('/api/models/ada/large/settings', {
    method: 'PUT',
    as: ada,
    body: { private: isPrivate },
  })

async function storedBundles(): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of hub.domain.store.list('bundles/')) keys.push(key)
  return keys
}

test('git clones from the bundle that the hub lists and fetches what came after it', async () => {
  await commitFiles(work, { 'after.txt': 'after\n' }, 'after the bundle')
  await gitOk(work, ['push', '-q', url, 'main'])
  expect(await isAdvertised()).toBe(true)
  // git 2.39 is told where; from 2.40 on it asks for the list itself (transfer.bundleURI): the next test
  const bundle = `${hub.url}${await bundlePath()}`
  const anonymous = hub.gitUrl('ada/large.git')
  await gitOk(dir, ['clone', '-q', `--bundle-uri=${bundle}`, anonymous, 'clone'])
  const clone = join(dir, 'clone')
  await expectClean(clone)
  expect(await gitOk(clone, ['rev-parse', 'HEAD'])).toBe(await gitOk(work, ['rev-parse', 'main']))
  expect(await gitOk(clone, ['rev-parse', 'refs/bundles/main'])).toBe(
    await gitOk(work, ['rev-parse', 'main~1']),
  )
  await gitOk(dir, ['clone', '-q', anonymous, 'plain'])
  expect(await gitOk(join(dir, 'plain'), ['for-each-ref', 'refs/bundles'])).toBe('')
})

// Debian 12 has 2.39: TEST_GIT_PATH names a folder with a newer one
const PATH = [process.env.TEST_GIT_PATH, process.env.PATH].filter(Boolean).join(':')
const GIT_MINOR = /version 2\.(\d+)/.exec(
  execFileSync('git', ['--version'], { env: { PATH }, encoding: 'utf8' }),
)?.[1]

test.runIf(Number(GIT_MINOR) >= 40)('git asks for the list itself and clones from it', async () => {
  await commitFiles(work, { 'after.txt': 'after\n' }, 'after the bundle')
  await gitOk(work, ['push', '-q', url, 'main'])
  const clone = ['-c', 'transfer.bundleURI=true', 'clone', '-q', hub.gitUrl('ada/large.git'), 'own']
  await gitOk(dir, clone, { PATH })
  await expectClean(join(dir, 'own'))
  expect(await gitOk(join(dir, 'own'), ['rev-parse', 'HEAD', 'refs/bundles/main'])).toBe(
    await gitOk(work, ['rev-parse', 'main', 'main~1']),
  )
})

test('a bundle is not made again while it is young, and a repository that is small has none', async () => {
  const before = await storedBundles()
  expect(before).toHaveLength(1)
  await commitFiles(work, { 'after.txt': 'after\n' })
  await gitOk(work, ['push', '-q', url, 'main'])
  await refresh()
  expect(await storedBundles()).toEqual(before)
  await createRepo(hub, ada, 'small', { init: true })
  await refresh()
  expect(await storedBundles()).toEqual(before)
})

test('what a force push took away is not offered, and another bundle is made', async () => {
  const path = await bundlePath()
  expect(await statusOf(path as string)).toBe(200)
  await gitOk(work, ['commit', '-q', '--amend', '-m', 'another first'])
  await gitOk(work, ['push', '-q', '--force', url, 'main'])
  expect(await isAdvertised()).toBe(false)
  expect(await bundlePath()).toBeUndefined()
  expect(await statusOf(path as string)).toBe(404)
  await refresh()
  expect(await isAdvertised()).toBe(true)
  expect(await storedBundles()).toHaveLength(1)
  expect(await bundlePath()).not.toBe(path)
})

test('after a squash neither the list nor the bytes are there', async () => {
  const path = await bundlePath()
  await commitFiles(work, { 'more.txt': 'more\n' })
  await gitOk(work, ['push', '-q', url, 'main'])
  const body = { repo: 'ada/large', type: 'model' }
  expect((await hub.api('/api/repos/squash', { as: ada, body })).status).toBe(200)
  expect(await bundlePath()).toBeUndefined()
  expect(await statusOf(path as string)).toBe(404)
  await expect.poll(storedBundles, { timeout: 20_000 }).toEqual([])
})

test('once it is private, nobody gets it any more', async () => {
  const path = await bundlePath()
  expect((await settings(true)).status).toBe(200)
  expect(await isAdvertised()).toBe(false)
  expect(await statusOf(path as string, ada)).toBe(404)
  expect(await statusOf(path as string)).toBe(401)
  await hub.domain.jobs.drain()
  expect(await storedBundles()).toEqual([])
})

test('it goes with its repository', async () => {
  const { id } = await repo()
  const gone = await hub.api('/api/repos/delete', {
    method: 'DELETE',
    as: ada,
    body: { name: 'large' },
  })
  expect(gone.status).toBe(200)
  await hub.domain.jobs.drain()
  await expect.poll(() => hub.domain.git.exists(id)).toBe(false)
  expect(await storedBundles()).toEqual([])
})

test.runIf(HAS_S3)(
  'in S3 it is downloaded from there, and gone when the repository is hidden',
  async () => {
    await hub.close()
    await open(s3Env({ proxy: false }))
    const uri = await bundleUrl()
    const s3 = new URL(process.env.S3_ENDPOINT as string).host
    expect(new URL(uri as string).host).toBe(s3)
    await gitOk(dir, ['clone', '-q', `--bundle-uri=${uri}`, hub.gitUrl('ada/large.git'), 'clone'])
    await expectClean(join(dir, 'clone'))
    expect(await gitOk(join(dir, 'clone'), ['rev-parse', 'refs/bundles/main'])).toBe(
      await gitOk(work, ['rev-parse', 'main']),
    )

    expect((await settings(true)).status).toBe(200)
    expect(await isAdvertised()).toBe(false)
    expect(await bundleUrl()).toBeUndefined()
    // a link that was given out while it was public ends with the bundle
    await hub.domain.jobs.drain()
    expect((await fetch(uri as string)).status).toBe(404)
    expect((await settings(false)).status).toBe(200)
    await refresh()
    expect(await bundleUrl()).not.toBe(uri)
  },
)

test.runIf(HAS_S3)('from S3 through the hub it has an address of the hub', async () => {
  await hub.close()
  await open(s3Env({ proxy: true }))
  const path = await bundlePath()
  expect(await bundleUrl()).toBe(`${hub.url}${path}`)
  expect(await statusOf(path as string)).toBe(200)
  expect((await settings(true)).status).toBe(200)
  expect(await statusOf(path as string, ada)).toBe(404)
})
