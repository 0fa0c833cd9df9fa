import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, describe, expect, test } from 'vitest'
import { DELIM, FLUSH, pktLine } from '../../src/protocol/pkt-line.js'
import {
  bareDir,
  commitFiles,
  createRepo,
  expectClean,
  expectNoGitLeft,
  initWork,
  readRepo,
} from '../support/git-work.js'
import {
  git,
  gitOk,
  runCommand,
  startTestHub,
  type TestHub,
  type TestUser,
  tempDir,
} from '../support/hub.js'
import { startProcess } from '../support/process.js'
import { rawRequest } from '../support/raw-http.js'

let hub: TestHub
let ada: TestUser
let dir: string
let work: string
let url: string

/** Three commits, two branches, an annotated tag, a file that does not compress. */
async function populate(): Promise<void> {
  ada = await hub.user('ada')
  dir = await tempDir()
  await createRepo(hub, ada, 'repo')
  url = hub.gitUrl('ada/repo.git', ada)
  work = await initWork(dir, 'work', { files: { 'big.bin': randomBytes(300_000) } })
  await commitFiles(work, { 'a.txt': 'a\n' }, 'second')
  await gitOk(work, ['branch', 'side'])
  await gitOk(work, ['tag', '-a', 'v1', '-m', 'one'])
  await commitFiles(work, { 'b.txt': 'b\n' }, 'third')
  await gitOk(work, ['push', '-q', url, '--all'])
  await gitOk(work, ['push', '-q', url, '--tags'])
}

const counts = () => hub.domain.git.fetchCounts()
const uses = () => counts().hits + counts().joined
const cacheDir = () => join(hub.dataDir, 'cache', 'fetches')

async function cacheFiles(): Promise<string[]> {
  const options = { recursive: true, encoding: 'utf8' } as const
  const names = await readdir(cacheDir(), options).catch((): string[] => [])
  return names.filter((it) => it.includes('/'))
}

/** What is kept, once all that is being written has got its name. */
async function keptAnswers(): Promise<string[]> {
  for (const deadline = Date.now() + 10_000; ; await sleep(20)) {
    const names = await cacheFiles()
    if (names.every((it) => /\/[0-9a-f]{64}$/.test(it))) return names
    if (Date.now() > deadline) throw new Error(`still there: ${names.join(' ')}`)
  }
}

function fetchBody(wants: readonly string[], more: readonly string[] = []): Buffer {
  return Buffer.concat([
    pktLine('command=fetch'),
    pktLine('agent=test'),
    pktLine('object-format=sha1'),
    DELIM,
    ...['ofs-delta', 'no-progress', ...wants.map((it) => `want ${it}`), ...more, 'done'].map((it) =>
      pktLine(`${it}\n`),
    ),
    FLUSH,
  ])
}

const POST = {
  'Content-Type': 'application/x-git-upload-pack-request',
  'Git-Protocol': 'version=2',
}

function askFor(wants: readonly string[], as: TestUser | undefined = ada) {
  const body = fetchBody(wants)
  return rawRequest(hub.url, '/ada/repo.git/git-upload-pack', {
    method: 'POST',
    ...(as ? { as } : {}),
    headers: POST,
    body,
  })
}

/** An answer that holds a pack. */
const isPack = (body: Buffer) => body.includes('packfile\n') && body.includes('PACK')

