import { expect, test } from 'vitest'
import { ADMIN_TOKEN, startTestHub, type TestHub } from '../support/hub.js'

const basic = (name: string, password: string) => ({
  Authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
})
const login = (hub: TestHub, username: string, password: string, headers = {}) =>
  hub.api('/api/auth/login', { body: { username, password }, headers })
const cookieOf = (reply: { headers: Headers }) =>
  (reply.headers.get('set-cookie') ?? '').split(';')[0] ?? ''

test('whoami-v2 has every field that clients read', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await hub.org('lab', ada)
  const { status, json } = await hub.api('/api/whoami-v2', { as: ada })
  expect(status).toBe(200)
  expect(json).toMatchObject({
    type: 'user',
    name: 'ada',
    fullname: 'ada',
    email: 'ada@example.org',
    isPro: false,
    canPay: false,
    avatarUrl: `${hub.url}/api/users/ada/avatar`,
    auth: { type: 'access_token', accessToken: { displayName: 'test', role: 'write' } },
  })
  expect(json.orgs).toMatchObject([{ type: 'org', name: 'lab', roleInOrg: 'admin' }])
  expect(json.auth.accessToken.createdAt).toMatch(/^\d{4}-.*Z$/)
  expect((await hub.api('/api/whoami', { as: ada })).json).toEqual(json)
})

test('whoami-v2 tells read-only and repository tokens apart, and refuses everything else', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const { json: made } = await hub.api('/api/repos/create', { as: ada, body: { name: 'one' } })
  const read = { ...ada, token: await hub.token(ada.user, { role: 'read' }) }
  const scoped = { ...ada, token: await hub.token(ada.user, { repoIds: [made.id] }) }
  expect((await hub.api('/api/whoami-v2', { as: read })).json.auth.accessToken.role).toBe('read')
  const { json } = await hub.api('/api/whoami-v2', { as: scoped })
  expect(json.email).toBeUndefined()
  expect(json.auth.accessToken).toMatchObject({
    role: 'fineGrained',
    fineGrained: {
      scoped: [{ entity: { type: 'model', name: 'ada/one' }, permissions: expect.any(Array) }],
    },
  })
  const expired = {
    ...ada,
    token: await hub.token(ada.user, { expiresAt: '2020-01-01T00:00:00Z' }),
  }
  for (const reply of [
    await hub.api('/api/whoami-v2'),
    await hub.api('/api/whoami-v2', { as: expired }),
    await hub.api('/api/whoami-v2', { as: { ...ada, token: 'hf_nonsense' } }),
    await hub.api('/api/whoami-v2', { headers: { 'X-Admin-Token': ADMIN_TOKEN } }),
  ])
    expect([reply.status, reply.headers.get('www-authenticate')?.split(' ')[0]]).toEqual([
      401,
      'Bearer',
    ])
})

test('every way of naming oneself works: token, password, e-mail, token as user name', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const as = async (headers: Record<string, string>) =>
    (await hub.api('/api/whoami-v2', { headers })).json?.name
  expect(await as({ Authorization: `Bearer ${ada.token}` })).toBe('ada')
  expect(await as({ Authorization: `Bearer ${ada.token}|https://other.example,tok` })).toBe('ada')
  expect(await as(basic('ada', ada.token))).toBe('ada')
  expect(await as(basic('hf_user', ada.token))).toBe('ada')
  expect(await as(basic(ada.token, ''))).toBe('ada')
  expect(await as(basic(ada.token, 'x-oauth-basic'))).toBe('ada')
  expect(await as(basic('ada', 'ada-password'))).toBe('ada')
  expect(await as(basic('ADA', 'ada-password'))).toBe('ada')
  expect(await as(basic('Ada@Example.org', 'ada-password'))).toBe('ada')
  expect(await as(basic('ada', 'wrong-password'))).toBeUndefined()
})

test('the oldest clients log in for a token and out again', async () => {
  const hub = await startTestHub()
  await hub.user('ada')
  const body = { username: 'ada', password: 'ada-password' }
  const { json } = await hub.api('/api/login', { body })
  const headers = { Authorization: `Bearer ${json.token}` }
  expect((await hub.api('/api/whoami', { headers })).json.name).toBe('ada')
  expect((await hub.api('/api/logout', { method: 'POST', headers })).status).toBe(200)
  expect((await hub.api('/api/whoami', { headers })).status).toBe(401)
})

