import { expect, test } from 'vitest'
import { commit, file, header } from '../support/hf.js'
import { ADMIN_TOKEN, startTestHub } from '../support/hub.js'

const LLAMA = '2307.09288'
const admin = { headers: { 'X-Admin-Token': ADMIN_TOKEN } }

async function start() {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const bob = await hub.user('bob')
  const repo = async (type: string, name: string, card: string, more = {}) => {
    await hub.api('/api/repos/create', { as: ada, body: { name, type, sdk: 'static', ...more } })
    const lines = [header(), file('README.md', `---\n${card}\n---\n`)]
    const path = `/api/${type}s/ada/${name}/commit/main`
    expect((await commit(hub, ada, lines, path)).status).toBe(200)
  }
  const describe = (id: string, body: unknown) =>
    hub.api(`/api/admin/papers/${id}`, { method: 'PUT', body, ...admin })
  const search = async (query: string, as?: typeof ada) =>
    (await hub.api(`/api/papers/search${query}`, as ? { as } : {})).json.map(
      (it: { paper: { id: string } }) => it.paper.id,
    )
  return { hub, ada, bob, repo, describe, search }
}

test('papers that cards name are known, with the repositories that name them', async () => {
  const { hub, repo, search } = await start()
  await repo('model', 'm', `arxiv: ${LLAMA}`)
  await repo('dataset', 'd', `arxiv: ["${LLAMA}", hep-th/9901001]`)
  await repo('space', 's', `tags: [arxiv:${LLAMA}, arxiv:nonsense]`)
  expect(await search('')).toEqual(['hep-th/9901001', LLAMA])
  expect(await search('?q=2307')).toEqual([LLAMA])
  expect(await search('?limit=1')).toEqual(['hep-th/9901001'])
  const paper = (await hub.api(`/api/papers/${LLAMA}`)).json
  expect(paper).toMatchObject({ id: LLAMA, title: `arXiv:${LLAMA}`, upvotes: 0, authors: [] })
  expect([paper.linkedModels[0].id, paper.numTotalModels]).toEqual(['ada/m', 1])
  const repos = (await hub.api(`/api/arxiv/${LLAMA}/repos`)).json
  const ids = Object.entries(repos).map(([kind, list]) => [kind, (list as { id: string }[])[0]?.id])
  expect(ids).toEqual([
    ['models', 'ada/m'],
    ['datasets', 'ada/d'],
    ['spaces', 'ada/s'],
  ])
  for (const id of ['hep-th/9901001', 'hep-th%2F9901001'])
    expect((await hub.api(`/api/papers/${id}`)).json.linkedDatasets[0].id).toBe('ada/d')
  for (const id of ['nonsense', '1111.22222', `${LLAMA}v2`, '%00', 'x'.repeat(300)])
    expect((await hub.api(`/api/papers/${id}`)).status).toBe(404)
})

test('papers are found in the text of a card, and change with it', async () => {
  const { hub, ada, repo, search } = await start()
  const text = `See https://arxiv.org/abs/1706.03762v7 and arXiv:1810.04805, [this](https://arxiv.org/pdf/2005.14165.pdf),
https://huggingface.co/papers/2302.13971, https://arxiv.org/abs/hep-th/9711200 and not arxiv.org/abs/123.4567 or v2.1706.03762.`
  await repo('model', 'm', `license: mit\n---\n${text}\n`)
  const all = ['hep-th/9711200', '2302.13971', '2005.14165', '1810.04805', '1706.03762']
  expect(await search('')).toEqual(all)
  const tags = (await hub.api('/api/models/ada/m')).json.tags as string[]
  expect(tags.filter((it) => it.startsWith('arxiv:')).sort()).toEqual(
    all.map((it) => `arxiv:${it}`).sort(),
  )
  // an id that YAML took for a number has its zeros again
  const card = '---\narxiv: [2401.00010, 704.00, 0704.0010]\n---\n'
  expect((await commit(hub, ada, [header(), file('other.txt', text)])).status).toBe(200)
  expect(await search('')).toEqual(all)
  await commit(hub, ada, [header(), file('README.md', card)])
  expect(await search('')).toEqual(['2401.00010', '0704.0010', '0704.0000'])
})

