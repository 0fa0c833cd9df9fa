import { expect, test } from 'vitest'
import { startTestHub, type TestHub, type TestUser } from '../support/hub.js'

const idsOf = (reply: { json: { id: string }[] }) => reply.json.map((it) => it.id)

async function create(hub: TestHub, as: TestUser, body: Record<string, unknown>) {
  const made = await hub.api('/api/repos/create', { as, body })
  expect(made.status, made.text).toBe(200)
}

test('lists show to each caller what that caller may see', async () => {
  const hub = await startTestHub()
  const [ada, bob, eve] = [await hub.user('ada'), await hub.user('bob'), await hub.user('eve')]
  await hub.org('lab', ada, { bob: 'reader' })
  await create(hub, ada, { name: 'open' })
  await create(hub, ada, { name: 'hidden', private: true })
  await create(hub, ada, { name: 'inner', visibility: 'internal' })
  await create(hub, ada, { name: 'shared', organization: 'lab', private: true })
  const seen = async (as?: TestUser) =>
    idsOf(await hub.api('/api/models?sort=id&direction=1', as ? { as } : {}))
  expect(await seen()).toEqual(['ada/open'])
  expect(await seen(eve)).toEqual(['ada/inner', 'ada/open'])
  expect(await seen(bob)).toEqual(['ada/inner', 'ada/open', 'lab/shared'])
  expect(await seen(ada)).toEqual(['ada/hidden', 'ada/inner', 'ada/open', 'lab/shared'])
  expect((await hub.api('/api/models?author=ada&search=hidden')).json).toEqual([])
  expect((await hub.api('/api/models?search=hidden', { as: ada })).json[0].private).toBe(true)
  const tokenForOne = await hub.token(ada.user, { repoIds: ['repo_000000000000'] })
  expect(await seen({ ...ada, token: tokenForOne })).toEqual(['ada/open'])
})

test('search follows create, rename and delete', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await create(hub, ada, { name: 'Some-Model' })
  const search = async (text: string) =>
    idsOf(await hub.api(`/api/models?search=${encodeURIComponent(text)}`))
  expect(await search('some-mod')).toEqual(['ada/Some-Model'])
  expect(await search('a/S')).toEqual(['ada/Some-Model'])
  expect(await search('om')).toEqual(['ada/Some-Model'])
  expect(await search('100%"_\\')).toEqual([])
  const body = { fromRepo: 'ada/Some-Model', toRepo: 'ada/renamed', type: 'model' }
  expect((await hub.api('/api/repos/move', { as: ada, body })).status).toBe(200)
  expect([await search('some'), await search('renam')]).toEqual([[], ['ada/renamed']])
  await hub.api('/api/repos/delete', { method: 'DELETE', as: ada, body: { name: 'renamed' } })
  expect(await search('renam')).toEqual([])
})

test('every order pages through all of it once', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const names = Array.from({ length: 13 }, (_, n) => `m${String(n).padStart(2, '0')}`)
  for (const name of names) await create(hub, ada, { name })
  const bob = await hub.user('bob')
  for (const name of ['m03', 'm07'])
    await hub.api(`/api/models/ada/${name}/like`, { as: bob, method: 'POST', body: {} })
  for (const sort of [
    'recent',
    'updated',
    'likes',
    'downloads',
    'trending',
    'trendingScore',
    'lastModified',
    'createdAt',
    'likes30d',
    'num_parameters',
    'mainSize',
    'id',
    '',
  ])
    for (const direction of ['-1', '1', '']) {
      const found: string[] = []
      let url: string | undefined = `/api/models?limit=4&sort=${sort}&direction=${direction}`
      while (url) {
        const page = await hub.api(url)
        expect(page.status, page.text).toBe(200)
        expect(page.json.length).toBeLessThanOrEqual(4)
        found.push(...idsOf(page))
        url = /<(.*)>; rel="next"/.exec(page.headers.get('link') ?? '')?.[1]?.slice(hub.url.length)
      }
      expect([...found].sort()).toEqual(names.map((it) => `ada/${it}`))
    }
  expect(idsOf(await hub.api('/api/models?sort=likes&limit=2'))).toEqual(['ada/m07', 'ada/m03'])
  expect(idsOf(await hub.api('/api/models?limit=1'))).toEqual(['ada/m12'])
  expect((await hub.api('/api/models?limit=100000')).json.length).toBe(13)
  expect((await hub.api('/api/models?limit=13')).headers.get('link')).toBeNull()
})

test('what cannot be asked for is refused in words', async () => {
  const hub = await startTestHub()
  for (const query of [
    'sort=nonsense',
    'sort=__proto__',
    'limit=0',
    'limit=x',
    'limit=-3',
    'expand=nonsense',
    'expand[]=downloads,nope',
    'gated=maybe',
    'cursor=abc',
    'cursor=e30',
    'full=true&expand=sha',
    `search=${'x'.repeat(2_000)}`,
    `filter=${'a&filter='.repeat(200)}b`,
  ]) {
    const reply = await hub.api(`/api/models?${query}`)
    expect([query.slice(0, 40), reply.status]).toEqual([query.slice(0, 40), 400])
    expect(reply.json.error).toBe(reply.headers.get('x-error-message'))
  }
  expect((await hub.api('/api/models?inference=warm')).json).toEqual([])
  expect((await hub.api('/api/models?filter=%00')).status).toBe(400)
  expect((await hub.api('/api/agent-harnesses')).status).toBe(200)
  expect((await hub.api('/api/telemetry/x/y', { method: 'HEAD' })).status).toBe(204)
})

test('the oldest listing shows the caller’s own repositories', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await create(hub, ada, { name: 'm', private: true })
  await create(hub, ada, { name: 'd', type: 'dataset' })
  const own = await hub.api('/api/repos/ls', { as: ada })
  expect(
    own.json.map((it: { modelId: string; type: string; private: boolean }) => [
      it.modelId,
      it.type,
      it.private,
    ]),
  ).toEqual([
    ['ada/d', 'dataset', false],
    ['ada/m', 'model', true],
  ])
  expect(idsOf(await hub.api('/api/repos/ls?organization=ada'))).toEqual(['ada/d'])
  expect((await hub.api('/api/repos/ls')).status).toBe(401)
  expect((await hub.api('/api/repos/ls?organization=none', { as: ada })).status).toBe(404)
})