describe('repeated clones', () => {
  beforeEach(async () => {
    hub = await startTestHub()
    await populate()
  })

  test('of every sort are whole, and git is asked once for each sort', async () => {
    const sorts = [
      ['--mirror'],
      ['--bare', '--depth=1'],
      ['--bare', '--depth=2', '--no-single-branch'],
      ['--bare', '--single-branch', '--branch=side'],
      ['--bare', '--shallow-since=2001-01-01T00:00:00Z'],
      ['--bare', '--filter=blob:none'],
      ['--bare', '--filter=tree:0'],
    ]
    for (const [n, flags] of sorts.entries()) {
      const before = counts().made
      const first = join(dir, `first-${n}`)
      const again = join(dir, `again-${n}`)
      await gitOk(dir, ['clone', '-q', ...flags, url, first])
      expect(counts().made, flags.join(' ')).toBe(before + 1)
      await gitOk(dir, ['clone', '-q', ...flags, url, again])
      await gitOk(dir, ['clone', ...flags, '--progress', url, `${again}-progress`])
      expect(counts().made, flags.join(' ')).toBe(before + 1)
      const objects = ['cat-file', '--batch-all-objects', '--batch-check']
      const offline = { GIT_NO_LAZY_FETCH: '1' }
      expect(await gitOk(again, objects, offline)).toBe(await gitOk(first, objects, offline))
      for (const clone of [first, again, `${again}-progress`]) {
        await expectClean(clone)
        expect(await gitOk(clone, ['rev-parse', 'HEAD'])).toBe(
          await gitOk(work, ['rev-parse', flags.includes('--branch=side') ? 'side' : 'main']),
        )
      }
    }
    await expectNoGitLeft(hub)
  })

  test('a client of v0 or v1 gets the pack that one of v2 had made', async () => {
    await gitOk(dir, ['clone', '-q', '--mirror', url, 'two'])
    const before = counts().made
    for (const version of ['0', '1']) {
      await gitOk(dir, [
        '-c',
        `protocol.version=${version}`,
        'clone',
        '-q',
        '--mirror',
        url,
        version,
      ])
      await expectClean(join(dir, version))
      expect(await gitOk(join(dir, version), ['show-ref'])).toBe(
        await gitOk(join(dir, 'two'), ['show-ref']),
      )
    }
    expect(counts().made).toBe(before)
  })

  test('eight at once cost one run of git, the same bytes for each', async () => {
    const wants = [await gitOk(work, ['rev-parse', 'main'])]
    const replies = await Promise.all(Array.from({ length: 8 }, () => askFor(wants)))
    expect(counts().made).toBe(1)
    for (const { status, body } of replies) {
      expect(status).toBe(200)
      expect(body.equals(replies[0]?.body as Buffer)).toBe(true)
      expect(body.subarray(-4).toString()).toBe('0000')
    }
    const clones = Array.from({ length: 8 }, (_, n) => `c${n}`)
    await Promise.all(clones.map((it) => gitOk(dir, ['clone', '-q', '--mirror', url, it])))
    expect(counts().made).toBe(2)
    for (const it of clones) await expectClean(join(dir, it))
  })

  test('survive a restart', async () => {
    await gitOk(dir, ['clone', '-q', '--mirror', url, 'before'])
    await keptAnswers()
    await hub.close()
    hub = await startTestHub({ PACKHORSE_DATA: hub.dataDir })
    await gitOk(dir, ['clone', '-q', '--mirror', hub.gitUrl('ada/repo.git', ada), 'after'])
    expect(counts()).toMatchObject({ made: 0, hits: 1 })
    await expectClean(join(dir, 'after'))
  })

  test('the same incremental fetch asked again is kept from the second time on', async () => {
    const old = await gitOk(work, ['rev-parse', 'side'])
    const body = fetchBody([await gitOk(work, ['rev-parse', 'main'])], [`have ${old}`])
    const replies: Buffer[] = []
    for (let n = 0; n < 4; n += 1)
      replies.push(
        (
          await rawRequest(hub.url, '/ada/repo.git/git-upload-pack', {
            method: 'POST',
            as: ada,
            headers: POST,
            body,
          })
        ).body,
      )
    expect([counts().made, uses()]).toEqual([1, 2])
    for (const it of replies) expect(isPack(it)).toBe(true)
    expect(replies[3]?.equals(replies[1] as Buffer)).toBe(true)
  })

  test('a tag that is made or goes changes what include-tag brings', async () => {
    await gitOk(dir, ['clone', '-q', '--single-branch', '--branch=side', url, 'with'])
    expect(await gitOk(join(dir, 'with'), ['tag'])).toBe('v1')
    await gitOk(work, ['push', '-q', url, ':v1'])
    await gitOk(dir, ['clone', '-q', '--single-branch', '--branch=side', url, 'without'])
    expect(await gitOk(join(dir, 'without'), ['tag'])).toBe('')
    const tag = await gitOk(work, ['rev-parse', 'v1'])
    expect((await git(join(dir, 'without'), ['cat-file', '-e', tag])).code).not.toBe(0)
  })

  test('who leaves does not take the answer away from the others, nor from the next', async () => {
    const body = fetchBody([await gitOk(work, ['rev-parse', 'main'])])
    const { hostname, port } = new URL(hub.url)
    const req = request({
      hostname,
      port,
      path: '/ada/repo.git/git-upload-pack',
      method: 'POST',
      headers: { ...POST, Authorization: `Bearer ${ada.token}` },
    })
    req.on('error', () => undefined)
    req.end(body)
    const second = askFor([await gitOk(work, ['rev-parse', 'main'])])
    await sleep(5)
    req.destroy()
    const { body: answer } = await second
    expect(answer.subarray(-4).toString()).toBe('0000')
    expect(isPack((await askFor([await gitOk(work, ['rev-parse', 'main'])])).body)).toBe(true)
    expect(counts().made).toBe(1)
    await expectNoGitLeft(hub)
  })
})

