import { expect, test } from 'vitest'
import { ADMIN_TOKEN, startTestHub, type TestHub, type TestUser } from '../support/hub.js'

const ADMIN = { 'X-Admin-Token': ADMIN_TOKEN }

async function members(hub: TestHub, org: string): Promise<Record<string, string>> {
  const { json } = await hub.api(`/org/${org}/members`)
  return Object.fromEntries(
    json.members.map((it: { user: string; role: string }) => [it.user, it.role]),
  )
}
const setRole = async (hub: TestHub, as: TestUser, user: string, role: string) =>
  (await hub.api(`/org/lab/members/${user}`, { as, method: 'PUT', body: { role } })).status
const add = async (hub: TestHub, as: TestUser, username: string, role: string) =>
  (await hub.api('/org/lab/members', { as, body: { username, role } })).status
const remove = async (hub: TestHub, as: TestUser, user: string) =>
  (await hub.api(`/org/lab/members/${user}`, { as, method: 'DELETE' })).status

for (const base of ['/org', '/api/organizations'])
  test(`organisations by ${base}: made, shown, members added, changed and removed`, async () => {
    const hub = await startTestHub()
    const ada = await hub.user('ada')
    await hub.user('bob')
    const made = await hub.api(`${base}/create`, {
      as: ada,
      body: { name: 'lab', description: 'a lab' },
    })
    expect(made.json).toMatchObject({ success: true, name: 'lab' })
    expect((await hub.api(`${base}/lab`)).json).toMatchObject({ name: 'lab', description: 'a lab' })
    const call = (method: string, path: string, body?: object) =>
      hub.api(`${base}/lab/members${path}`, { as: ada, method, ...(body ? { body } : {}) })
    expect((await call('POST', '', { username: 'bob', role: 'member' })).status).toBe(200)
    expect((await call('POST', '', { username: 'bob', role: 'member' })).status).toBe(409)
    expect((await call('POST', '', { username: 'nobody', role: 'member' })).status).toBe(404)
    expect(await members(hub, 'lab')).toEqual({ ada: 'super-admin', bob: 'member' })
    expect((await call('PUT', '/bob', { role: 'visitor' })).status).toBe(200)
    expect((await hub.api(`${base}/users/bob/orgs`)).json).toEqual({
      organizations: [{ name: 'lab', role: 'visitor' }],
    })
    expect((await call('PUT', '/bob', { role: 'emperor' })).status).toBe(400)
    expect((await call('DELETE', '/bob')).status).toBe(200)
    expect((await call('DELETE', '/bob')).status).toBe(404)
    expect(await members(hub, 'lab')).toEqual({ ada: 'super-admin' })
  })

test('the members of an organisation as huggingface_hub reads them', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await hub.org('lab', ada)
  expect((await hub.api('/api/organizations/lab/members')).json).toMatchObject([
    { user: 'ada', fullname: 'ada', avatarUrl: `${hub.url}/api/users/ada/avatar` },
  ])
})

test('only owners make and unmake owners, and one is always left', async () => {
  const hub = await startTestHub()
  const [ada, adm, mem, eve] = await Promise.all(
    ['ada', 'adm', 'mem', 'eve'].map((it) => hub.user(it)),
  )
  if (!ada || !adm || !mem || !eve) throw new Error('no users')
  await hub.org('lab', ada, { adm: 'admin', mem: 'contributor' })
  expect(await add(hub, adm, 'eve', 'super-admin')).toBe(403)
  expect(await setRole(hub, adm, 'adm', 'super-admin')).toBe(403)
  expect(await setRole(hub, adm, 'adm', 'owner')).toBe(403)
  expect(await setRole(hub, adm, 'ada', 'visitor')).toBe(403)
  expect(await remove(hub, adm, 'ada')).toBe(403)
  expect(await setRole(hub, mem, 'mem', 'admin')).toBe(403)
  expect(await add(hub, mem, 'eve', 'visitor')).toBe(403)
  expect(await add(hub, eve, 'eve', 'visitor')).toBe(403)
  expect(await setRole(hub, ada, 'ada', 'admin')).toBe(409)
  expect(await remove(hub, ada, 'ada')).toBe(409)
  expect(await add(hub, adm, 'eve', 'admin')).toBe(200)
  expect(await setRole(hub, ada, 'eve', 'owner')).toBe(200)
  expect(await remove(hub, ada, 'ada')).toBe(200)
  expect(await members(hub, 'lab')).toEqual({ adm: 'admin', mem: 'member', eve: 'super-admin' })
  expect(await remove(hub, mem, 'mem')).toBe(200)
})

