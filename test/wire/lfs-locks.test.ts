import { expect, test } from 'vitest'
import { startTestHub, type TestHub, type TestUser } from '../support/hub.js'
import { createRepo, LFS_HEADERS, LFS_JSON } from '../support/lfs.js'

/* git-lfs docs/api/locking.md */

async function start() {
  const hub = await startTestHub()
  const [ada, bob, eve] = [await hub.user('ada'), await hub.user('bob'), await hub.user('eve')]
  await hub.org('acme', ada, { bob: 'contributor', eve: 'reader' })
  await createRepo(hub, ada, 'r', { organization: 'acme' })
  const call = (as: TestUser | undefined, rest: string, body?: unknown) =>
    hub.api(`/acme/r.git/info/lfs/locks${rest}`, {
      ...(as ? { as } : {}),
      ...(body === undefined ? {} : { body }),
      headers: LFS_HEADERS,
    })
  const lock = async (as: TestUser, path: string, ref?: string) =>
    (await call(as, '', { path, ...(ref ? { ref: { name: ref } } : {}) })).json.lock
  return { hub, ada, bob, eve, call, lock }
}

test('a lock is made once, told with its owner, and a second one gets the first as answer', async () => {
  const { ada, bob, call } = await start()
  const made = await call(bob, '', { path: 'data/model.bin', ref: { name: 'refs/heads/main' } })
  expect([made.status, made.headers.get('content-type')]).toEqual([
    201,
    expect.stringContaining(LFS_JSON),
  ])
  expect(made.json.lock).toEqual({
    id: expect.stringMatching(/^\w+$/),
    path: 'data/model.bin',
    locked_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
    owner: { name: 'bob' },
  })
  for (const as of [ada, bob]) {
    const again = await call(as, '', { path: 'data/model.bin' })
    expect([again.status, again.json.lock, typeof again.json.message]).toEqual([
      409,
      made.json.lock,
      'string',
    ])
  }
})

test('paths that are none are refused', async () => {
  const { bob, call } = await start()
  for (const path of [
    '',
    '/etc/passwd',
    '../x',
    'a/../../b',
    'a//b',
    'a/',
    'a\0b',
    'x\n',
    'y'.repeat(5000),
    7,
  ])
    expect([path, (await call(bob, '', { path })).status]).toEqual([path, 422])
  expect((await call(bob, '', {})).status).toBe(422)
})

test('readers list and filter; who may not see the repository does not', async () => {
  const { hub, ada, bob, eve, call, lock } = await start()
  const a = await lock(bob, 'a.bin', 'refs/heads/main')
  const b = await lock(ada, 'dir/b c.bin')
  const list = async (as: TestUser | undefined, query = '') =>
    (await call(as, query)).json.locks?.map((it: { path: string }) => it.path).sort()
  expect(await list(eve)).toEqual(['a.bin', 'dir/b c.bin'])
  expect(await list(undefined)).toEqual(['a.bin', 'dir/b c.bin'])
  expect(await list(eve, `?path=${encodeURIComponent('dir/b c.bin')}`)).toEqual(['dir/b c.bin'])
  expect(await list(eve, `?id=${a.id}`)).toEqual(['a.bin'])
  expect(await list(eve, `?id=${b.id}&path=a.bin`)).toEqual([])
  expect(await list(eve, '?refspec=refs/heads/main')).toEqual(['a.bin'])
  expect(await list(eve, '?path=absent')).toEqual([])
  await hide(hub)
  const stranger = await hub.user('mallory')
  expect((await call(undefined, '')).status).toBe(401)
  expect((await call(stranger, '')).status).toBe(404)
  expect(await list(eve)).toHaveLength(2)
})

async function hide(hub: TestHub) {
  const address = { kind: 'model', namespace: 'acme', name: 'r' } as const
  const repo = await hub.domain.stores.repos.findByAddress(address)
  if (!repo) throw new Error('no repository')
  const actor = { id: null, name: null, address: '' }
  const event = { type: 'repo.settings', repo, actor, dialect: 'test', data: {} }
  await hub.domain.stores.repos.updateSettings(repo.id, { visibility: 'private' }, event)
}

test('lists come in pages that miss nothing, in verify too', async () => {
  const { ada, bob, call, lock } = await start()
  const paths = Array.from({ length: 25 }, (_, n) => `file-${String(n).padStart(2, '0')}`)
  for (const [n, path] of paths.entries()) await lock(n % 2 ? ada : bob, path)
  const seen: string[] = []
  for (let cursor = ''; ; ) {
    const { json } = await call(bob, `?limit=10${cursor && `&cursor=${cursor}`}`)
    seen.push(...json.locks.map((it: { path: string }) => it.path))
    if (!json.next_cursor) break
    cursor = json.next_cursor
  }
  expect(seen.sort()).toEqual(paths)
  const ours: string[] = []
  const theirs: string[] = []
  for (let cursor: string | undefined; ; ) {
    const { json } = await call(bob, '/verify', { limit: 7, ...(cursor ? { cursor } : {}) })
    ours.push(...json.ours.map((it: { path: string }) => it.path))
    theirs.push(...json.theirs.map((it: { path: string }) => it.path))
    cursor = json.next_cursor
    if (!cursor) break
  }
  expect(ours.sort()).toEqual(paths.filter((_, n) => n % 2 === 0))
  expect(theirs.sort()).toEqual(paths.filter((_, n) => n % 2 === 1))
  for (const limit of ['0', '-1', 'x', '100000'])
    expect((await call(bob, `?limit=${limit}`)).json.locks).toHaveLength(25)
})

test('readers and strangers neither lock, verify nor unlock', async () => {
  const { ada, eve, call, lock } = await start()
  const { id } = await lock(ada, 'a')
  for (const [rest, body] of [
    ['', { path: 'b' }],
    ['/verify', {}],
    [`/${id}/unlock`, {}],
  ] as const) {
    expect([rest, (await call(eve, rest, body)).status]).toEqual([rest, 403])
    expect([rest, (await call(undefined, rest, body)).status]).toEqual([rest, 401])
  }
})

test('a lock goes by its owner, another’s by an admin who insists', async () => {
  const { ada, bob, call, lock } = await start()
  const mine = await lock(bob, 'mine')
  const other = await lock(ada, 'other')
  expect((await call(bob, '/nosuch/unlock', {})).status).toBe(404)
  expect((await call(bob, `/${other.id}/unlock`, {})).status).toBe(403)
  expect((await call(bob, `/${other.id}/unlock`, { force: true })).status).toBe(403)
  expect((await call(ada, `/${mine.id}/unlock`, {})).status).toBe(403)
  const gone = await call(bob, `/${mine.id}/unlock`, { ref: { name: 'refs/heads/main' } })
  expect([gone.status, gone.json.lock]).toEqual([200, mine])
  expect((await call(bob, `/${mine.id}/unlock`, {})).status).toBe(404)
  const again = await lock(bob, 'mine')
  expect((await call(ada, `/${again.id}/unlock`, { force: true })).status).toBe(200)
  expect((await call(ada, '')).json.locks.map((it: { id: string }) => it.id)).toEqual([other.id])
})

test('two who lock at once get one lock between them', async () => {
  const { ada, bob, call } = await start()
  const replies = await Promise.all([ada, bob, ada, bob].map((as) => call(as, '', { path: 'x' })))
  expect(replies.map((it) => it.status).sort()).toEqual([201, 409, 409, 409])
  expect(new Set(replies.map((it) => it.json.lock.id)).size).toBe(1)
})