describe('a clone of a repository that is packed', () => {
  const prune = async () =>
    hub.domain.squash.prune((await readRepo(hub, 'ada', 'packed')).id, async () => undefined)

  test.each(['sha1', 'sha256'] as const)(
    'is put together from its pack: %s',
    async (objectFormat) => {
      hub = await startTestHub({ PACKHORSE_FORCE_PUSH: 'allow' })
      ada = await hub.user('ada')
      dir = await tempDir()
      await createRepo(hub, ada, 'packed', { objectFormat })
      url = hub.gitUrl('ada/packed.git', ada)
      work = await initWork(dir, 'work', {
        objectFormat,
        files: { 'big.bin': randomBytes(17_000_000) },
      })
      await commitFiles(work, { 'a.txt': 'a\n'.repeat(1_000) }, 'second')
      await gitOk(work, ['tag', '-a', 'v1', '-m', 'one'])
      await gitOk(work, ['push', '-q', url, 'main', 'v1'])
      await prune()

      /** Clones and answers how many answers were made, and how many of them from the pack. */
      const clone = async (name: string) => {
        const before = counts()
        await gitOk(dir, ['clone', '-q', '--mirror', url, name])
        await expectClean(join(dir, name))
        expect(await gitOk(join(dir, name), ['rev-list', '--all', '--objects', '--count'])).toBe(
          await gitOk(work, ['rev-list', '--branches', '--tags', '--objects', '--count']),
        )
        // the client made one pack of it: as many objects as there are, none twice
        expect(
          (await gitOk(join(dir, name), ['count-objects', '-v'])).match(/in-pack: (\d+)/)?.[1],
        ).toBe(await gitOk(work, ['rev-list', '--branches', '--tags', '--objects', '--count']))
        const { made, copied } = counts()
        return [made - before.made, copied - before.copied]
      }
      expect(await clone('fresh')).toEqual([1, 1])
      expect(await clone('again')).toEqual([0, 0])
      await commitFiles(work, { 'b.txt': 'b\n', 'a.txt': null }, 'third')
      await commitFiles(work, { 'a.txt': 'a\n'.repeat(1_000) }, 'back to what was before')
      await gitOk(work, ['push', '-q', url, 'main'])
      expect(await clone('after-push')).toEqual([1, 1])
      // what a force push left behind is in the pack: then git picks what belongs there
      await gitOk(work, ['tag', '-d', 'v1'])
      await gitOk(work, ['push', '-q', url, ':v1'])
      expect(await clone('tag-gone')).toEqual([1, 0])
      await prune()
      expect(await clone('pruned')).toEqual([1, 1])
    },
  )
})

