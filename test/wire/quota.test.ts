import { createHash, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  ADMIN_TOKEN,
  git,
  gitOk,
  startTestHub,
  type TestHub,
  type TestUser,
  tempDir,
} from '../support/hub.js'

const ADMIN = { 'X-Admin-Token': ADMIN_TOKEN }
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

async function setQuota(hub: TestHub, path: string, body: object) {
  const reply = await hub.api(`/api/quota/${path}`, { method: 'PUT', headers: ADMIN, body })
  expect(reply.status).toBe(200)
  return reply.json
}
const create = (hub: TestHub, as: TestUser, name: string, body: object = {}) =>
  hub.api('/api/repos/create', { as, body: { name, auto_init: false, ...body } })

/** Statuses of the objects of an upload batch: 0 = an upload is offered, -1 = nothing to do. */
async function offer(hub: TestHub, as: TestUser, repo: string, objects: object[]) {
  const reply = await hub.api(`/${repo}.git/info/lfs/objects/batch`, {
    as,
    body: { operation: 'upload', objects },
  })
  expect(reply.status).toBe(200)
  return reply.json.objects.map((it: { error?: { code: number }; actions?: unknown }) =>
    it.error ? it.error.code : it.actions ? 0 : -1,
  )
}

async function upload(hub: TestHub, as: TestUser, repo: string, bytes: Buffer) {
  const reply = await hub.api(`/${repo}.git/info/lfs/objects/batch`, {
    as,
    body: { operation: 'upload', objects: [{ oid: sha256(bytes), size: bytes.length }] },
  })
  const [object] = reply.json.objects
  if (!object.actions) return object.error ? object.error.code : 'there'
  const { href, header } = object.actions.upload
  return (await fetch(href, { method: 'PUT', body: new Uint8Array(bytes), headers: header })).status
}

test('a batch reserves, so parallel uploads cannot overshoot together', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  for (const name of ['one', 'two']) await create(hub, ada, name)
  await setQuota(hub, 'ada', { public_quota_bytes: 10_000 })
  const objects = Array.from({ length: 30 }, () => randomBytes(1_000))
  const results: number[][] = await Promise.all(
    objects.map((it, n) =>
      offer(hub, ada, n % 2 ? 'ada/one' : 'ada/two', [{ oid: sha256(it), size: it.length }]),
    ),
  )
  expect(results.flat().filter((it) => it === 0)).toHaveLength(10)
  expect(results.flat().filter((it) => it === 507)).toHaveLength(20)
  // what got its offer fits; nothing more does
  const statuses = await Promise.all(
    objects.flatMap((it, n) =>
      results[n]?.[0] === 0 ? [upload(hub, ada, n % 2 ? 'ada/one' : 'ada/two', it)] : [],
    ),
  )
  expect(new Set(statuses)).toEqual(new Set([200]))
  const { json } = await hub.api('/api/quota/ada', { as: ada })
  expect(json.public_used_bytes).toBeLessThanOrEqual(10_000)
  expect(json.public_used_bytes).toBeGreaterThanOrEqual(10_000)
})

test('a batch that does not fit takes nothing, and names the limit', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await create(hub, ada, 'm')
  await setQuota(hub, 'ada', { public_quota_bytes: 3_000 })
  const [a, b, c] = [randomBytes(2_000), randomBytes(2_000), randomBytes(2_500)]
  const object = (it: Buffer) => ({ oid: sha256(it), size: it.length })
  expect(await offer(hub, ada, 'ada/m', [object(a), object(b)])).toEqual([507, 507])
  expect(await offer(hub, ada, 'ada/m', [object(c)])).toEqual([0])
  const full = await hub.api('/ada/m.git/info/lfs/objects/batch', {
    as: ada,
    body: { operation: 'upload', objects: [object(a)] },
  })
  expect(full.json.objects[0].error.message).toMatch(/Quota exceeded: the public storage of ada/)
})

