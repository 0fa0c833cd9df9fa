import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import type { StoredEntry } from '../../src/domain/audit/ports.js'
import { bareDir, commitFiles, createRepo } from '../support/git-work.js'
import { ADMIN_TOKEN, git, gitOk, startTestHub, type TestHub, tempDir } from '../support/hub.js'
import { readCapture, sendCapture, xetClient } from '../support/xet.js'

const ZERO = null

async function all(hub: TestHub): Promise<StoredEntry[]> {
  const found: StoredEntry[] = []
  for await (const it of hub.domain.audit.each({})) found.push(it)
  return found
}

/** Bare words for comparing: what happened and how it ended. */
const words = (entries: readonly StoredEntry[]) =>
  entries.map(({ action, outcome, method, path }) =>
    action === 'request' ? `${method} ${path} ${outcome}` : `${action} ${outcome}`,
  )

test('every kind of act in every dialect is there, with who, where, what and how it ended', async () => {
  const hub = await startTestHub({ PACKHORSE_JOB_INTERVAL_MS: '20' })
  const ada = await hub.user('ada', { role: 'admin' })
  const bob = await hub.user('bob')
  const dir = await tempDir()
  const from = async (work: () => Promise<unknown>) => {
    await hub.domain.audit.flush()
    const last = (await all(hub)).at(-1)?.id ?? 0
    await work()
    // jobs come when they like
    return (await all(hub)).filter((it) => it.id > last && !it.action.startsWith('job.'))
  }

  // git, with LFS
  const repo = await createRepo(hub, ada, 'one', { init: true })
  const work = join(dir, 'work')
  await gitOk(dir, ['clone', '-q', hub.gitUrl('ada/one.git', ada), 'work'])
  const old = await gitOk(work, ['rev-parse', 'HEAD'])
  await gitOk(work, ['lfs', 'install', '--local'])
  await writeFile(join(work, 'w.safetensors'), randomBytes(5_000))
  const tip = await commitFiles(work, { 'a.txt': 'a\n' })
  const pushed = await from(() => gitOk(work, ['push', '-q']))
  const change = pushed.find((it) => it.action === 'repo.refs')
  expect(change).toMatchObject({
    outcome: 'done',
    actor: { name: 'ada' },
    dialect: 'git',
    repo: { id: repo.id, name: 'ada/one', kind: 'model' },
    credential: expect.stringMatching(/^token:[0-9a-f]+$/),
    address: expect.stringContaining('127.0.0.1'),
    data: { updates: [{ name: 'refs/heads/main', oldOid: old, newOid: tip }] },
  })
  const upload = pushed.find((it) => it.method === 'PUT')
  expect(upload).toMatchObject({
    dialect: 'lfs',
    outcome: 'done',
    actor: { name: 'ada' },
    repo: { id: repo.id },
    credential: 'signed',
  })
  expect(pushed.find((it) => it.path?.endsWith('git-receive-pack'))).toMatchObject({
    outcome: 'done',
    request: change?.request,
  })

  // a push that is turned away: HTTP says 200, the log says what it was
  await gitOk(work, ['push', '-q', 'origin', 'main:side'])
  const refused = await from(() => git(work, ['push', '-q', 'origin', ':refs/heads/main']))
  expect(refused.find((it) => it.action === 'repo.refs')).toMatchObject({
    outcome: 'refused',
    actor: { name: 'ada' },
    data: { updates: [{ name: 'refs/heads/main', oldOid: tip, newOid: ZERO }] },
  })

  // on the server's own disk
  const bare = await bareDir(hub, 'ada', 'one')
  await commitFiles(work, { 'b.txt': 'b\n' })
  const local = await from(() => gitOk(work, ['push', '-q', bare, 'main']))
  expect(local.map((it) => [it.action, it.dialect])).toContainEqual(['repo.refs', 'disk'])

  // tokens, logins, people
  const made = await from(() =>
    hub.api('/api/auth/tokens/create', { as: ada, body: { name: 'ci', role: 'write' } }),
  )
  expect(words(made)).toEqual(['account.token done', 'POST /api/auth/tokens/create done'])
  expect(made[0]?.data).toMatchObject({ name: 'ci', role: 'write' })
  const tokenId = String(made[0]?.data.id)
  const login = (password: string) => () =>
    hub.api('/api/login', { body: { username: 'bob', password } })
  expect(await from(login('bob-password'))).toMatchObject([
    { outcome: 'done', actor: { name: 'bob' }, credential: 'password' },
  ])
  expect(await from(login('wrong password'))).toMatchObject([
    { action: 'login.failed', outcome: 'refused', actor: { name: 'bob' } },
  ])
  const basic = `Basic ${Buffer.from('bob:not-his').toString('base64')}`
  const asked = () => hub.api('/api/whoami-v2', { headers: { Authorization: basic } })
  expect(await from(asked)).toMatchObject([
    { action: 'login.failed', outcome: 'refused', actor: { name: 'bob' }, method: 'GET' },
  ])
  await hub.api('/org/create', { as: ada, body: { name: 'lab' } })
  const member = await from(() =>
    hub.api('/org/lab/members', { as: ada, body: { username: 'bob', role: 'member' } }),
  )
  expect(member.find((it) => it.action === 'org.member')).toMatchObject({ actor: { name: 'ada' } })
  const revoked = await from(() =>
    hub.api(`/api/auth/tokens/${tokenId}`, { as: ada, method: 'DELETE' }),
  )
  expect(revoked.find((it) => it.action === 'account.token')?.data).toMatchObject({ deleted: true })

  // the commit API, settings, refusals, the other dialects
  const at = '/api/models/ada/one'
  const act = async (path: string, options: Parameters<TestHub['api']>[1]) =>
    words(await from(() => hub.api(path, options)))
  const lines = [
    { key: 'header', value: { summary: 'by API' } },
    { key: 'file', value: { path: 'c.txt', content: 'c' } },
  ]
  const commit = {
    as: ada,
    method: 'POST',
    headers: { 'Content-Type': 'application/x-ndjson' },
    body: lines.map((it) => JSON.stringify(it)).join('\n'),
  }
  expect(await act(`${at}/commit/main`, commit)).toEqual([
    'repo.refs done',
    `POST ${at}/commit/main done`,
  ])
  const settings = { as: ada, method: 'PUT', body: { private: true } }
  expect(await act(`${at}/settings`, settings)).toEqual([
    'repo.settings done',
    `PUT ${at}/settings done`,
  ])
  expect(await act(`${at}/settings`, { ...settings, as: bob })).toEqual([
    `PUT ${at}/settings refused`,
  ])
  const outpost = { as: ada, method: 'PUT', body: { name: 'two' } }
  expect(await act(`/auth/v1/repository/ada/${repo.id}/name`, outpost)).toEqual([
    'repo.move done',
    `PUT /auth/v1/repository/ada/${repo.id}/name done`,
  ])
  const abf = { as: ada, method: 'PUT', body: { project: { description: 'd' } } }
  const project = await from(() => hub.api(`/api/v1/projects/${repo.seq}.json`, abf))
  expect(project.at(-1)).toMatchObject({ dialect: 'abf', repo: { id: repo.id, name: 'ada/two' } })
  const move = { as: ada, body: { fromRepo: 'ada/two', toRepo: 'lab/two', type: 'model' } }
  expect(await act('/api/repos/move', move)).toContain('repo.move done')
  const squash = { as: ada, body: { repo: 'lab/two', type: 'model' } }
  expect(await act('/api/repos/squash', squash)).toContain('repo.squash done')
  const admin = { 'X-Admin-Token': ADMIN_TOKEN }
  const remove = {
    method: 'DELETE',
    headers: admin,
    body: { organization: 'lab', name: 'two', type: 'model' },
  }
  const removed = await from(() => hub.api('/api/repos/delete', remove))
  expect(removed.find((it) => it.action === 'repo.delete')).toMatchObject({
    actor: { name: 'admin' },
    credential: 'admin_token',
  })

  // what has no change of its own: Xet uploads, and who runs the site
  await createRepo(hub, ada, 'store', { init: true })
  const xet = await from(async () =>
    sendCapture(await xetClient(hub, 'ada/store', ada), readCapture('hf_xet-1.8.0')),
  )
  expect(
    xet.map((it) => [it.method, it.dialect, it.actor.name, it.repo?.name, it.outcome]),
  ).toEqual([0, 1].map(() => ['POST', 'xet', 'ada', 'ada/store', 'done']))
  const grant = await from(() =>
    hub.api('/admin/api/users/bob', { method: 'PATCH', headers: admin, body: { is_admin: true } }),
  )
  expect(grant.find((it) => it.action === 'account.settings')).toMatchObject({
    actor: { name: 'admin' },
    data: { user: 'bob', is_admin: true },
  })
  const pat = await from(() => hub.api('/auth/v1/pat', { as: ada, body: { name: 'cd' } }))
  expect(pat[0]).toMatchObject({
    action: 'account.token',
    dialect: 'outpost',
    data: { name: 'cd' },
  })
  const byParameter = await from(() =>
    hub.api(`/api/v1/projects.json?authentication_token=${bob.token}`, {
      body: { project: { name: 'tools' } },
    }),
  )
  expect(byParameter.at(-1)).toMatchObject({ actor: { name: 'bob' }, dialect: 'abf' })

  // and the job that deletes for good
  await hub.domain.jobs.drain()
  expect((await all(hub)).find((it) => it.action === 'job.repo.purge')).toMatchObject({
    dialect: 'hub',
    data: { key: repo.id },
  })

  // nothing of it tells a secret
  const db = new Database(hub.domain.config.db, { readonly: true })
  const text = JSON.stringify(db.prepare('select * from event').all())
  db.close()
  for (const secret of [
    ada.token,
    bob.token,
    ADMIN_TOKEN,
    'bob-password',
    'wrong password',
    'not-his',
  ])
    expect(text).not.toContain(secret)
  expect(text).not.toMatch(/hf_[A-Za-z0-9]{20}|token=/)
}, 120_000)

