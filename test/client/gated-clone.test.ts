import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { commit, file, header, uploadLfs } from '../support/hf.js'
import { git, gitOk, startTestHub, tempDir } from '../support/hub.js'

/* The real git and git-lfs before a gate. */

test('git and git-lfs log in at a gate, and are let in or kept out', async () => {
  const hub = await startTestHub()
  const [ada, bob] = [await hub.user('ada'), await hub.user('bob')]
  await hub.api('/api/repos/create', { as: ada, body: { name: 'm' } })
  const bytes = randomBytes(20_000)
  const oid = await uploadLfs(hub, ada, 'ada/m', bytes)
  const lfs = { key: 'lfsFile', value: { path: 'w.bin', algo: 'sha256', oid, size: bytes.length } }
  await commit(hub, ada, [header(), file('a.txt', 'text'), lfs])
  await hub.api('/api/models/ada/m/settings', { as: ada, method: 'PUT', body: { gated: 'auto' } })
  const dir = await tempDir()
  await gitOk(dir, ['lfs', 'install', '--skip-repo'], { HOME: dir })
  const run = (cwd: string, ...args: string[]) => git(join(dir, cwd), args, { HOME: dir })
  const url = hub.gitUrl('ada/m', bob)

  const refused = await run('.', 'clone', '-q', url, 'refused')
  expect(refused.code).not.toBe(0)
  expect(refused.stderr).toContain('Access to model ada/m is restricted')
  expect((await run('.', 'clone', '-q', hub.gitUrl('ada/m'), 'anonymous')).stderr).toMatch(
    /could not read Username|Authentication failed|terminal prompts disabled/,
  )

  expect((await hub.api('/ada/m/ask-access', { as: bob, body: {} })).json.status).toBe('accepted')
  expect((await run('.', 'clone', '-q', url, 'one')).code).toBe(0)
  expect((await readFile(join(dir, 'one/w.bin'))).equals(bytes)).toBe(true)

  const handle = '/api/models/ada/m/user-access-request/handle'
  await hub.api(handle, { as: ada, body: { user: 'bob', status: 'rejected' } })
  expect((await run('one', 'fetch')).code).not.toBe(0)
  await gitOk(dir, ['-C', 'one', 'config', 'lfs.storage', join(dir, 'elsewhere')], { HOME: dir })
  const pulled = await run('one', 'lfs', 'fetch')
  expect(pulled.code).not.toBe(0)
  expect(pulled.stderr).toMatch(/403|rejected by its authors|Access|permission/i)
})