describe('a recipe for an answer', () => {
  const recipes = async () =>
    (await cacheFiles()).filter((it) => it.endsWith('.recipe')).map((it) => join(cacheDir(), it))
  let wants: string[]

  beforeEach(async () => {
    // no answer of this size could be kept whole
    hub = await startTestHub({ PACKHORSE_FETCH_CACHE_BYTES: '1MB' })
    ada = await hub.user('ada')
    dir = await tempDir()
    await createRepo(hub, ada, 'repo')
    url = hub.gitUrl('ada/repo.git', ada)
    work = await initWork(dir, 'work', { files: { 'big.bin': randomBytes(17_000_000) } })
    await gitOk(work, ['push', '-q', url, 'main'])
    await hub.domain.squash.prune((await readRepo(hub, 'ada', 'repo')).id, async () => undefined)
    // what the pack lacks takes more than one packet
    await commitFiles(work, { 'more.bin': randomBytes(200_000) }, 'more')
    await gitOk(work, ['push', '-q', url, 'main'])
    wants = [await gitOk(work, ['rev-parse', 'main'])]
  })

  test('serves many at once and takes next to no disk', async () => {
    const replies = await Promise.all(Array.from({ length: 8 }, () => askFor(wants)))
    expect(counts()).toMatchObject({ made: 1, copied: 1 })
    for (const { status, body, headers } of replies) {
      expect([status, headers['content-length']]).toEqual([200, String(body.length)])
      expect(body.equals(replies[0]?.body as Buffer)).toBe(true)
    }
    const [recipe = '', ...others] = await recipes()
    expect(others).toEqual([])
    expect((await stat(recipe)).size).toBeLessThan(300_000)
    for (const version of ['0', '1', '2']) {
      const config = ['-c', `protocol.version=${version}`]
      await gitOk(dir, [...config, 'clone', '-q', '--mirror', url, version])
      await expectClean(join(dir, version))
    }
  })

  test('is never taken for the answer by another process that waits for it', async () => {
    const slow = await tempDir()
    const real = (await runCommand('sh', ['-c', 'command -v git'], { cwd: slow })).stdout.trim()
    const wait = `case "$*" in *--keep-pack=*) while [ ! -e '${slow}/go' ]; do sleep 0.05; done ;; esac`
    await writeFile(join(slow, 'git'), `#!/bin/sh\n${wait}\nexec ${real} "$@"\n`, { mode: 0o755 })
    const other = await startProcess(['--data', hub.dataDir, '--port', '0'], {
      PATH: `${slow}:${process.env.PATH}`,
      PACKHORSE_LOG_LEVEL: 'silent',
    })
    const theirs = firstBytes(other.url, wants)
    await expect.poll(cacheFiles).toContainEqual(expect.stringMatching(/\.claim$/))
    const ours = askFor(wants)
    await sleep(300)
    await writeFile(join(slow, 'go'), '')
    const { status, body } = await ours
    expect([status, isPack(body)]).toEqual([200, true])
    const made = await theirs
    expect(await made.toEnd()).toBe('whole')
    expect(made.body().equals(body)).toBe(true)
    expect(counts()).toMatchObject({ made: 0 })
  })

  test('whose sum was not noted yet gets it from who reads it next', async () => {
    const first = await askFor(wants)
    const [recipe = ''] = await recipes()
    const whole = await readFile(recipe)
    expect(whole.subarray(-20).equals(first.body.subarray(-24, -4))).toBe(true)
    for (const missing of [20, 7]) {
      await truncate(recipe, whole.length - missing)
      expect((await askFor(wants)).body.equals(first.body)).toBe(true)
      expect((await readFile(recipe)).equals(whole)).toBe(true)
    }
    expect(counts().made).toBe(1)
  })

  test('that is cut off, or whose pack is no longer the same, is made anew', async () => {
    const first = await askFor(wants)
    const [recipe = ''] = await recipes()
    await truncate(recipe, 100_000)
    expect((await askFor(wants)).body.length).toBe(first.body.length)
    expect(counts().made).toBe(2)
    await writeFile(recipe, '{')
    expect((await askFor(wants)).body.length).toBe(first.body.length)
    expect(counts().made).toBe(3)
    const bare = await bareDir(hub, 'ada', 'repo')
    await gitOk(bare, ['-c', 'core.compression=0', 'repack', '-q', '-adfb'])
    await gitOk(dir, ['clone', '-q', '--mirror', url, 'repacked'])
    await expectClean(join(dir, 'repacked'))
    expect(counts().made).toBe(4)
  })

  test('survives a restart, and goes with what may be asked for', async () => {
    const first = await askFor(wants)
    await hub.close()
    hub = await startTestHub({ PACKHORSE_DATA: hub.dataDir })
    expect((await askFor(wants)).body.equals(first.body)).toBe(true)
    expect(counts()).toMatchObject({ made: 0, hits: 1 })
    const { id } = await readRepo(hub, 'ada', 'repo')
    await hub.domain.squash.prune(id, async () => undefined)
    expect(await recipes()).toEqual([])
    expect(isPack((await askFor(wants)).body)).toBe(true)
    const bare = await bareDir(hub, 'ada', 'repo')
    await gitOk(bare, ['update-ref', 'refs/heads/main', `${wants[0]}~1`])
    const before = uses()
    await askFor(wants)
    expect(uses()).toBe(before)
  })
})