test('two owners who leave at the same moment do not leave an organisation without one', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const bob = await hub.user('bob')
  await hub.org('lab', ada, { bob: 'owner' })
  const statuses = await Promise.all([remove(hub, ada, 'ada'), remove(hub, bob, 'bob')])
  expect(statuses.sort()).toEqual([200, 409])
})

test('read-only and repository tokens do not manage anything', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await hub.user('bob')
  await hub.org('lab', ada)
  const { json } = await hub.api('/api/repos/create', {
    as: ada,
    body: { name: 'm', organization: 'lab' },
  })
  for (const options of [{ role: 'read' as const }, { repoIds: [json.id] }]) {
    const as = { ...ada, token: await hub.token(ada.user, options) }
    expect(await add(hub, as, 'bob', 'visitor')).toBe(403)
    expect(await remove(hub, as, 'ada')).toBe(403)
    expect((await hub.api('/org/create', { as, body: { name: 'other' } })).status).toBe(403)
  }
})

test('a removed member loses access at once, tokens included', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const bob = await hub.user('bob')
  await hub.org('lab', ada, { bob: 'contributor' })
  await hub.api('/api/repos/create', {
    as: ada,
    body: { name: 'm', organization: 'lab', private: true },
  })
  const info = '/lab/m.git/info/refs?service=git-receive-pack'
  expect((await hub.api(info, { as: bob })).status).toBe(200)
  expect(await remove(hub, ada, 'bob')).toBe(200)
  expect((await hub.api(info, { as: bob })).status).toBe(404)
})

test('invitations: once, many times, by e-mail, until they end or are withdrawn', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const guests = await Promise.all(['bob', 'cyd', 'dan'].map((it) => hub.user(it)))
  const [bob, cyd, dan] = guests
  if (!bob || !cyd || !dan) throw new Error('no guests')
  await hub.org('lab', ada)
  const invite = async (body: object) =>
    (await hub.api('/api/invitations/org/lab/create', { as: ada, body })).json
  const accept = async (token: string, as: TestUser) =>
    (await hub.api(`/api/invitations/${token}/accept`, { as, method: 'POST' })).status

  const once = await invite({ role: 'member', expires_days: 1 })
  expect(once).toMatchObject({
    max_usage: 1,
    is_reusable: false,
    invitation_link: `${hub.url}/invitations/${once.token}`,
  })
  expect((await hub.api(`/api/invitations/${once.token}`)).json).toMatchObject({
    action: 'join_org',
    org_name: 'lab',
    role: 'member',
    is_available: true,
  })
  const both = await Promise.all([accept(once.token, bob), accept(once.token, cyd)])
  expect(both.sort()).toEqual([200, 400])
  expect((await hub.api(`/api/invitations/${once.token}`)).json.is_available).toBe(false)

  const many = await invite({ role: 'visitor', max_usage: -1 })
  for (const guest of guests) expect(await accept(many.token, guest)).toBe(200)
  expect(Object.values(await members(hub, 'lab')).sort()).toEqual([
    'member',
    'super-admin',
    'visitor',
    'visitor',
  ])

  const mail = await invite({ role: 'admin', email: 'dan@example.org' })
  expect(await accept(mail.token, bob)).toBe(403)
  const { json } = await hub.api('/api/invitations/org/lab/list', { as: ada })
  expect(json.invitations).toHaveLength(3)
  expect(JSON.stringify(json)).not.toContain(mail.token)
  const withdraw = (id: string, as: TestUser) =>
    hub.api(`/api/invitations/${id}`, { as, method: 'DELETE' })
  expect((await withdraw(mail.token, dan)).status).toBe(403)
  expect((await withdraw(json.invitations[2].id, ada)).status).toBe(200)
  expect((await hub.api(`/api/invitations/${mail.token}`)).status).toBe(404)
})

