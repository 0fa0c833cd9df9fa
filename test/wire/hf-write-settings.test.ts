import { symlink, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { bareDir, expectClean } from '../support/git-work.js'
import { clone, commit, file, header, hubWithRepo, uploadLfs } from '../support/hf.js'
import { git, gitOk } from '../support/hub.js'

const API = '/api/models/ada/m'

test('settings change visibility, gate and description under the old and the new address', async () => {
  const { hub, ada } = await hubWithRepo()
  const put = (path: string, body: unknown) => hub.api(path, { as: ada, method: 'PUT', body })
  expect((await put(`${API}/settings`, { private: true })).json.private).toBe(true)
  expect((await hub.api(API)).status).toBe(401)
  expect(
    (await put(`${API}/settings`, { visibility: 'public', gated: 'auto' })).json,
  ).toMatchObject({
    private: false,
    gated: 'auto',
  })
  expect((await hub.api(API)).json).toMatchObject({ private: false, gated: 'auto' })
  expect((await put('/api/repos/model/ada/m/settings', { private: true })).json.private).toBe(true)
  expect((await put('/api/repos/models/ada/m/settings', { private: false })).json.private).toBe(
    false,
  )
  expect((await put(`${API}/settings`, { gated: false })).json.gated).toBe(false)
  expect((await put(`${API}/settings`, { visibility: 'protected' })).json.private).toBe(true)
  expect((await put(`${API}/settings`, { visibility: 'nope' })).status).toBe(400)
  expect((await put(`${API}/settings`, { default_branch: 'nope' })).status).toBe(404)
  const eve = await hub.user('eve')
  const theirs = await hub.api('/api/repos/model/ada/m/settings', {
    as: eve,
    method: 'PUT',
    body: { private: false },
  })
  expect([theirs.status, theirs.headers.get('x-error-code')]).toEqual([404, 'RepoNotFound'])
})

test('likes are counted once, listed, and a private repository stays out of them', async () => {
  const { hub, ada } = await hubWithRepo()
  const eve = await hub.user('eve')
  const like = (method: string) => hub.api(`${API}/like`, { as: eve, method })
  expect((await like('POST')).json.likes_count).toBe(1)
  expect((await like('POST')).json.likes_count).toBe(1)
  await hub.api(`${API}/like`, { as: ada, method: 'POST' })
  expect((await hub.api(`${API}/like`, { method: 'POST' })).status).toBe(401)
  const page = await hub.api(`${API}/likers?limit=1`)
  expect(page.json).toMatchObject([{ user: 'eve', fullname: 'eve' }])
  const next = /^<(.*)>; rel="next"$/.exec(page.headers.get('link') ?? '')?.[1] ?? ''
  expect(next.startsWith(`${hub.url}${API}/likers?`)).toBe(true)
  const last = await hub.api(next.slice(hub.url.length))
  expect(last.json).toMatchObject([{ user: 'ada' }])
  expect(last.headers.get('link')).toBeNull()
  expect((await hub.api('/api/users/eve/likes')).json).toMatchObject([
    { repo: { name: 'ada/m', type: 'model' } },
  ])
  await hub.api(`${API}/settings`, { as: ada, method: 'PUT', body: { private: true } })
  expect((await hub.api('/api/users/eve/likes')).json).toEqual([])
  expect((await hub.api('/api/users/ada/likes', { as: ada })).json).toHaveLength(1)
  expect((await hub.api(`${API}/like`, { as: ada, method: 'DELETE' })).json.likes_count).toBe(1)
})

test('a duplicate has the files in one commit and serves the LFS objects', async () => {
  const { hub, ada } = await hubWithRepo()
  const bytes = Buffer.from('weights '.repeat(100))
  const oid = await uploadLfs(hub, ada, 'ada/m', bytes)
  await commit(hub, ada, [
    header(),
    file('a.txt', 'hello'),
    file('big.txt', 'x'.repeat(3_000_000)),
    { key: 'lfsFile', value: { path: 'a.bin', algo: 'sha256', oid, size: bytes.length } },
  ])
  const eve = await hub.user('eve')
  const made = await hub.api(`${API}/duplicate`, {
    as: eve,
    body: { repository: 'eve/copy', visibility: 'private' },
  })
  expect([made.status, made.json.url]).toEqual([200, `${hub.url}/eve/copy`])
  const again = await hub.api(`${API}/duplicate`, { as: eve, body: { repository: 'eve/copy' } })
  expect([again.status, again.json.url]).toEqual([409, `${hub.url}/eve/copy`])
  const work = await clone(hub, eve, { repo: 'eve/copy' })
  expect(await gitOk(work, ['rev-list', '--count', 'HEAD'])).toBe('1')
  expect(await gitOk(work, ['log', '-1', '--format=%s|%an'])).toBe('Duplicate from ada/m|eve')
  const source = await clone(hub, ada)
  expect(await gitOk(work, ['rev-parse', 'HEAD^{tree}'])).toBe(
    await gitOk(source, ['rev-parse', 'HEAD^{tree}']),
  )
  const reply = await fetch(`${hub.url}/eve/copy/resolve/main/a.bin`, {
    headers: { Authorization: `Bearer ${eve.token}` },
  })
  expect(Buffer.from(await reply.arrayBuffer()).equals(bytes)).toBe(true)
})

test('names that are no text come through a duplicate byte for byte, without the history', async () => {
  const { hub, ada } = await hubWithRepo()
  const work = await clone(hub, ada)
  await writeFile(Buffer.concat([Buffer.from(`${work}/`), Buffer.from([0x66, 0xff, 0xfe])]), 'one')
  await writeFile(Buffer.concat([Buffer.from(`${work}/`), Buffer.from([0xe9, 0x0a])]), 'two')
  await symlink('nowhere', `${work}/link`)
  await writeFile(`${work}/run`, 'three', { mode: 0o755 })
  await gitOk(work, ['add', '-A'])
  await gitOk(work, ['commit', '-q', '-m', 'names'])
  await gitOk(work, ['push', '-q', 'origin', 'HEAD:main'])
  const tree = await gitOk(work, ['rev-parse', 'HEAD^{tree}'])
  const made = await hub.api(`${API}/duplicate`, { as: ada, body: { repository: 'ada/copy' } })
  expect(made.status).toBe(200)
  const copy = await bareDir(hub, 'ada', 'copy')
  expect(await gitOk(copy, ['rev-parse', 'main^{tree}'])).toBe(tree)
  expect(await gitOk(copy, ['rev-list', '--all', '--count'])).toBe('1')
  const absent = await git(copy, ['cat-file', '-e', await gitOk(work, ['rev-parse', 'HEAD'])])
  expect(absent.code).not.toBe(0)
  await expectClean(copy)
})

test('discussions and pull requests share their numbers', async () => {
  const { hub, ada } = await hubWithRepo()
  const eve = await hub.user('eve')
  const post = (body: unknown) => hub.api(`${API}/discussions`, { as: eve, body })
  const talk = await post({ title: 'A question', description: 'why?', pullRequest: false })
  expect(talk.json).toMatchObject({ num: 1, status: 'open', isPullRequest: false })
  const pull = await post({ title: 'A change', description: '', pullRequest: true })
  expect(pull.json).toMatchObject({ num: 2, status: 'draft', isPullRequest: true })
  expect((await hub.api(`${API}/refs?include_prs=1`)).json.pullRequests).toMatchObject([
    { name: '2', ref: 'refs/pr/2' },
  ])
  const more = await commit(hub, eve, [header(), file('x', 'y')], `${API}/commit/refs%2Fpr%2F2`)
  expect(more.status).toBe(200)
  const talkRef = await commit(hub, ada, [header(), file('x', 'y')], `${API}/commit/refs%2Fpr%2F1`)
  expect(talkRef.headers.get('x-error-code')).toBe('RevisionNotFound')
  expect((await hub.api(`${API}/discussions/2`)).json).toMatchObject({
    num: 2,
    author: { name: 'eve' },
    repo: { name: 'ada/m', type: 'model' },
    changes: { base: 'refs/heads/main' },
    events: [
      { type: 'comment', data: { latest: { raw: '' } } },
      { type: 'commit', data: { subject: 'a commit', oid: more.json.commitOid } },
    ],
  })
  const list = await hub.api(`${API}/discussions?type=pull_request`)
  expect(list.json).toMatchObject({ count: 1, start: 0, discussions: [{ num: 2 }] })
  expect((await hub.api(`${API}/discussions?p=9`)).json.discussions).toEqual([])
  expect((await hub.api(`${API}/discussions/77`)).status).toBe(404)
})

test('yaml of a card is really checked', async () => {
  const { hub } = await hubWithRepo()
  const ask = (content: string, repoType = 'model') =>
    hub.api('/api/validate-yaml', { body: { content, repoType } })
  expect((await ask('---\nlicense: mit\ntags: [a, b]\n---\n# Title\n')).json).toEqual({
    errors: [],
    warnings: [],
  })
  const noCard = await ask('# Title\n')
  expect([noCard.status, noCard.json.warnings.length]).toEqual([200, 1])
  const cases: [string, string, RegExp][] = [
    ['---\nlicense: [mit\n---\n', 'model', /flow|sequence|\]/i],
    ['---\ntags: hello\n---\n', 'model', /"tags"/],
    ['---\nsdk: cobol\n---\n', 'space', /"sdk"/],
    ['---\na: 1\na: 2\n---\n', 'model', /unique/i],
    ['---\nlicense: mit\n', 'model', /not closed/],
    ['---\n- a\n---\n', 'model', /object/],
  ]
  for (const [content, kind, message] of cases) {
    const reply = await ask(content, kind)
    expect([content, reply.status, reply.json.errors[0].message]).toEqual([
      content,
      400,
      expect.stringMatching(message),
    ])
  }
  expect((await hub.api('/api/validate-yaml', { body: 'not json' })).json.errors).toHaveLength(1)
})