describe('what is no longer permitted is not given', () => {
  let old: string

  beforeEach(async () => {
    hub = await startTestHub({ PACKHORSE_FORCE_PUSH: 'allow' })
    await populate()
    old = await gitOk(work, ['rev-parse', 'main'])
    for (let n = 0; n < 2; n += 1) expect(isPack((await askFor([old])).body)).toBe(true)
    expect([counts().made, uses()]).toEqual([1, 1])
    expect(await keptAnswers()).toHaveLength(1)
  })

  test('after a force push and pruning', async () => {
    const before = uses()
    await gitOk(work, ['reset', '-q', '--hard', 'side'])
    await commitFiles(work, { 'c.txt': 'c\n' }, 'instead')
    await gitOk(work, ['push', '-q', '--force', url, 'main'])
    await askFor([old])
    expect(uses()).toBe(before)
    const repo = await readRepo(hub, 'ada', 'repo')
    await hub.domain.squash.prune(repo.id, async () => undefined)
    expect(await keptAnswers()).toEqual([])
    expect(isPack((await askFor([old])).body)).toBe(false)
    expect(uses()).toBe(before)
  })

  test('after a squash, at once from the cache and after pruning at all', async () => {
    const before = uses()
    const body = { repo: 'ada/repo', type: 'model' }
    expect((await hub.api('/api/repos/squash', { as: ada, body })).status).toBe(200)
    await askFor([old])
    expect(uses()).toBe(before)
    await hub.domain.squash.prune((await readRepo(hub, 'ada', 'repo')).id, async () => undefined)
    expect(isPack((await askFor([old])).body)).toBe(false)
    expect(await keptAnswers()).toEqual([])
  })

  test('after deletion, and under the same name anew', async () => {
    const { id } = await readRepo(hub, 'ada', 'repo')
    const gone = await hub.api('/api/repos/delete', {
      method: 'DELETE',
      as: ada,
      body: { name: 'repo' },
    })
    expect(gone.status).toBe(200)
    expect((await askFor([old])).status).toBe(404)
    await createRepo(hub, ada, 'repo')
    expect(isPack((await askFor([old])).body)).toBe(false)
    await hub.domain.registry.purge(id)
    expect(await keptAnswers()).toEqual([])
  })

  test('to who lost sight of the repository', async () => {
    const eve = await hub.user('eve')
    expect(isPack((await askFor([old], eve)).body)).toBe(true)
    const hidden = await hub.api('/api/models/ada/repo/settings', {
      method: 'PUT',
      as: ada,
      body: { private: true },
    })
    expect(hidden.status).toBe(200)
    const before = uses()
    expect((await askFor([old], eve)).status).toBe(404)
    expect((await askFor([old], { ...eve, token: 'none' })).status).toBe(401)
    expect(uses()).toBe(before)
    expect(isPack((await askFor([old])).body)).toBe(true)
  })

  test('of refs that were hidden', async () => {
    const before = uses()
    const bare = await bareDir(hub, 'ada', 'repo')
    await gitOk(bare, ['update-ref', 'refs/packhorse/kept', old])
    await gitOk(bare, ['update-ref', 'refs/heads/main', `${old}~1`])
    await askFor([old])
    expect(uses()).toBe(before)
  })

  test('when an operator turns filters off in the repository', async () => {
    const flags = ['clone', '-q', '--bare', '--filter=blob:none', url]
    await gitOk(dir, [...flags, 'filtered'])
    const bare = await bareDir(hub, 'ada', 'repo')
    await gitOk(bare, ['config', 'uploadpack.allowFilter', 'false'])
    const before = uses()
    await git(dir, [...flags, 'refused'])
    expect(uses()).toBe(before)
  })
})