test('a browser session lives in an HttpOnly cookie, Secure on https, and ends with logout', async () => {
  const hub = await startTestHub()
  await hub.user('ada')
  const reply = await login(hub, 'ada', 'ada-password')
  expect(reply.headers.get('set-cookie')).toMatch(
    /^session_id=[\w-]+; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax$/,
  )
  const headers = { Cookie: cookieOf(reply) }
  expect((await hub.api('/api/auth/me', { headers })).json).toMatchObject({
    username: 'ada',
    email: 'ada@example.org',
  })
  await hub.api('/api/auth/logout', { method: 'POST', headers })
  expect((await hub.api('/api/auth/me', { headers })).status).toBe(401)
  const https = await startTestHub({ PACKHORSE_URL: 'https://hub.example' })
  await https.user('ada')
  expect((await login(https, 'ada', 'ada-password')).headers.get('set-cookie')).toMatch(/; Secure$/)
})

test('a cookie authorises nothing that another site makes a browser send', async () => {
  const hub = await startTestHub()
  await hub.user('ada')
  const Cookie = cookieOf(await login(hub, 'ada', 'ada-password'))
  const create = (name: string, headers: Record<string, string>) =>
    hub.api('/api/repos/create', { body: { name }, headers: { Cookie, ...headers } })
  expect((await create('a', { Origin: 'https://evil.example' })).status).toBe(401)
  expect((await create('b', { 'Sec-Fetch-Site': 'cross-site' })).status).toBe(401)
  expect((await create('c', { 'Sec-Fetch-Site': 'same-site', Origin: hub.url })).status).toBe(401)
  expect((await create('d', { Origin: 'null' })).status).toBe(401)
  expect((await create('e', { Origin: hub.url })).status).toBe(200)
  expect((await create('f', { 'Sec-Fetch-Site': 'same-origin' })).status).toBe(200)
  const forced = await login(hub, 'ada', 'ada-password', { Origin: 'https://evil.example' })
  expect([forced.status, forced.headers.get('set-cookie')]).toEqual([403, null])
})

test('an API token is no cookie, a malformed cookie is none', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  for (const Cookie of [`session_id=${ada.token}`, 'session_id=%E0%A4%A', 'session_id'])
    expect((await hub.api('/api/auth/me', { headers: { Cookie } })).status).toBe(401)
})

test('tokens are made with role, repositories and expiry, listed without secret, and revoked', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await hub.api('/api/repos/create', { as: ada, body: { name: 'one', type: 'dataset' } })
  await hub.api('/api/repos/create', { as: ada, body: { name: 'two', private: true } })
  const Cookie = cookieOf(await login(hub, 'ada', 'ada-password'))
  const headers = { Cookie }
  const made = await hub.api('/api/auth/tokens/create', {
    headers,
    body: {
      name: 'ci',
      role: 'write',
      repositories: [{ type: 'dataset', name: 'ada/one' }],
      expires_days: 30,
    },
  })
  expect(made.json).toMatchObject({ success: true, token: expect.stringMatching(/^hf_\w{37}$/) })
  const ci = { ...ada, token: made.json.token as string }
  const squash = (repo: string, type: string) =>
    hub.api('/api/repos/squash', { as: ci, body: { repo, type } })
  expect((await squash('ada/one', 'dataset')).status).toBe(200)
  expect((await squash('ada/two', 'model')).status).toBe(404)
  expect((await hub.api('/api/repos/create', { as: ci, body: { name: 'new' } })).status).toBe(403)
  const { json } = await hub.api('/api/auth/tokens', { headers })
  const listed = json.tokens.find((it: { name: string }) => it.name === 'ci')
  expect(listed).toMatchObject({ role: 'write', repositories: [{ name: 'ada/one' }] })
  expect(JSON.stringify(json)).not.toContain(made.json.token)
  const gone = await hub.api(`/api/auth/tokens/${listed.id}`, { method: 'DELETE', headers })
  expect(gone.status).toBe(200)
  expect((await hub.api('/api/whoami-v2', { as: ci })).status).toBe(401)
})

test('a write token cannot make, list or delete tokens, change the password or the e-mail address', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const { id } = (await hub.domain.stores.accounts.listTokens(ada.user.id))[0] as { id: string }
  const other = await hub.token(ada.user, {})
  const as = { ...ada, token: other }
  const tries = [
    hub.api('/api/auth/tokens', { as }),
    hub.api('/api/auth/tokens/create', { as, body: { name: 'more', role: 'admin' } }),
    hub.api(`/api/auth/tokens/${id}`, { as, method: 'DELETE' }),
    hub.api('/api/auth/password', {
      as,
      body: { old_password: 'ada-password', new_password: 'another-one' },
    }),
    hub.api('/api/users/ada/settings', { as, method: 'PUT', body: { email: 'eve@example.org' } }),
  ]
  expect((await Promise.all(tries)).map((it) => it.status)).toEqual([403, 403, 403, 403, 403])
})