test('an invitation’s secret in a path stays out', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada', { role: 'admin' })
  const secret = 'inv-0123456789abcdef'
  await hub.api(`/api/invitations/${secret}/accept`, { as: ada, method: 'POST', body: {} })
  const [entry] = await hub.domain.audit.list({ actor: 'ada' }, undefined, 1)
  expect(entry?.path).toBe('/api/invitations/***/accept')
})

test('the address is the client’s where the proxy is trusted, and the proxy’s where it is not', async () => {
  for (const [trust, expected] of [
    ['loopback', '203.0.113.9'],
    ['none', '127.0.0.1'],
  ] as const) {
    const hub = await startTestHub({ PACKHORSE_TRUST_PROXY: trust })
    const ada = await hub.user('ada')
    const headers = { 'X-Forwarded-For': '203.0.113.9' }
    await hub.api('/api/repos/create', { as: ada, headers, body: { name: 'x' } })
    const entries = await hub.domain.audit.list({ actor: 'ada' }, undefined, 10)
    expect(entries.map((it) => it.action).sort()).toEqual(['repo.create', 'repo.refs', 'request'])
    for (const it of entries) expect(it.address).toContain(expected)
    await hub.close()
  }
})

test('a flood of refusals is counted, not kept', async () => {
  const hub = await startTestHub({ PACKHORSE_AUDIT_REFUSALS: '5' })
  const ask = (n: number) =>
    hub.api('/api/repos/create', {
      headers: { 'X-Forwarded-For': `198.51.100.${n % 2}` },
      body: { name: 'x' },
    })
  for (let n = 0; n < 100; n += 1) expect((await ask(n)).status).toBe(401)
  // each of two sources has room for a tenth of an hour at one a minute
  expect((await all(hub)).filter((it) => it.outcome === 'refused')).toHaveLength(20)
  const file = hub.domain.config.db
  const ada = await hub.user('ada')
  for (let n = 0; n < 30; n += 1)
    expect((await hub.api('/api/models/ada/none/like', { as: ada, body: {} })).status).toBe(404)
  expect((await all(hub)).filter((it) => it.outcome === 'refused')).toHaveLength(30)
  // what is done is never left out
  for (let n = 0; n < 15; n += 1) await createRepo(hub, ada, `repo-${n}`)
  const mine = await hub.domain.audit.list({ actor: 'ada', outcome: 'done' }, undefined, 100)
  expect(mine.filter((it) => it.action === 'request')).toHaveLength(15)
  await hub.close()
  const db = new Database(file, { readonly: true })
  const last = db.prepare("select data from event where type = 'audit.suppressed'").all()
  db.close()
  expect(last).toEqual([{ data: JSON.stringify({ count: 100 }) }])
})