test('an object shared by repositories of one namespace is charged once', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  for (const name of ['one', 'two', 'three']) await create(hub, ada, name)
  await setQuota(hub, 'ada', { public_quota_bytes: 1_500 })
  const bytes = randomBytes(1_000)
  expect(await upload(hub, ada, 'ada/one', bytes)).toBe(200)
  expect(await upload(hub, ada, 'ada/two', bytes)).toBe('there')
  expect(await upload(hub, ada, 'ada/three', bytes)).toBe('there')
  const { json } = await hub.api('/api/quota/ada', { as: ada })
  expect([json.public_used_bytes, json.public_available_bytes]).toEqual([1_000, 500])
})

test('what can be taken over from a readable repository still needs room', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const bob = await hub.user('bob')
  await create(hub, ada, 'source')
  await create(hub, bob, 'copy')
  await setQuota(hub, 'bob', { public_quota_bytes: 500 })
  const bytes = randomBytes(1_000)
  expect(await upload(hub, ada, 'ada/source', bytes)).toBe(200)
  expect(await upload(hub, bob, 'bob/copy', bytes)).toBe(507)
  expect((await hub.api('/api/quota/bob', { as: bob })).json.used_bytes).toBe(0)
  await setQuota(hub, 'bob', { public_quota_bytes: 1_000 })
  expect(await upload(hub, bob, 'bob/copy', bytes)).toBe('there')
  expect((await hub.api('/api/quota/bob', { as: bob })).json.used_bytes).toBe(1_000)
})

test('a push of plain git bytes over the limit is refused, with a reason on the terminal', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const dir = await tempDir()
  await create(hub, ada, 'm')
  await setQuota(hub, 'ada', { public_quota_bytes: 100_000 })
  await gitOk(dir, ['init', 'work'])
  const work = join(dir, 'work')
  await writeFile(join(work, 'big'), randomBytes(200_000))
  await gitOk(work, ['add', '.'])
  await gitOk(work, ['commit', '-m', 'big'])
  const push = await git(work, ['push', hub.gitUrl('ada/m', ada), 'HEAD:main'])
  expect(push.code).not.toBe(0)
  expect(push.stderr).toMatch(/Quota exceeded: the public storage of ada/)
  await setQuota(hub, 'ada', { public_quota_bytes: 300_000 })
  await gitOk(work, ['push', hub.gitUrl('ada/m', ada), 'HEAD:main'])
})

test('parallel pushes cannot overshoot together', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const dir = await tempDir()
  const names = ['a', 'b', 'c', 'd']
  for (const name of names) {
    await create(hub, ada, name)
    await gitOk(dir, ['init', name])
    await writeFile(join(dir, name, 'big'), randomBytes(60_000))
    await gitOk(join(dir, name), ['add', '.'])
    await gitOk(join(dir, name), ['commit', '-m', 'big'])
  }
  await setQuota(hub, 'ada', { public_quota_bytes: 150_000 })
  const pushes = await Promise.all(
    names.map((name) =>
      git(join(dir, name), ['push', hub.gitUrl(`ada/${name}`, ada), 'HEAD:main']),
    ),
  )
  expect(pushes.filter((it) => it.code === 0)).toHaveLength(2)
  const { json } = await hub.api('/api/quota/ada', { as: ada })
  expect(json.public_used_bytes).toBeLessThanOrEqual(150_000)
})

test('a repository’s own limit counts its objects, shared or not', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await create(hub, ada, 'm')
  await setQuota(hub, 'repo/model/ada/m', { quota_bytes: 1_500 })
  const [a, b] = [randomBytes(1_000), randomBytes(1_000)]
  expect(await upload(hub, ada, 'ada/m', a)).toBe(200)
  expect(await upload(hub, ada, 'ada/m', b)).toBe(507)
  const { json } = await hub.api('/api/quota/repo/model/ada/m', { as: ada })
  expect(json).toMatchObject({
    repo_id: 'ada/m',
    repo_type: 'model',
    quota_bytes: 1_500,
    used_bytes: 1_000,
    available_bytes: 500,
    percentage_used: 66.67,
    effective_quota_bytes: 1_500,
    is_inheriting: false,
    namespace_used_bytes: 1_000,
  })
})

