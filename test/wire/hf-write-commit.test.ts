import { createHash, randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { clone, commit, file, header, hubWithRepo, uploadLfs } from '../support/hf.js'
import { gitOk, type TestUser } from '../support/hub.js'

test('a commit adds, replaces, deletes and answers as the Hub does', async () => {
  const { hub, ada } = await hubWithRepo()
  const made = await commit(hub, ada, [
    header('Add files', { description: 'two of them' }),
    file('a.txt', 'hello'),
    file('dir/sub/b.txt', 'world'),
    { key: 'file', value: { path: 'c.txt', content: 'ü "quoted"\n', encoding: 'utf-8' } },
  ])
  expect(made.status).toBe(200)
  expect(made.json).toEqual({
    success: true,
    commitOid: expect.stringMatching(/^[0-9a-f]{40}$/),
    commitUrl: `${hub.url}/ada/m/commit/${made.json.commitOid}`,
    hookOutput: '',
  })
  const second = await commit(hub, ada, [
    header('Change', { parentCommit: made.json.commitOid }),
    { key: 'deletedFolder', value: { path: 'dir/' } },
    file('dir/new.txt', 'again'),
    { key: 'deletedFile', value: { path: 'a.txt' } },
    { key: 'copyFile', value: { path: 'd.txt', srcPath: 'c.txt' } },
    file('e.txt', 'moved', { oldPath: 'c.txt' }),
  ])
  expect(second.status).toBe(200)
  const work = await clone(hub, ada)
  expect(await gitOk(work, ['ls-files'])).toBe('.gitattributes\nd.txt\ndir/new.txt\ne.txt')
  expect(await gitOk(work, ['show', 'HEAD:d.txt'])).toBe('ü "quoted"')
  expect(await gitOk(work, ['log', '-1', '--format=%an|%ae|%B', made.json.commitOid])).toBe(
    'ada|ada@example.org|Add files\n\ntwo of them',
  )
  expect(await gitOk(work, ['fsck', '--full', '--strict'])).toBe('')
})

test('what changes nothing makes no commit; the current head is answered', async () => {
  const { hub, ada } = await hubWithRepo()
  const first = await commit(hub, ada, [header(), file('a.txt', 'same')])
  const again = await commit(hub, ada, [header(), file('a.txt', 'same')])
  const addAndDrop = await commit(hub, ada, [
    header(),
    file('gone.txt', 'x'),
    { key: 'deletedFile', value: { path: 'gone.txt' } },
  ])
  expect([again.json.commitOid, addAndDrop.json.commitOid]).toEqual([
    first.json.commitOid,
    first.json.commitOid,
  ])
  expect(await gitOk(await clone(hub, ada), ['rev-list', '--count', 'HEAD'])).toBe('2')
})

test('an LFS file becomes a pointer of the stored size; an unknown object is refused', async () => {
  const { hub, ada } = await hubWithRepo()
  const bytes = Buffer.from('large '.repeat(1000))
  const oid = createHash('sha256').update(bytes).digest('hex')
  const refused = await commit(hub, ada, [
    header(),
    { key: 'lfsFile', value: { path: 'a.bin', algo: 'sha256', oid, size: bytes.length } },
  ])
  expect(refused.status).toBe(400)
  expect(refused.json.error).toMatch(
    /^Your push was rejected because an LFS pointer pointed to a file that does not exist/,
  )
  await uploadLfs(hub, ada, 'ada/m', bytes)
  const made = await commit(hub, ada, [
    header(),
    { key: 'lfsFile', value: { path: 'a.bin', algo: 'sha256', oid, size: bytes.length } },
    { key: 'lfsFile', value: { path: 'copy.bin', algo: 'sha256', oid } },
  ])
  expect(made.status).toBe(200)
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${bytes.length}`
  const work = await clone(hub, ada)
  expect(await gitOk(work, ['show', 'HEAD:a.bin'])).toBe(pointer)
  expect(await gitOk(work, ['show', 'HEAD:copy.bin'])).toBe(pointer)
  const wrong = await commit(hub, ada, [
    header(),
    { key: 'lfsFile', value: { path: 'b.bin', algo: 'sha256', oid, size: 1 } },
  ])
  expect(wrong.status).toBe(400)
})

test("another repository's object is no object of this one", async () => {
  const { hub, ada } = await hubWithRepo()
  const eve = await hub.user('eve')
  await hub.api('/api/repos/create', { as: eve, body: { name: 'x' } })
  await hub.api('/api/repos/create', { as: ada, body: { name: 'hidden', private: true } })
  const bytes = Buffer.from('a secret of ada, long enough to be worth it')
  await uploadLfs(hub, ada, 'ada/hidden', bytes)
  const oid = createHash('sha256').update(bytes).digest('hex')
  const lines = [header(), { key: 'lfsFile', value: { path: 'a.bin', algo: 'sha256', oid } }]
  const reply = await commit(hub, eve, lines, '/api/models/eve/x/commit/main')
  expect(reply.status).toBe(400)
})

test('a stale parent is refused and a file keeps its mode', async () => {
  const { hub, ada } = await hubWithRepo()
  const work = await clone(hub, ada)
  const { writeFile } = await import('node:fs/promises')
  await writeFile(`${work}/run.sh`, '#!/bin/sh\n', { mode: 0o755 })
  await gitOk(work, ['add', '.'])
  await gitOk(work, ['commit', '-qm', 'script'])
  await gitOk(work, ['push', '-q'])
  const old = await gitOk(work, ['rev-parse', 'HEAD~1'])
  const stale = await commit(hub, ada, [header('x', { parentCommit: old }), file('a', 'b')])
  expect([stale.status, stale.json.error]).toEqual([
    412,
    'The branch was updated since you opened this page. Please refresh and try again.',
  ])
  await commit(hub, ada, [header(), file('run.sh', '#!/bin/sh\nexit 1\n')])
  await gitOk(work, ['pull', '-q'])
  expect(await gitOk(work, ['ls-files', '-s', 'run.sh'])).toMatch(/^100755 /)
})

test('only writers commit; tags and commits take none; an empty repository takes its first', async () => {
  const { hub, ada } = await hubWithRepo()
  const eve = await hub.user('eve')
  expect((await commit(hub, undefined, [header()])).status).toBe(401)
  expect((await commit(hub, eve, [header(), file('a', 'b')])).status).toBe(403)
  const { json } = await commit(hub, ada, [header(), file('a', 'b')])
  const at = (rev: string) =>
    commit(hub, ada, [header(), file('c', 'd')], `/api/models/ada/m/commit/${rev}`)
  expect((await at(json.commitOid)).status).toBe(400)
  const unknown = await at('nope')
  expect([unknown.status, unknown.headers.get('x-error-code'), unknown.json.error]).toEqual([
    404,
    'RevisionNotFound',
    'Invalid rev id: nope',
  ])
  await hub.api('/api/repos/create', { as: ada, body: { name: 'empty', auto_init: false } })
  const first = await commit(
    hub,
    ada,
    [header(), file('a', 'b')],
    '/api/models/ada/empty/commit/main',
  )
  expect(first.status).toBe(200)
})

test('a pull request takes commits of its author and of writers', async () => {
  const { hub, ada } = await hubWithRepo()
  const eve = await hub.user('eve')
  const mallory = await hub.user('mallory')
  const opened = await commit(
    hub,
    eve,
    [header('A change', { description: 'why' }), file('pr.txt', '1')],
    '/api/models/ada/m/commit/main?create_pr=1',
  )
  expect(opened.json).toMatchObject({ pullRequestUrl: `${hub.url}/ada/m/discussions/1` })
  const more = (who: TestUser, text: string) =>
    commit(hub, who, [header(), file('pr.txt', text)], '/api/models/ada/m/commit/refs%2Fpr%2F1')
  expect((await more(eve, '2')).status).toBe(200)
  expect((await more(ada, '3')).status).toBe(200)
  expect((await more(mallory, '4')).status).toBe(403)
  const work = await clone(hub, ada)
  await gitOk(work, ['fetch', '-q', 'origin', 'refs/pr/1'])
  expect(await gitOk(work, ['rev-list', '--count', 'FETCH_HEAD'])).toBe('4')
  expect(await gitOk(work, ['ls-files'])).toBe('.gitattributes')
  const wrongBase = await commit(
    hub,
    eve,
    [header(), file('x', 'y')],
    '/api/models/ada/m/commit/nope?create_pr=1',
  )
  expect(wrongBase.headers.get('x-error-code')).toBe('RevisionNotFound')
})

test('preupload tells lfs from regular and what is there already', async () => {
  const { hub, ada } = await hubWithRepo()
  const made = await commit(hub, ada, [
    header(),
    file('a.txt', 'hello'),
    file('.gitignore', '*.log\n'),
    file('sub/.gitattributes', '*.txt filter=lfs\n*.bin -filter\n'),
  ])
  expect(made.status).toBe(200)
  const sample = (text: string) => Buffer.from(text).toString('base64')
  const reply = await hub.api('/api/models/ada/m/preupload/main', {
    as: ada,
    body: {
      files: [
        { path: 'a.txt', size: 5, sample: sample('hello') },
        { path: 'm.safetensors', size: 5, sample: sample('hello') },
        { path: 'empty.bin', size: 0, sample: '' },
        { path: 'big.txt', size: 20_000_000, sample: sample('text') },
        { path: 'noext', size: 4, sample: sample('a\0b\0') },
        { path: 'x.log', size: 1, sample: sample('l') },
        { path: 'sub/a.txt', size: 1, sample: sample('l') },
        { path: 'sub/a.bin', size: 1, sample: sample('l') },
      ],
    },
  })
  const blob = createHash('sha1').update('blob 5\0hello').digest('hex')
  const row = (path: string, uploadMode: string, shouldIgnore = false) => ({
    path,
    uploadMode,
    shouldIgnore,
  })
  expect(reply.json).toEqual({
    files: [
      { ...row('a.txt', 'regular'), oid: blob },
      row('m.safetensors', 'lfs'),
      row('empty.bin', 'regular'),
      row('big.txt', 'lfs'),
      row('noext', 'lfs'),
      row('x.log', 'regular', true),
      row('sub/a.txt', 'lfs'),
      row('sub/a.bin', 'regular'),
    ],
  })
  const sent = await hub.api('/api/models/ada/m/preupload/main', {
    as: ada,
    body: {
      files: [{ path: 'x.log', size: 1, sample: '' }],
      gitIgnore: '',
      gitAttributes: '*.log filter=lfs',
    },
  })
  expect(sent.json.files).toEqual([row('x.log', 'lfs')])
})

test('a reader brings an LFS file into a pull request, and nowhere else', async () => {
  const { hub } = await hubWithRepo()
  const eve = await hub.user('eve')
  const bytes = Buffer.from('proposed weights '.repeat(50))
  const oid = createHash('sha256').update(bytes).digest('hex')
  const batch = (as: TestUser | undefined, more: Record<string, unknown>) =>
    hub.api('/ada/m.git/info/lfs/objects/batch', {
      ...(as ? { as } : {}),
      body: {
        operation: 'upload',
        transfers: ['basic', 'multipart'],
        objects: [{ oid, size: bytes.length }],
        ...more,
      },
      headers: { 'Content-Type': 'application/vnd.git-lfs+json' },
    })
  expect((await batch(undefined, {})).status).toBe(401)
  expect((await batch(eve, { ref: { name: 'main' } })).status).toBe(403)
  expect((await batch(eve, { transfers: ['basic'] })).status).toBe(403)
  const readOnly = { ...eve, token: await hub.token(eve.user, { role: 'read' }) }
  expect((await batch(readOnly, {})).status).toBe(403)
  const granted = await batch(eve, {})
  const { href } = granted.json.objects[0].actions.upload
  expect((await fetch(href, { method: 'PUT', body: new Uint8Array(bytes) })).status).toBe(200)
  const line = { key: 'lfsFile', value: { path: 'p.bin', algo: 'sha256', oid, size: bytes.length } }
  const path = '/api/models/ada/m/commit/main'
  expect((await commit(hub, eve, [header(), line], path)).status).toBe(403)
  expect((await commit(hub, eve, [header(), line], `${path}?create_pr=1`)).status).toBe(200)
})

test('large contents go through a file on the way and arrive as they were', async () => {
  const { hub, ada } = await hubWithRepo()
  const bytes = randomBytes(20_000_000)
  const text = 'line "ü" \\ \n'.repeat(400_000)
  const made = await commit(hub, ada, [
    header(),
    file('big.dat', bytes),
    { key: 'file', value: { path: 'big.txt', content: text, encoding: 'utf-8' } },
    file('small.txt', 'small'),
  ])
  expect(made.status).toBe(200)
  const again = await commit(hub, ada, [header(), file('big.dat', bytes)])
  expect(again.json.commitOid).toBe(made.json.commitOid)
  const work = await clone(hub, ada)
  expect((await readFile(join(work, 'big.dat'))).equals(bytes)).toBe(true)
  expect(await readFile(join(work, 'big.txt'), 'utf8')).toBe(text)
  expect(await readdir(join(hub.dataDir, 'tmp'))).toEqual([])
})

test('a full quota refuses a commit and leaves the branch', async () => {
  const { hub, ada } = await hubWithRepo({ PACKHORSE_PUBLIC_QUOTA_BYTES: '2MB' })
  const before = (await hub.api('/api/models/ada/m/refs')).json.branches[0].targetCommit
  const over = await commit(hub, ada, [header(), file('big.dat', randomBytes(3_000_000))])
  expect([over.status, over.json.error]).toEqual([413, expect.stringContaining('uota')])
  expect((await hub.api('/api/models/ada/m/refs')).json.branches[0].targetCommit).toBe(before)
  expect((await commit(hub, ada, [header(), file('small.txt', 'fits')])).status).toBe(200)
})
