import { describe, expect, test } from 'vitest'
import { startTestHub, type TestHub, type TestUser } from '../support/hub.js'
import { signatureOf, startReceiver, WEBHOOKS, watch } from '../support/webhooks.js'

const ENV = { PACKHORSE_WEBHOOKS_ALLOW_PRIVATE: '1', PACKHORSE_WEBHOOKS_RETRY_MS: '20' }

async function create(hub: TestHub, as: TestUser, name: string, more: object = {}) {
  const { status, text } = await hub.api('/api/repos/create', { as, body: { name, ...more } })
  if (status !== 200) throw new Error(`${status} ${text}`)
}

async function commit(hub: TestHub, as: TestUser, id: string, path: string) {
  const lines = [
    { key: 'header', value: { summary: `add ${path}` } },
    { key: 'file', value: { path, content: 'x' } },
  ]
  const { status, json, text } = await hub.api(`/api/models/${id}/commit/main`, {
    as,
    body: lines.map((it) => JSON.stringify(it)).join('\n'),
    headers: { 'Content-Type': 'application/x-ndjson' },
  })
  if (status !== 200) throw new Error(`${status} ${text}`)
  return json.commitOid as string
}

describe('what is sent', () => {
  test('the life of a repository, in order, signed', async () => {
    const hub = await startTestHub(ENV)
    const ada = await hub.user('ada')
    const receiver = await startReceiver()
    const id = await watch(hub, ada, receiver.url, [{ type: 'user', name: 'ada' }], {
      secret: 'my secret',
    })
    await create(hub, ada, 'one')
    const oid = await commit(hub, ada, 'ada/one', 'a.txt')
    await hub.api('/api/models/ada/one/settings', {
      as: ada,
      method: 'PUT',
      body: { private: true },
    })
    await hub.api('/api/repos/move', {
      as: ada,
      body: { fromRepo: 'ada/one', toRepo: 'ada/two', type: 'model' },
    })
    await hub.api('/api/repos/delete', { as: ada, method: 'DELETE', body: { name: 'two' } })
    const all = await receiver.until(5)
    expect(all.map((it) => [it.json.event.scope, it.json.event.action])).toEqual([
      ['repo', 'create'],
      ['repo.content', 'update'],
      ['repo.config', 'update'],
      ['repo', 'move'],
      ['repo', 'delete'],
    ])
    for (const it of all) {
      expect(it.headers['x-webhook-secret']).toBe('my secret')
      expect(it.headers['x-webhook-signature']).toBe(signatureOf(it.text, 'my secret'))
      expect(it.headers['content-type']).toBe('application/json')
      expect(it.json.webhook).toEqual({ id, version: 3 })
      expect(it.json.repo.owner).toEqual({ id: String(ada.user.id) })
    }
    const [made, pushed, config, moved, gone] = all.map((it) => it.json)
    const info = { type: 'model', name: 'ada/one', private: false }
    expect(made.repo).toMatchObject({
      ...info,
      url: { web: `${hub.url}/ada/one`, api: `${hub.url}/api/models/ada/one` },
      headSha: expect.stringMatching(/^[0-9a-f]{40}$/),
    })
    expect(made.repo.id).toMatch(/^[0-9a-f]{24}$/)
    expect(pushed.repo).toMatchObject({ ...info, headSha: oid })
    expect(pushed.updatedRefs).toEqual([
      { ref: 'refs/heads/main', oldSha: made.repo.headSha, newSha: oid },
    ])
    expect(config.updatedConfig).toEqual({ private: true })
    expect(config.repo.private).toBe(true)
    expect(moved.repo.name).toBe('ada/one')
    expect(moved.movedTo).toEqual({ name: 'ada/two', owner: { id: String(ada.user.id) } })
    expect(gone.repo).toMatchObject({ name: 'ada/two', private: true, id: made.repo.id })
  })
})
