import { expect, test } from 'vitest'
import { clone, commit, file, header, hubWithRepo } from '../support/hf.js'
import { gitOk } from '../support/hub.js'

const API = '/api/models/ada/m'

test('branches are made from a revision, empty, over another, and deleted', async () => {
  const { hub, ada } = await hubWithRepo()
  const first = (await commit(hub, ada, [header(), file('a.txt', '1')])).json.commitOid
  await commit(hub, ada, [header(), file('b.txt', '2')])
  const post = (name: string, body: unknown) =>
    hub.api(`${API}/branch/${encodeURIComponent(name)}`, { as: ada, body })
  expect((await post('dev', {})).status).toBe(200)
  expect((await post('feature/old', { startingPoint: first })).status).toBe(200)
  expect((await post('empty', { emptyBranch: true })).status).toBe(200)
  const again = await post('dev', {})
  expect([again.status, again.json.error, again.headers.get('x-error-message')]).toEqual([
    409,
    'Reference refs/heads/dev already exists',
    'Reference refs/heads/dev already exists',
  ])
  expect((await post('dev', { startingPoint: first, overwrite: true })).status).toBe(200)
  expect((await post('dev/sub', {})).status).toBe(409)
  expect((await post('refs/heads/x', {})).status).toBe(400)
  expect((await post('with space', {})).status).toBe(400)
  expect((await post('x', { startingPoint: 'nope' })).headers.get('x-error-code')).toBe(
    'RevisionNotFound',
  )
  const { branches } = (await hub.api(`${API}/refs`)).json
  expect(branches.map((it: { name: string }) => it.name)).toEqual([
    'main',
    'dev',
    'empty',
    'feature/old',
  ])
  expect(branches[1].targetCommit).toBe(first)
  const work = await clone(hub, ada, { ref: 'empty' })
  expect(await gitOk(work, ['ls-tree', '-r', 'HEAD'])).toBe('')

  const drop = (name: string) =>
    hub.api(`${API}/branch/${encodeURIComponent(name)}`, { as: ada, method: 'DELETE' })
  expect((await drop('feature/old')).status).toBe(200)
  const main = await drop('main')
  expect([main.status, main.json.error]).toEqual([
    403,
    expect.stringContaining('Cannot delete refs/heads/main'),
  ])
  const gone = await drop('feature/old')
  expect([gone.status, gone.headers.get('x-error-code'), gone.json.error]).toEqual([
    404,
    'RevisionNotFound',
    'Invalid rev id: feature/old',
  ])
})

test('tags are made light or annotated, and deleted', async () => {
  const { hub, ada } = await hubWithRepo()
  const { commitOid } = (await commit(hub, ada, [header(), file('a.txt', '1')])).json
  const post = (body: unknown, rev = 'main') =>
    hub.api(`${API}/tag/${encodeURIComponent(rev)}`, { as: ada, body })
  expect((await post({ tag: 'v1' })).status).toBe(200)
  expect((await post({ tag: 'v2', message: 'second' }, commitOid)).status).toBe(200)
  const again = await post({ tag: 'v1' })
  expect([again.status, again.json.error]).toEqual([409, 'Reference refs/tags/v1 already exists'])
  expect((await post({ tag: 'v 3' })).status).toBe(400)
  expect((await post({ tag: 'v3' }, 'nope')).headers.get('x-error-code')).toBe('RevisionNotFound')
  const { tags } = (await hub.api(`${API}/refs`)).json
  expect(tags).toEqual([
    { name: 'v1', ref: 'refs/tags/v1', targetCommit: commitOid },
    { name: 'v2', ref: 'refs/tags/v2', targetCommit: commitOid },
  ])
  const work = await clone(hub, ada)
  expect(
    await gitOk(work, [
      'for-each-ref',
      '--format=%(objecttype) %(contents:subject)',
      'refs/tags/v2',
    ]),
  ).toBe('tag second')
  expect((await hub.api(`${API}/tag/v1`, { as: ada, method: 'DELETE' })).status).toBe(200)
  expect(
    (await hub.api(`${API}/tag/v1`, { as: ada, method: 'DELETE' })).headers.get('x-error-code'),
  ).toBe('RevisionNotFound')
})

test('super-squash leaves one commit on its branch and nothing else changed; git sees it', async () => {
  const { hub, ada } = await hubWithRepo()
  for (const n of [1, 2, 3]) await commit(hub, ada, [header(`c${n}`), file(`${n}.txt`, `${n}`)])
  await hub.api(`${API}/branch/other`, { as: ada, body: {} })
  const done = await hub.api(`${API}/super-squash/main`, {
    as: ada,
    body: { message: 'all in one' },
  })
  expect(done.status).toBe(200)
  const work = await clone(hub, ada)
  expect(await gitOk(work, ['rev-list', '--count', 'origin/main'])).toBe('1')
  expect(await gitOk(work, ['rev-list', '--count', 'origin/other'])).toBe('4')
  expect(await gitOk(work, ['log', '-1', '--format=%s|%an'])).toBe('all in one|ada')
  expect(await gitOk(work, ['diff', '--stat', 'origin/main', 'origin/other'])).toBe('')
  const missing = await hub.api(`${API}/super-squash/nope`, { as: ada, body: {} })
  expect(missing.headers.get('x-error-code')).toBe('RevisionNotFound')
  const repo = await hub.api(API, { as: ada })
  expect(repo.json.sha).toBe(done.json.commitOid)
})

test('refs need the right to write', async () => {
  const { hub } = await hubWithRepo()
  const eve = await hub.user('eve')
  const calls = [
    ['POST', 'branch/x'],
    ['DELETE', 'branch/x'],
    ['POST', 'tag/main'],
    ['DELETE', 'tag/x'],
    ['POST', 'super-squash/main'],
    ['PUT', 'settings'],
  ] as const
  for (const [method, path] of calls) {
    const body = method === 'DELETE' ? undefined : { tag: 'x' }
    const theirs = await hub.api(`${API}/${path}`, { as: eve, method, body })
    const nobodys = await hub.api(`${API}/${path}`, { method, body })
    expect([method, path, theirs.status, nobodys.status]).toEqual([method, path, 403, 401])
  }
})

test('a protected branch refuses commits and deletions through the API as it does pushes', async () => {
  const { hub, ada } = await hubWithRepo()
  const repo = await hub.domain.stores.repos.findByAddress({
    kind: 'model',
    namespace: 'ada',
    name: 'm',
  })
  if (!repo) throw new Error('no repository')
  const rule = {
    pattern: 'main',
    push: 'nobody' as const,
    push_users: [],
    allow_force: false,
    allow_delete: false,
  }
  await hub.domain.protection.write(repo, { enabled: true, rules: [rule] })
  const refused = await commit(hub, ada, [header(), file('a', 'b')])
  expect(refused.status).toBe(403)
  const squash = await hub.api(`${API}/super-squash/main`, { as: ada, body: {} })
  expect(squash.status).toBe(403)
  expect((await hub.api(`${API}/refs`)).json.branches[0].targetCommit).toBe(repo.headOid)
})