test('nobody invites above the own role', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const adm = await hub.user('adm')
  const mem = await hub.user('mem')
  await hub.org('lab', ada, { adm: 'admin', mem: 'contributor' })
  const invite = async (as: TestUser, role: string) =>
    (await hub.api('/api/invitations/org/lab/create', { as, body: { role } })).status
  expect(await invite(adm, 'super-admin')).toBe(403)
  expect(await invite(adm, 'admin')).toBe(200)
  expect(await invite(mem, 'visitor')).toBe(403)
})

test('profiles and settings of users and organisations', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await hub.org('lab', ada)
  const put = (path: string, body: object) => hub.api(path, { as: ada, method: 'PUT', body })
  const settings = { full_name: 'Ada L.', bio: 'counts', website: 'https://ada.example' }
  expect((await put('/api/users/ada/settings', settings)).status).toBe(200)
  expect((await put('/api/users/ada/settings', { social_media: { github: 'ada' } })).status).toBe(
    200,
  )
  expect((await hub.api('/api/users/ada/profile')).json).toMatchObject({
    username: 'ada',
    ...settings,
    social_media: { github: 'ada' },
  })
  expect((await hub.api('/api/users/ada/profile')).text).not.toContain('example.org')
  expect((await put('/api/users/ada/settings', { website: 'javascript:alert(1)' })).status).toBe(
    400,
  )
  expect((await put('/api/users/lab/settings', {})).status).toBe(403)
  expect(
    (await put('/api/organizations/lab/settings', { description: 'd', bio: 'b' })).status,
  ).toBe(200)
  expect((await hub.api('/api/organizations/lab/profile')).json).toMatchObject({
    name: 'lab',
    description: 'd',
    bio: 'b',
    member_count: 1,
  })
  expect((await hub.api('/api/users/lab/type')).json).toEqual({ type: 'org' })
  expect((await hub.api('/api/users/nobody/type')).status).toBe(404)
})