test('a repository limit cannot exceed what the namespace has left for it', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await create(hub, ada, 'm')
  await setQuota(hub, 'ada', { public_quota_bytes: 1_000 })
  const put = (quota_bytes: unknown) =>
    hub.api('/api/quota/repo/model/ada/m', { method: 'PUT', headers: ADMIN, body: { quota_bytes } })
  expect((await put(5_000)).status).toBe(400)
  expect((await put(-1)).status).toBe(400)
  expect((await put('many')).status).toBe(400)
  expect((await put(800)).json).toMatchObject({ quota_bytes: 800, effective_quota_bytes: 800 })
  expect((await put(null)).json).toMatchObject({
    quota_bytes: null,
    is_inheriting: true,
    effective_quota_bytes: 1_000,
  })
})

test('the one number of a namespace limits both pools together', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await create(hub, ada, 'open')
  await create(hub, ada, 'secret', { private: true })
  expect(await setQuota(hub, 'ada', { quota_bytes: 2_500 })).toMatchObject({
    namespace: 'ada',
    is_organization: false,
    quota_bytes: 2_500,
    used_bytes: 0,
    available_bytes: 2_500,
    percentage_used: 0,
  })
  expect(await upload(hub, ada, 'ada/open', randomBytes(1_000))).toBe(200)
  expect(await upload(hub, ada, 'ada/secret', randomBytes(1_000))).toBe(200)
  expect(await upload(hub, ada, 'ada/open', randomBytes(1_000))).toBe(507)
  expect(await upload(hub, ada, 'ada/secret', randomBytes(1_000))).toBe(507)
})

test('users do not set quotas, not even their own', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await hub.org('lab', ada)
  await create(hub, ada, 'm')
  const paths = ['ada', 'lab', 'repo/model/ada/m']
  for (const path of paths) {
    const put = (options: object) =>
      hub.api(`/api/quota/${path}`, { method: 'PUT', body: { quota_bytes: 1 }, ...options })
    expect([path, (await put({ as: ada })).status]).toEqual([path, 403])
    expect([path, (await put({})).status]).toEqual([path, 401])
  }
  expect((await hub.api('/api/quota/ada', { as: ada })).json.quota_bytes).toBeNull()
})

test('usage is for those who belong to the namespace; profile pages show the public part', async () => {
  const hub = await startTestHub({ PACKHORSE_PRIVATE_QUOTA_BYTES: '5000' })
  const ada = await hub.user('ada')
  const eve = await hub.user('eve')
  await create(hub, ada, 'open')
  await create(hub, ada, 'secret', { private: true })
  await upload(hub, ada, 'ada/open', randomBytes(1_000))
  await upload(hub, ada, 'ada/secret', randomBytes(2_000))
  expect((await hub.api('/api/quota/ada', { as: eve })).status).toBe(403)
  expect((await hub.api('/api/quota/ada')).status).toBe(401)
  expect((await hub.api('/api/quota/ada/public', { as: ada })).json).toEqual({
    namespace: 'ada',
    is_organization: false,
    public_quota_bytes: null,
    public_used_bytes: 1_000,
    public_available_bytes: null,
    public_percentage_used: null,
    private_quota_bytes: 5_000,
    private_used_bytes: 2_000,
    private_available_bytes: 3_000,
    private_percentage_used: 40,
    total_used_bytes: 3_000,
    can_see_private: true,
  })
  for (const as of [eve, undefined]) {
    const { json, text } = await hub.api('/api/quota/ada/public', as ? { as } : {})
    expect([json.total_used_bytes, json.can_see_private]).toEqual([1_000, false])
    expect(text).not.toContain('private_used')
  }
  const mine = await hub.api('/api/quota/ada/repos', { as: ada })
  expect(mine.json).toMatchObject({ namespace: 'ada', total_repos: 2 })
  expect(mine.json.repositories[0]).toMatchObject({
    repo_id: 'ada/secret',
    repo_type: 'model',
    name: 'secret',
    private: true,
    used_bytes: 2_000,
    is_inheriting: true,
  })
  expect((await hub.api('/api/quota/ada/repos', { as: eve })).json.total_repos).toBe(1)
  expect((await hub.api('/api/quota/repo/model/ada/secret', { as: eve })).status).toBe(404)
  const open = await hub.api('/api/quota/repo/model/ada/open', { as: eve })
  expect([open.json.used_bytes, open.json.namespace_used_bytes]).toEqual([1_000, null])
})