describe('the disk', () => {
  test('stays within its bound, the answer asked for last is kept', async () => {
    hub = await startTestHub({ PACKHORSE_FETCH_CACHE_BYTES: '1MB' })
    await populate()
    for (let n = 0; n < 6; n += 1) {
      await commitFiles(work, { 'more.txt': `${n}\n` }, `more ${n}`)
      await gitOk(work, ['push', '-q', url, 'main'])
      const tip = await gitOk(work, ['rev-parse', 'main'])
      for (let times = 0; times < 2; times += 1)
        expect(isPack((await askFor([tip])).body)).toBe(true)
      let bytes = 0
      for (const name of await keptAnswers()) bytes += (await stat(join(cacheDir(), name))).size
      expect(bytes).toBeLessThanOrEqual(1_000_000)
    }
    expect([counts().made, uses()]).toEqual([6, 6])
  })

  test('what is larger than the bound is served by git', async () => {
    hub = await startTestHub({ PACKHORSE_FETCH_CACHE_BYTES: '100kB' })
    await populate()
    await gitOk(dir, ['clone', '-q', '--mirror', url, 'one'])
    await expectClean(join(dir, 'one'))
    expect(counts().made).toBe(0)
    expect(await keptAnswers()).toEqual([])
  })
})

describe('two processes over one directory', () => {
  test('an answer grows in one and is followed from the other; a killed writer leaves nothing that is served', async () => {
    hub = await startTestHub()
    await populate()
    // the real git, whose packs come slowly
    const slow = join(dir, 'slow')
    await mkdir(slow)
    await writeFile(
      join(slow, 'git'),
      `#!/bin/sh
PATH='${process.env.PATH}'
case " $* " in
*" upload-pack "*) git "$@" | { head -c 50000; until [ -e '${slow}/go' ]; do sleep 0.1; done; cat; } ;;
*) exec git "$@" ;;
esac
`,
    )
    await chmod(join(slow, 'git'), 0o755)
    const start = () =>
      startProcess(['--data', hub.dataDir, '--port', '0'], {
        PATH: `${slow}:${process.env.PATH}`,
        PACKHORSE_LOG_LEVEL: 'silent',
      })
    const other = await start()
    const wants = [await gitOk(work, ['rev-parse', 'main'])]
    const writing = await firstBytes(other.url, wants)
    const following = await firstBytes(hub.url, wants)
    expect(counts()).toMatchObject({ made: 0, joined: 1 })
    other.signal('SIGKILL')
    await other.exited
    expect([await writing.toEnd(), await following.toEnd()]).toEqual(['cut', 'cut'])
    await gitOk(dir, ['clone', '-q', '--mirror', url, 'after'])
    await expectClean(join(dir, 'after'))
    const { body } = await askFor(wants)
    expect(body.subarray(-4).toString()).toBe('0000')

    // and to its end, when nobody is killed
    const third = await start()
    const more = [await gitOk(work, ['rev-parse', 'side'])]
    const written = await firstBytes(third.url, more)
    const followed = await firstBytes(hub.url, more)
    await writeFile(join(slow, 'go'), '')
    expect([await written.toEnd(), await followed.toEnd()]).toEqual(['whole', 'whole'])
    expect(followed.body().equals(written.body())).toBe(true)
    const { made } = counts()
    expect(followed.body().equals((await askFor(more)).body)).toBe(true)
    expect(counts().made).toBe(made)
    await keptAnswers()
    await rm(slow, { recursive: true })
  })
})

async function firstBytes(base: string, wants: readonly string[]) {
  const { hostname, port } = new URL(base)
  const req = request({
    hostname,
    port,
    agent: false,
    path: '/ada/repo.git/git-upload-pack',
    method: 'POST',
    headers: { ...POST, Authorization: `Bearer ${ada.token}` },
  })
  req.end(fetchBody(wants))
  const [reply] = (await once(req, 'response')) as [IncomingMessage]
  expect(reply.statusCode).toBe(200)
  const chunks: Buffer[] = []
  const ended = new Promise<'whole' | 'cut'>((resolve) => {
    reply.on('data', (chunk: Buffer) => chunks.push(chunk))
    reply.once('end', () => resolve('whole'))
    reply.once('error', () => resolve('cut'))
  })
  await once(reply, 'data')
  return { toEnd: () => ended, body: () => Buffer.concat(chunks) }
}