test('the oldest upload takes a raw body and a form', async () => {
  const { hub, ada } = await hubWithRepo()
  const raw = await fetch(`${hub.url}/api/models/ada/m/upload/main/dir/raw.txt`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${ada.token}`, 'Content-Type': 'application/octet-stream' },
    body: 'raw bytes',
  })
  expect([raw.status, await raw.json()]).toMatchObject([
    200,
    { url: `${hub.url}/ada/m/resolve/main/dir/raw.txt` },
  ])
  const form = new FormData()
  form.set('file', new Blob(['form bytes']), 'whatever.txt')
  const formed = await fetch(`${hub.url}/api/model/ada/m/upload/main/form.txt`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${ada.token}` },
    body: form,
  })
  expect(formed.status).toBe(200)
  const bad = await fetch(`${hub.url}/api/models/ada/m/upload/main/x`, {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${ada.token}`,
      'Content-Type': 'multipart/form-data; boundary=x',
    },
    body: 'garbage',
  })
  expect(bad.status).toBe(400)
  // bytes that are no gzip must not leave the form waiting for the rest
  for (const type of ['application/octet-stream', 'multipart/form-data; boundary=x']) {
    const broken = await fetch(`${hub.url}/api/models/ada/m/upload/main/x`, {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${ada.token}`,
        'Content-Type': type,
        'Content-Encoding': 'gzip',
      },
      body: 'no gzip',
      signal: AbortSignal.timeout(10_000),
    })
    expect([type, broken.status]).toEqual([type, 400])
  }
  const work = await clone(hub, ada)
  expect(await gitOk(work, ['show', 'HEAD~1:dir/raw.txt'])).toBe('raw bytes')
  expect(await gitOk(work, ['show', 'HEAD:form.txt'])).toBe('form bytes')
})