test('moving into a namespace without room is refused and changes nothing', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await hub.org('lab', ada)
  await create(hub, ada, 'm')
  await upload(hub, ada, 'ada/m', randomBytes(2_000))
  await setQuota(hub, 'repo/model/ada/m', { quota_bytes: 9_000 })
  await setQuota(hub, 'lab', { public_quota_bytes: 1_000 })
  const move = (headers = {}) =>
    hub.api('/api/repos/move', {
      ...(Object.keys(headers).length ? { headers } : { as: ada }),
      body: { fromRepo: 'ada/m', toRepo: 'lab/m', type: 'model' },
    })
  const refused = await move()
  expect([refused.status, refused.json.detail]).toEqual([
    400,
    { error: expect.stringMatching(/Quota exceeded/), repo_size_bytes: 2_000 },
  ])
  expect((await hub.api('/api/quota/repo/model/ada/m', { as: ada })).status).toBe(200)
  expect((await hub.api('/api/quota/repo/model/lab/m', { as: ada })).status).toBe(404)
  // within the namespace no room is needed; the administrator is not asked
  const rename = { fromRepo: 'ada/m', toRepo: 'ada/m2', type: 'model' }
  await setQuota(hub, 'ada', { public_quota_bytes: 10 })
  expect((await hub.api('/api/repos/move', { as: ada, body: rename })).status).toBe(200)
  const back = { fromRepo: 'ada/m2', toRepo: 'ada/m', type: 'model' }
  expect((await hub.api('/api/repos/move', { as: ada, body: back })).status).toBe(200)
  expect((await move(ADMIN)).status).toBe(200)
  const { json } = await hub.api('/api/quota/repo/model/lab/m', { as: ada })
  expect([json.quota_bytes, json.namespace_used_bytes]).toEqual([null, 2_000])
  expect((await hub.api('/api/quota/ada', { as: ada })).json.used_bytes).toBe(0)
})

test('parallel moves cannot overshoot together', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await hub.org('lab', ada)
  const names = ['a', 'b', 'c', 'd']
  for (const name of names) {
    await create(hub, ada, name)
    await upload(hub, ada, `ada/${name}`, randomBytes(1_000))
  }
  await setQuota(hub, 'lab', { public_quota_bytes: 2_500 })
  const moves = await Promise.all(
    names.map((name) =>
      hub.api('/api/repos/move', {
        as: ada,
        body: { fromRepo: `ada/${name}`, toRepo: `lab/${name}`, type: 'model' },
      }),
    ),
  )
  expect(moves.map((it) => it.status).sort()).toEqual([200, 200, 400, 400])
})