test('avatars are small images by their own bytes, and cannot act as pages', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const eve = await hub.user('eve')
  const png = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.alloc(100)])
  const path = '/api/users/ada/avatar'
  const send = (body: Buffer | FormData, as = ada) =>
    fetch(`${hub.url}${path}`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${as.token}` },
      body: body instanceof FormData ? body : new Uint8Array(body),
    })
  expect((await hub.api(path)).status).toBe(404)
  expect((await send(Buffer.from('<svg onload="x"/>'))).status).toBe(415)
  expect((await send(Buffer.concat([png, Buffer.alloc(3_000_000)]))).status).toBe(413)
  expect((await send(png, eve)).status).toBe(403)
  const form = new FormData()
  form.append('file', new Blob([new Uint8Array(png)], { type: 'text/html' }), 'a.html')
  expect((await send(form)).status).toBe(200)
  const shown = await fetch(`${hub.url}${path}`)
  expect(Buffer.from(await shown.arrayBuffer()).equals(png)).toBe(true)
  expect([
    shown.headers.get('content-type'),
    shown.headers.get('x-content-type-options'),
    shown.headers.get('content-security-policy'),
  ]).toEqual(['image/png', 'nosniff', "default-src 'none'; sandbox"])
  expect((await hub.api(path, { as: ada, method: 'DELETE' })).status).toBe(200)
  expect((await hub.api(path)).status).toBe(404)
})

test('statistics and trending count sessions, for those who may see', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const create = async (name: string, body: object = {}) =>
    (await hub.api('/api/repos/create', { as: ada, body: { name, ...body } })).json.id as string
  const open = await create('open')
  const quiet = await create('quiet')
  const secret = await create('secret', { private: true })
  const { repos } = hub.domain.stores
  const visit = (repoId: string, visitor: string, known: boolean) =>
    repos.countDownloads([{ repoId, visitor, known, files: 1 }])
  await visit(open, 'a', true)
  await visit(open, 'a', true)
  await visit(open, 'b', false)
  await visit(secret, 'a', true)
  await repos.refreshTrending()
  expect((await hub.api('/api/models/ada/open/stats')).json).toEqual({ downloads: 2, likes: 0 })
  const today = new Date().toISOString().slice(0, 10)
  expect((await hub.api('/api/models/ada/open/stats/recent?days=1')).json).toEqual({
    stats: [{ date: today, downloads: 2, authenticated: 1, anonymous: 1, files: 3 }],
    period: { start: today, end: today, days: 1 },
  })
  expect((await hub.api('/api/models/ada/open/stats/recent?days=366')).status).toBe(422)
  const names = async (as?: TestUser) =>
    (await hub.api('/api/trending?days=7&limit=5', as ? { as } : {})).json.trending.map(
      (it: { id: string; recent_downloads: number }) => [it.id, it.recent_downloads],
    )
  expect(await names()).toEqual([['ada/open', 2]])
  expect(await names(ada)).toEqual([
    ['ada/open', 2],
    ['ada/secret', 1],
  ])
  const score = async (id: string) => (await repos.findById(id))?.trendingScore
  expect(await score(open)).toBeCloseTo(Math.log(3))
  expect(await score(quiet)).toBe(0)
})

test('administration: users are made, changed, given quotas and removed with what they own', async () => {
  const hub = await startTestHub()
  const boss = await hub.user('boss', { admin: true, role: 'admin' })
  const bossWrites = { ...boss, token: await hub.token(boss.user, { role: 'write' }) }
  const call = (path: string, options: object = {}) =>
    hub.api(`/admin/api${path}`, { headers: ADMIN, ...options })
  expect((await hub.api('/admin/api/users', { as: boss })).status).toBe(200)
  expect((await hub.api('/admin/api/users', { as: bossWrites })).status).toBe(403)
  const made = await call('/users', {
    body: { username: 'ada', password: 'ada-password', private_quota_bytes: 100_000 },
  })
  expect(made.json).toMatchObject({ username: 'ada', quota: { private_quota_bytes: 100_000 } })
  expect((await call('/users', { body: { username: 'ADA' } })).status).toBe(409)
  const quota = { method: 'PUT', body: { public_quota_bytes: 5_000 } }
  expect((await call('/users/ada/quota', quota)).json.public_quota_bytes).toBe(5_000)
  const { json } = await call('/users?limit=1')
  expect([json.users.length, json.total, json.next_after]).toEqual([1, 2, json.users[0].id])
  const user = await hub.domain.stores.accounts.findUser('ada')
  if (!user) throw new Error('no ada')
  const ada = { user, name: 'ada', token: await hub.token(user, {}) }
  await hub.api('/api/repos/create', { as: ada, body: { name: 'm', private: true } })
  expect((await call('/repositories?search=ada')).json).toMatchObject({
    total: 1,
    repositories: [{ full_id: 'ada/m', private: true }],
  })
  expect((await call('/repositories/model/ada/m')).json.storage.is_inheriting).toBe(true)
  expect((await call('/search?q=ad')).json).toMatchObject({ users: ['ada'] })
  expect((await call('/stats')).json).toMatchObject({ users: 2, private_repositories: 1 })
  expect((await call('/quota/overview')).json.users).toHaveLength(2)
  expect((await call('/repositories/recalculate-all', { method: 'POST' })).json.recalculated).toBe(
    1,
  )
  expect((await call('/health/dependencies')).json.overall).toBe('ok')
  expect((await call('/tokens')).json.tokens.map((it: { user: string }) => it.user)).toContain(
    'ada',
  )

  await hub.api('/org/create', { as: ada, body: { name: 'lab' } })
  expect((await call('/users/ada?force=true', { method: 'DELETE' })).status).toBe(409)
  await hub.api('/org/lab/members', { as: ada, body: { username: 'boss', role: 'owner' } })
  expect((await call('/users/ada', { method: 'DELETE' })).status).toBe(409)
  expect((await call('/users/ada?force=true', { method: 'DELETE' })).status).toBe(200)
  expect((await hub.api('/api/whoami-v2', { as: ada })).status).toBe(401)
  await expect
    .poll(() => hub.domain.stores.accounts.findUser('ada'), { timeout: 20_000 })
    .toBeUndefined()
  expect((await call('/users', { body: { username: 'ada' } })).status).toBe(200)
  expect((await hub.api('/api/users/ada/repos')).json.models).toEqual([])
})
