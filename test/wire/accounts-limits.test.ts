import { expect, test } from 'vitest'
import { ADMIN_TOKEN, startTestHub, type TestHub } from '../support/hub.js'

const basic = (name: string, password: string, address?: string) => ({
  Authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
  ...(address ? { 'X-Forwarded-For': address } : {}),
})
const ask = async (hub: TestHub, headers: Record<string, string>) =>
  hub.api('/api/whoami-v2', { headers })
const guess = async (
  hub: TestHub,
  times: number,
  headers: (n: number) => Record<string, string>,
) => {
  const seen: number[] = []
  for (let n = 0; n < times; n += 1) seen.push((await ask(hub, headers(n))).status)
  return seen
}

test('ten wrong passwords, then 429 with Retry-After, even for the right one', async () => {
  const hub = await startTestHub()
  await hub.user('ada')
  const seen = await guess(hub, 12, (n) => basic('ada', `wrong-${n}`))
  expect(seen).toEqual([...Array(10).fill(401), 429, 429])
  const reply = await ask(hub, basic('ada', 'ada-password'))
  expect(reply.status).toBe(429)
  const seconds = Number(reply.headers.get('retry-after'))
  expect(seconds).toBeGreaterThan(0)
  expect(seconds).toBeLessThanOrEqual(900)
  const viaForm = await hub.api('/api/auth/login', {
    body: { username: 'ada', password: 'ada-password' },
  })
  expect(viaForm.status).toBe(429)
})

test('other spellings and the e-mail address of an account share its count', async () => {
  const hub = await startTestHub()
  await hub.user('ada')
  const names = ['ada', 'ADA', 'Ada', 'ada@example.org', 'ADA@example.org']
  const seen = await guess(hub, 11, (n) => basic(names[n % names.length] as string, `wrong-${n}`))
  expect(seen.at(-1)).toBe(429)
})

test('names that nobody has are limited like the others', async () => {
  const hub = await startTestHub()
  const seen = await guess(hub, 11, (n) => basic('nobody', `wrong-${n}`))
  expect(seen).toEqual([...Array(10).fill(401), 429])
})

test('a right password clears the count', async () => {
  const hub = await startTestHub()
  await hub.user('ada')
  await guess(hub, 9, (n) => basic('ada', `wrong-${n}`))
  expect((await ask(hub, basic('ada', 'ada-password'))).status).toBe(200)
  const seen = await guess(hub, 10, (n) => basic('ada', `again-${n}`))
  expect(seen).toEqual(Array(10).fill(401))
})

test('parallel guesses do not slip past the limit together', async () => {
  const hub = await startTestHub()
  await hub.user('ada')
  const replies = await Promise.all(
    Array.from({ length: 30 }, (_, n) => ask(hub, basic('ada', `wrong-${n}`))),
  )
  expect(replies.filter((it) => it.status === 401)).toHaveLength(10)
})

test('many requests with the right password at once are no guessing', async () => {
  const hub = await startTestHub()
  await hub.user('ada')
  const replies = await Promise.all(
    Array.from({ length: 40 }, () => ask(hub, basic('ada', 'ada-password'))),
  )
  expect(new Set(replies.map((it) => it.status))).toEqual(new Set([200]))
})

test('who is locked out by a stranger keeps tokens, sessions and logins from elsewhere', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const login = await hub.api('/api/auth/login', {
    body: { username: 'ada', password: 'ada-password' },
  })
  const Cookie = (login.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
  await guess(hub, 12, (n) => basic('ada', `wrong-${n}`, '203.0.113.9'))
  expect((await ask(hub, basic('ada', 'ada-password', '203.0.113.9'))).status).toBe(429)
  expect((await hub.api('/api/whoami-v2', { as: ada })).status).toBe(200)
  expect((await ask(hub, basic('ada', ada.token, '203.0.113.9'))).status).toBe(200)
  expect((await ask(hub, { Cookie })).status).toBe(200)
  expect((await ask(hub, basic('ada', 'ada-password', '198.51.100.7'))).status).toBe(200)
})

test('one address cannot try many accounts, and an own account does not clear that', async () => {
  const hub = await startTestHub()
  await hub.user('mallory')
  const seen = await guess(hub, 51, (n) =>
    n % 10 === 9 ? basic('mallory', 'mallory-password') : basic(`user${n}`, 'Password1'),
  )
  expect(seen.filter((it) => it === 429)).toHaveLength(0)
  const more = await guess(hub, 10, (n) => basic(`more${n}`, 'Password1'))
  expect(more.at(-1)).toBe(429)
})

test('addresses within one IPv6 network count as one', async () => {
  const hub = await startTestHub()
  await hub.user('ada')
  const seen = await guess(hub, 11, (n) => basic('ada', `wrong-${n}`, `2001:db8:1:2::${n + 1}`))
  expect(seen.at(-1)).toBe(429)
})

test('X-Forwarded-For counts only behind a trusted proxy', async () => {
  const hub = await startTestHub({ PACKHORSE_TRUST_PROXY: 'none' })
  await hub.user('ada')
  const seen = await guess(hub, 11, (n) => basic('ada', `wrong-${n}`, `203.0.113.${n}`))
  expect(seen.at(-1)).toBe(429)
})

test('guessing tokens is limited without locking out the valid ones', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const tries = (headers: Record<string, string>) => ask(hub, headers)
  let refused = 0
  for (let n = 0; n < 101; n += 1)
    if ((await tries({ Authorization: `Bearer hf_guess${n}` })).status === 429) refused += 1
  expect(refused).toBe(1)
  expect((await tries({ 'X-Admin-Token': 'not-the-admin-token' })).status).toBe(429)
  expect((await hub.api('/api/whoami-v2', { as: ada })).status).toBe(200)
  const admin = await hub.api('/admin/api/users', { headers: { 'X-Admin-Token': ADMIN_TOKEN } })
  expect(admin.status).toBe(200)
})

test('a deactivated account has no credentials any more', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  expect((await ask(hub, basic('ada', 'ada-password'))).status).toBe(200)
  await hub.api('/admin/api/users/ada', {
    method: 'PATCH',
    headers: { 'X-Admin-Token': ADMIN_TOKEN },
    body: { is_active: false },
  })
  expect((await hub.api('/api/whoami-v2', { as: ada })).status).toBe(401)
  expect((await ask(hub, basic('ada', 'ada-password'))).status).toBe(401)
})
