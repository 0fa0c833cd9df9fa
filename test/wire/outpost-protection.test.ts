import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { git, gitOk, startTestHub, type TestHub, type TestUser, tempDir } from '../support/hub.js'

/** A repository `acme/code` with one pushed commit, cloned by a writer. */
async function cloned(
  hub: TestHub,
): Promise<{ jane: TestUser; wim: TestUser; at: string; clone: string }> {
  const jane = await hub.user('jane')
  const wim = await hub.user('wim')
  await hub.org('acme', jane, { wim: 'contributor' })
  const { id } = (await hub.api('/auth/v1/acme/repositories', { as: jane, body: { name: 'code' } }))
    .json
  const dir = await tempDir()
  await gitOk(dir, ['clone', hub.gitUrl('acme/code', wim), 'clone'])
  const clone = join(dir, 'clone')
  await commit(clone, 'a.txt', 'one\n')
  await gitOk(clone, ['push'])
  return { jane, wim, at: `/auth/v1/acme/repositories/${id}`, clone }
}

async function commit(clone: string, path: string, content: string): Promise<void> {
  await writeFile(join(clone, path), content)
  await gitOk(clone, ['add', '.'])
  await gitOk(clone, ['commit', '-m', `change ${path}`])
}

test('a protected branch takes no force push, no deletion, and pushes only of whom the rule names', async () => {
  const hub = await startTestHub({ PACKHORSE_FORCE_PUSH: 'allow' })
  const { jane, wim, at, clone } = await cloned(hub)
  expect((await hub.api(at, { as: jane })).json.branch_protection).toBe(false)
  const rules = [
    { pattern: 'main' },
    { pattern: 'release/*', push: 'admins' },
    { pattern: 'locked', push: 'nobody', push_users: ['wim'] },
  ]
  const put = { method: 'PUT', body: { enabled: true, rules } }
  expect((await hub.api(`${at}/branch_protection`, { as: wim, ...put })).status).toBe(403)
  expect((await hub.api(`${at}/branch_protection`, { as: jane, ...put })).status).toBe(200)
  expect((await hub.api(at, { as: jane })).json.branch_protection).toBe(true)

  await commit(clone, 'a.txt', 'two\n')
  await gitOk(clone, ['push'])
  await gitOk(clone, ['reset', '--hard', 'HEAD~1'])
  await commit(clone, 'a.txt', 'other\n')
  const forced = await git(clone, ['push', '--force'])
  expect([forced.code, forced.stderr]).toEqual([
    1,
    expect.stringContaining('remote: The branch main is protected'),
  ])
  const release = await git(clone, ['push', 'origin', 'HEAD:refs/heads/release/1'])
  expect(release.stderr).toContain('only admins may push to it')
  await gitOk(clone, ['push', 'origin', 'HEAD:refs/heads/locked'])
  expect((await git(clone, ['push', 'origin', ':refs/heads/locked'])).stderr).toContain(
    'it cannot be deleted',
  )
  await gitOk(clone, ['push', 'origin', 'HEAD:refs/heads/free'])
  await gitOk(clone, ['push', 'origin', ':refs/heads/free'])

  const squash = await hub.api('/api/repos/squash', {
    as: jane,
    body: { repo: 'acme/code', type: 'model' },
  })
  expect([squash.status, squash.json.error]).toEqual([403, expect.stringContaining('is protected')])
})

test('the commit API obeys protected branches', async () => {
  const hub = await startTestHub()
  const { jane, wim, at } = await cloned(hub)
  const body = { enabled: true, rules: [{ pattern: 'ma*', push: 'admins' }] }
  await hub.api(`${at}/branch_protection`, { as: jane, method: 'PUT', body })
  const lines = [
    { key: 'header', value: { summary: 'by API' } },
    { key: 'file', value: { path: 'x.txt', content: 'eA==', encoding: 'base64' } },
  ]
  const order = (as: TestUser) => ({
    as,
    body: lines.map((it) => JSON.stringify(it)).join('\n'),
    headers: { 'Content-Type': 'application/x-ndjson' },
  })
  const refused = await hub.api('/api/models/acme/code/commit/main', order(wim))
  expect([refused.status, refused.json.error]).toEqual([
    403,
    expect.stringContaining('only admins'),
  ])
  expect((await hub.api('/api/models/acme/code/commit/main', order(jane))).status).toBe(200)
})

// put together here, so that no scanner takes this file for a leak
const TOKEN = ['ghp', '1234567890abcdefghijABCDEFGHIJ123456'].join('_')

test('secret scanning refuses a push with file and line, and lets an allow comment pass', async () => {
  const hub = await startTestHub()
  const { jane, at, clone } = await cloned(hub)
  expect((await hub.api(`${at}/secret_scanning`, { as: jane })).json).toEqual({ enabled: false })
  const put = { as: jane, method: 'PUT', body: { enabled: true } }
  expect((await hub.api(`${at}/secret_scanning`, put)).json).toEqual({ enabled: true })
  expect((await hub.api(at, { as: jane })).json.secret_scanning).toBe(true)

  await commit(clone, 'config.env', `first line\nTOKEN=${TOKEN}\n`)
  const refused = await git(clone, ['push'])
  expect(refused.code).toBe(1)
  expect(refused.stderr).toContain('remote:   config.env:2 (github)')
  expect(refused.stderr).not.toContain(TOKEN)

  await writeFile(join(clone, 'config.env'), `first line\nTOKEN=${TOKEN} # gitleaks:allow\n`)
  await gitOk(clone, ['commit', '-a', '--amend', '-m', 'allowed'])
  await gitOk(clone, ['push'])
  expect((await hub.api(`${at}/file/config.env`, { as: jane })).json.content).toContain(
    'gitleaks:allow',
  )
})

test('branch protection refuses settings that mean nothing', async () => {
  const hub = await startTestHub()
  const { jane, at } = await cloned(hub)
  for (const body of [
    {},
    { enabled: 'yes' },
    { enabled: true, rules: [{}] },
    { enabled: true, more: 1 },
  ]) {
    const reply = await hub.api(`${at}/branch_protection`, { as: jane, method: 'PUT', body })
    expect([reply.status, reply.json.error.code]).toEqual([422, 'validation_error'])
  }
  expect((await hub.api(`${at}/branch_protection`, { as: jane })).json.enabled).toBe(false)
})