test('a paper that only hidden repositories name is not known to others', async () => {
  const { hub, ada, bob, repo, search } = await start()
  await repo('model', 'm', `arxiv: ${LLAMA}`, { private: true })
  expect(await search('', ada)).toEqual([LLAMA])
  expect((await hub.api(`/api/papers/${LLAMA}`, { as: ada })).json.linkedModels[0].id).toBe('ada/m')
  for (const as of [undefined, bob]) {
    const options = as ? { as } : {}
    expect(await search('', as)).toEqual([])
    const [there, absent] = [
      await hub.api(`/api/papers/${LLAMA}`, options),
      await hub.api('/api/papers/2307.00000', options),
    ]
    expect([there.status, there.text]).toEqual([404, absent.text])
    expect((await hub.api(`/api/arxiv/${LLAMA}/repos`, options)).status).toBe(404)
  }
  // described by an administrator it is, without the repository
  const body = { title: 'Llama 2' }
  await hub.api(`/api/admin/papers/${LLAMA}`, { method: 'PUT', body, ...admin })
  const seen = await hub.api(`/api/papers/${LLAMA}`, { as: bob })
  expect(seen.json).toMatchObject({ title: 'Llama 2', linkedModels: [], numTotalModels: 0 })
})

test('an administrator describes papers, and puts them on the list of a day', async () => {
  const { hub, describe, search } = await start()
  const body = {
    title: 'Llama 2: Open Foundation',
    summary: 'A 70% larger model.',
    authors: [
      { name: 'Ada L.', user: 'ada' },
      { name: 'B. C.', hidden: true },
    ],
    publishedAt: '2023-07-18',
    submittedOnDailyAt: '2026-11-18T08:00:00Z',
    submittedOnDailyBy: 'bob',
  }
  expect((await describe(LLAMA, body)).json.title).toBe(body.title)
  await describe('2401.00001', { title: 'Another', submittedOnDailyAt: '2026-11-19' })
  await describe('2401.00002', { title: 'Not on a list' })
  const paper = (await hub.api(`/api/papers/${LLAMA}`)).json
  expect(paper).toMatchObject({
    title: body.title,
    summary: body.summary,
    publishedAt: '2023-07-18T00:00:00.000Z',
    submittedOnDailyBy: { user: 'bob' },
  })
  expect(paper.authors).toMatchObject([
    { name: 'Ada L.', user: { user: 'ada' }, hidden: false },
    { name: 'B. C.', hidden: true },
  ])
  for (const q of ['open foundation', '70%25', 'ada l.', '2307'])
    expect(await search(`?q=${q}`)).toEqual([LLAMA])
  expect((await hub.api('/api/users/ada/overview')).json.numPapers).toBe(1)

  const daily = async (query: string) =>
    (await hub.api(`/api/daily_papers${query}`)).json.map(
      (it: { paper: { id: string } }) => it.paper.id,
    )
  expect(await daily('')).toEqual([LLAMA, '2401.00001'])
  expect(await daily('?sort=trending')).toEqual(['2401.00001', LLAMA])
  expect(await daily('?date=2026-11-18')).toEqual([LLAMA])
  expect(await daily('?week=2026-W47&limit=1&p=1')).toEqual(['2401.00001'])
  expect(await daily('?week=2026-W48')).toEqual([])
  expect(await daily('?month=2026-11&submitter=bob')).toEqual([LLAMA])
  for (const bad of [
    'date=2026-13-01',
    'date=today',
    'week=47',
    'month=2026-13',
    'sort=best',
    'p=-1',
  ])
    expect((await hub.api(`/api/daily_papers?${bad}`)).status).toBe(400)

  const gone = { method: 'DELETE', ...admin }
  expect((await hub.api(`/api/admin/papers/${LLAMA}`, gone)).status).toBe(200)
  expect((await hub.api(`/api/admin/papers/${LLAMA}`, gone)).status).toBe(404)
  expect((await hub.api(`/api/papers/${LLAMA}`)).status).toBe(404)
})

test('bad input and missing rights change nothing', async () => {
  const { hub, ada, describe, search } = await start()
  for (const [status, reply] of [
    [400, describe('nonsense', { title: 'x' })],
    [400, describe(LLAMA, { title: 7 })],
    [400, describe(LLAMA, { authors: [{ name: '' }] })],
    [400, describe(LLAMA, { publishedAt: 'yesterday' })],
    [400, describe(LLAMA, '{')],
    [404, describe(LLAMA, { authors: [{ name: 'x', user: 'nobody' }] })],
    [404, describe(LLAMA, { submittedOnDailyBy: 'nobody' })],
    [403, hub.api(`/api/admin/papers/${LLAMA}`, { as: ada, method: 'PUT', body: { title: 'x' } })],
    [401, hub.api(`/api/admin/papers/${LLAMA}`, { method: 'PUT', body: { title: 'x' } })],
    [403, hub.api(`/api/admin/papers/${LLAMA}`, { as: ada, method: 'DELETE' })],
    [400, hub.api('/api/papers/search?limit=0')],
  ] as const)
    expect((await reply).status).toBe(status)
  expect(await search('')).toEqual([])
})
