import { expect, test } from 'vitest'
import { hubWithRepo } from '../support/hf.js'
import { rawRequest } from '../support/raw-http.js'

test('a kind that every object has as a member is no kind', async () => {
  const { hub, ada } = await hubWithRepo()
  for (const kind of ['__proto__', 'constructor', 'toString']) {
    const settings = await hub.api(`/api/repos/${kind}/ada/m/settings`, {
      as: ada,
      method: 'PUT',
      body: { private: true },
    })
    const stats = await hub.api(`/api/${kind}/ada/m/stats`, { as: ada })
    const quota = await hub.api(`/api/quota/repo/${kind}/ada/m`, { as: ada })
    for (const { status } of [settings, stats, quota])
      expect([kind, status < 500]).toEqual([kind, true])
  }
})

test('a name with half a surrogate pair is refused, not asked for again and again', async () => {
  const { hub, ada } = await hubWithRepo()
  const tag = await hub.api('/api/models/ada/m/tag/main', { as: ada, body: { tag: 'v\ud800' } })
  expect([tag.status, tag.json.error]).toEqual([400, expect.stringContaining('not a valid')])
  expect((await hub.api('/api/models/ada/m/refs')).json.tags).toEqual([])
})

test('a query value that is an object without a text is a wrong one', async () => {
  const { hub, ada } = await hubWithRepo()
  const odd = (name: string) => `${name}[toString]=1&${name}[valueOf]=1`
  const locks = await hub.api(`/ada/m.git/info/lfs/locks?${odd('limit')}&${odd('path')}`, {
    as: ada,
  })
  expect([locks.status, locks.json.locks]).toEqual([200, []])
  for (const path of [`/lfs/repo_000000000000/${'a'.repeat(64)}/download`, '/auth/v1/download/r/x'])
    expect((await hub.api(`${path}?${odd('token')}`)).status).toBe(401)
})

test('an id of one segment is a repository that is not there', async () => {
  const { hub, ada } = await hubWithRepo()
  for (const path of ['/api/models/ada', '/api/models/m', '/api/datasets/x.y']) {
    const known = await hub.api(path, { as: ada })
    expect([known.status, known.headers.get('x-error-code')]).toEqual([404, 'RepoNotFound'])
    const unknown = await hub.api(path)
    expect([unknown.status, unknown.headers.get('x-error-code')]).toEqual([401, 'RepoNotFound'])
  }
  expect((await hub.api('/api/nothing/ada', { as: ada })).headers.get('x-error-code')).toBeNull()
})

test('a Host or a forwarded protocol that makes no URL is refused wherever it would be used', async () => {
  const { hub, ada } = await hubWithRepo({ PACKHORSE_TRUST_PROXY: 'loopback' })
  const odd = [
    { Host: '[::1' },
    { Host: 'hub:99999' },
    { Host: 'hub/x' },
    { Host: 'hub', 'X-Forwarded-Proto': 'javascript' },
  ]
  for (const headers of odd) {
    const batch = await rawRequest(hub.url, '/ada/m.git/info/lfs/objects/batch', {
      method: 'POST',
      as: ada,
      headers: { ...headers, 'Content-Type': 'application/vnd.git-lfs+json' },
      body: Buffer.from(
        JSON.stringify({ operation: 'upload', objects: [{ oid: 'a'.repeat(64), size: 1 }] }),
      ),
    })
    // asked before anybody is logged in: where the cookie of a session comes with a page's origin
    const posted = await rawRequest(hub.url, '/api/logout', {
      method: 'POST',
      headers: { ...headers, Cookie: 'session_id=abc', Origin: 'https://page.example' },
      body: Buffer.from('{}'),
    })
    expect([headers, batch.status, posted.status < 500]).toEqual([headers, 422, true])
  }
})