test('changing the visibility needs room in the other pool', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await create(hub, ada, 'm')
  await upload(hub, ada, 'ada/m', randomBytes(2_000))
  await setQuota(hub, 'ada', { private_quota_bytes: 1_000 })
  const { access, registry } = hub.domain
  const caller = await hub.domain.login.byToken(ada.token, '')
  const change = async (visibility: 'private' | 'internal' | 'public') => {
    const { repo } = await access.open(
      caller,
      { kind: 'model', namespace: 'ada', name: 'm' },
      'admin',
    )
    return registry.changeSettings(repo, { visibility }, { caller, dialect: 'huggingface' })
  }
  await expect(change('private')).rejects.toMatchObject({ code: 'quota_exceeded' })
  await expect(change('internal')).rejects.toMatchObject({ code: 'quota_exceeded' })
  const usage = async () => (await hub.api('/api/quota/ada', { as: ada })).json
  expect(await usage()).toMatchObject({ public_used_bytes: 2_000, private_used_bytes: 0 })
  await setQuota(hub, 'ada', { private_quota_bytes: 2_000 })
  expect((await change('private')).visibility).toBe('private')
  expect(await usage()).toMatchObject({ public_used_bytes: 0, private_used_bytes: 2_000 })
  // private and internal share a pool: no room is needed, even in a full one
  await setQuota(hub, 'ada', { private_quota_bytes: 10 })
  expect((await change('internal')).visibility).toBe('internal')
})

test('squash and delete lower what is used', async () => {
  const hub = await startTestHub({ PACKHORSE_LFS_GRACE_SECONDS: '0' })
  const ada = await hub.user('ada')
  const dir = await tempDir()
  await create(hub, ada, 'm')
  await setQuota(hub, 'repo/model/ada/m', { quota_bytes: 50_000_000 })
  await gitOk(dir, ['init', 'work'])
  const work = join(dir, 'work')
  await gitOk(work, ['lfs', 'install', '--local'])
  await gitOk(work, ['lfs', 'track', '*.bin'])
  for (const version of ['one', 'two']) {
    await writeFile(join(work, 'w.bin'), randomBytes(1_000_000))
    await gitOk(work, ['add', '.'])
    await gitOk(work, ['commit', '-m', version])
  }
  await gitOk(work, ['push', hub.gitUrl('ada/m', ada), 'HEAD:main'])
  const used = async () =>
    (await hub.api('/api/quota/repo/model/ada/m', { as: ada })).json.used_bytes as number
  expect(await used()).toBeGreaterThan(2_000_000)
  const body = { repo: 'ada/m', type: 'model' }
  expect((await hub.api('/api/repos/squash', { as: ada, body })).status).toBe(200)
  await expect.poll(used, { timeout: 20_000 }).toBeLessThan(1_100_000)
  const { json } = await hub.api('/api/quota/repo/model/ada/m', { as: ada })
  expect(json.quota_bytes).toBe(50_000_000)
  await hub.api('/api/repos/delete', { method: 'DELETE', as: ada, body: { name: 'm' } })
  expect((await hub.api('/api/quota/ada', { as: ada })).json.used_bytes).toBe(0)
})

test('recalculate measures anew', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const bob = await hub.user('bob')
  await create(hub, ada, 'm', { auto_init: true })
  const repo = await hub.domain.stores.repos.findByAddress({
    kind: 'model',
    namespace: 'ada',
    name: 'm',
  })
  const right = repo?.gitBytes
  await hub.domain.stores.refs.setGitBytes(repo?.id ?? '', 123_456_789)
  const path = '/api/quota/repo/model/ada/m/recalculate'
  expect((await hub.api(path, { as: bob, method: 'POST' })).status).toBe(403)
  expect((await hub.api(path, { as: ada, method: 'POST' })).json.used_bytes).toBe(right)
  await hub.domain.stores.refs.setGitBytes(repo?.id ?? '', 123_456_789)
  const all = '/api/quota/ada/recalculate'
  expect((await hub.api(all, { as: bob, method: 'POST' })).status).toBe(403)
  expect((await hub.api(all, { as: ada, method: 'POST' })).json.used_bytes).toBe(right)
})