test('a new password ends the other sessions and keeps this one', async () => {
  const hub = await startTestHub()
  await hub.user('ada')
  const mine = { Cookie: cookieOf(await login(hub, 'ada', 'ada-password')) }
  const other = { Cookie: cookieOf(await login(hub, 'ada', 'ada-password')) }
  const change = (old_password: string) =>
    hub.api('/api/auth/password', {
      headers: mine,
      body: { old_password, new_password: 'a-new-password' },
    })
  expect((await change('wrong')).status).toBe(403)
  expect((await change('ada-password')).status).toBe(200)
  expect((await hub.api('/api/auth/me', { headers: mine })).status).toBe(200)
  expect((await hub.api('/api/auth/me', { headers: other })).status).toBe(401)
  expect((await login(hub, 'ada', 'ada-password')).status).toBe(401)
  expect((await login(hub, 'ada', 'a-new-password')).status).toBe(200)
})

test('registration is closed by default, and to whoever lacks an invitation when it is by invitation', async () => {
  const register = (hub: TestHub, body: object, headers = {}) =>
    hub.api('/api/auth/register', { body: { password: 'long-enough', ...body }, headers })
  const closed = await startTestHub()
  expect((await register(closed, { username: 'eve' })).status).toBe(403)
  const byAdmin = await register(closed, { username: 'eve' }, { 'X-Admin-Token': ADMIN_TOKEN })
  expect(byAdmin.status).toBe(200)

  const open = await startTestHub({ PACKHORSE_REGISTRATION: 'open' })
  const made = await register(open, { username: 'eve', email: 'eve@example.org' })
  expect(made.status).toBe(200)
  expect((await open.api('/api/auth/me', { headers: { Cookie: cookieOf(made) } })).status).toBe(200)
  for (const body of [
    { username: 'EVE' },
    { username: 'e-v_e' },
    { username: 'mallory', email: 'Eve@Example.org' },
    { username: 'datasets' },
    { username: '../etc' },
    { username: 'bob', password: 'short' },
  ])
    expect([body, (await register(open, body)).status]).toEqual([
      body,
      /^(eve|e-v_e|mallory)$/i.test(body.username) ? 409 : 400,
    ])

  const invite = await startTestHub({ PACKHORSE_REGISTRATION: 'invite' })
  expect((await register(invite, { username: 'eve' })).status).toBe(403)
  expect((await register(invite, { username: 'eve', invitation_token: 'inv_no' })).status).toBe(400)
  const { json } = await invite.api('/admin/api/invitations/register', {
    headers: { 'X-Admin-Token': ADMIN_TOKEN },
    body: {},
  })
  const url = `/api/auth/register?invitation_token=${json.token}`
  const both = await Promise.all(
    ['eve', 'bob'].map((username) =>
      invite.api(url, { body: { username, password: 'long-enough' } }),
    ),
  )
  expect(both.map((it) => it.status).sort()).toEqual([200, 400])
})

test('a registration that fails does not use its invitation up', async () => {
  const hub = await startTestHub({ PACKHORSE_REGISTRATION: 'invite' })
  await hub.user('ada')
  const { json } = await hub.api('/admin/api/invitations/register', {
    headers: { 'X-Admin-Token': ADMIN_TOKEN },
    body: {},
  })
  const register = (username: string) =>
    hub.api(`/api/auth/register?invitation_token=${json.token}`, {
      body: { username, password: 'long-enough' },
    })
  expect((await register('ada')).status).toBe(409)
  expect((await register('eve')).status).toBe(200)
})

test('git is told how to log in', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await hub.api('/api/repos/create', { as: ada, body: { name: 'secret', private: true } })
  for (const path of ['ada/secret', 'ada/nothing', 'nobody/nothing']) {
    const reply = await hub.api(`/${path}.git/info/refs?service=git-upload-pack`)
    expect([reply.status, reply.headers.get('www-authenticate')]).toEqual([
      401,
      'Basic realm="Packhorse", charset="UTF-8"',
    ])
  }
})