test('administrators page through the log and filter it', async () => {
  const hub = await startTestHub()
  const [ada, bob] = [await hub.user('ada'), await hub.user('bob')]
  const root = await hub.user('root1', { admin: true, role: 'admin' })
  for (const name of ['a', 'b', 'c']) await createRepo(hub, ada, name)
  await createRepo(hub, bob, 'a')
  const ask = async (query: string) => {
    const reply = await hub.api(`/admin/api/audit?${query}`, { as: root })
    expect(reply.status, reply.text).toBe(200)
    return reply.json
  }
  const seen: number[] = []
  for (let before = ''; ; ) {
    const page = await ask(`action=repo.create&limit=3${before && `&before=${before}`}`)
    seen.push(...page.entries.map((it: { id: number }) => it.id))
    if (page.next_before === null) break
    before = String(page.next_before)
  }
  expect(seen).toHaveLength(4)
  expect(seen).toEqual([...seen].sort((a, b) => b - a))
  const names = async (query: string) =>
    (await ask(query)).entries.map((it: { actor: string; repo: { name: string } | null }) =>
      [it.actor, it.repo?.name].join(' '),
    )
  expect(await names('actor=bob&action=repo')).toEqual(['bob bob/a'])
  expect(await names('repo=ada/b&action=repo.create')).toEqual(['ada ada/b'])
  await hub.api('/api/repos/move', {
    as: ada,
    body: { fromRepo: 'ada/b', toRepo: 'ada/z', type: 'model' },
  })
  // found by what it is called now, and by what it was called then
  expect(await names('repo=ada/z&action=repo')).toEqual(['ada ada/b', 'ada ada/b'])
  expect(await names('repo=ada/b&action=repo')).toEqual(['ada ada/b', 'ada ada/b'])
  expect(await names(`until=${new Date(0).toISOString()}`)).toEqual([])
  expect((await names(`since=${new Date(0).toISOString()}`)).length).toBeGreaterThan(5)
  expect(await names('outcome=refused')).toEqual([])
  for (const bad of [
    'limit=0',
    'limit=x',
    'since=yesterday',
    'outcome=good',
    'actor[]=x',
    'before=-1',
  ])
    expect((await hub.api(`/admin/api/audit?${bad}`, { as: root })).status, bad).toBe(422)
  expect((await hub.api('/admin/api/audit', { as: ada })).status).toBe(403)
})

test('old entries go, new ones stay', async () => {
  const hub = await startTestHub({ PACKHORSE_AUDIT_DAYS: '30' })
  const ada = await hub.user('ada')
  await createRepo(hub, ada, 'x')
  const before = await all(hub)
  expect(before).toHaveLength(2)
  const day = 24 * 3600 * 1000
  expect(await hub.domain.audit.sweep(Date.now() + 29 * day)).toBe(0)
  expect(await hub.domain.audit.sweep(Date.now() + 31 * day)).toBe(2)
  expect(await all(hub)).toEqual([])
})
