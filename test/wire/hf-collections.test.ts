import { expect, test } from 'vitest'
import { type ApiReply, startTestHub, type TestHub, type TestUser } from '../support/hub.js'

const C = '/api/collections'

interface Item {
  readonly _id: string
  readonly id: string
  readonly type: string
  readonly position: number
  readonly note?: { text: string }
}

async function start() {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const bob = await hub.user('bob')
  const repo = (name: string, more = {}, as = ada) =>
    hub.api('/api/repos/create', { as, body: { name, ...more } })
  const create = async (title: string, more = {}, as = ada): Promise<string> => {
    const reply = await hub.api(C, { as, body: { title, namespace: as.name, ...more } })
    expect(reply.status).toBe(200)
    return reply.json.slug
  }
  const add = (slug: string, type: string, id: string, note?: string, as = ada) =>
    hub.api(`${C}/${slug}/items`, { as, body: { item: { type, id }, note } })
  const items = async (slug: string, as?: TestUser): Promise<Item[]> =>
    (await hub.api(`${C}/${slug}`, as ? { as } : {})).json.items
  const ids = async (slug: string, as?: TestUser) => (await items(slug, as)).map((it) => it.id)
  return { hub, ada, bob, repo, create, add, items, ids }
}

const slugs = (reply: ApiReply) => reply.json.map((it: { slug: string }) => it.slug)

test('a collection is created, shown, changed and deleted', async () => {
  const { hub, ada, create } = await start()
  const slug = await create('Ça va — ICCV 2023!', { description: 'best of' })
  expect(slug).toMatch(/^ada\/ca-va-iccv-2023-[0-9a-f]{24}$/)
  const shown = await hub.api(`${C}/${slug}`)
  expect(shown.json).toMatchObject({
    slug,
    title: 'Ça va — ICCV 2023!',
    description: 'best of',
    owner: { name: 'ada', type: 'user' },
    items: [],
    position: 0,
    private: false,
    theme: 'orange',
    upvotes: 0,
  })
  expect(shown.json.lastUpdated).toMatch(/Z$/)
  const body = { title: 'ICCV', theme: 'pink', private: true, description: '' }
  const changed = await hub.api(`${C}/${slug}`, { as: ada, method: 'PATCH', body })
  const id = slug.slice(-24)
  expect(changed.json.data).toMatchObject({ slug: `ada/iccv-${id}`, theme: 'pink', private: true })
  expect(changed.json.data.description).toBeUndefined()
  // the old slug still leads there, also in other letters
  for (const old of [slug, `ADA/x-${id}`, `ada/${id}`])
    expect((await hub.api(`${C}/${old}`, { as: ada })).json.slug).toBe(`ada/iccv-${id}`)
  expect((await hub.api(`${C}/bob/iccv-${id}`, { as: ada })).status).toBe(404)
  expect((await hub.api(`${C}/${slug}`, { as: ada, method: 'DELETE' })).status).toBe(200)
  expect((await hub.api(`${C}/${slug}`, { as: ada })).status).toBe(404)
  expect((await hub.api(`${C}/${slug}`, { as: ada, method: 'DELETE' })).status).toBe(404)
  const nameless = await create('日本')
  expect(nameless).toMatch(/^ada\/collection-[0-9a-f]{24}$/)
})

test('a title is there once in a namespace: 409 with the slug', async () => {
  const { hub, ada, bob, create } = await start()
  const slug = await create('one')
  const again = await hub.api(C, { as: ada, body: { title: ' one ', namespace: 'ada' } })
  expect([again.status, again.json.slug]).toEqual([409, slug])
  const two = await create('two')
  const rename = { as: ada, method: 'PATCH', body: { title: 'one' } }
  expect((await hub.api(`${C}/${two}`, rename)).status).toBe(409)
  expect((await hub.api(`${C}/${two}`)).json.title).toBe('two')
  await create('one', {}, bob)
})

test('items of every type come in, once each, in order, with notes', async () => {
  const { hub, ada, repo, create, add, items, ids } = await start()
  await repo('m')
  await repo('d', { type: 'dataset' })
  await repo('s', { type: 'space', sdk: 'static' })
  await hub.domain.stores.papers.save({
    id: '2307.09288',
    title: 'Llama 2',
    summary: null,
    authors: [],
    publishedAt: null,
    source: null,
    submittedOnDailyAt: null,
    submittedOnDailyBy: null,
  })
  const [slug, other] = [await create('all'), await create('other')]
  for (const [type, id, note] of [
    ['model', 'ada/m', 'a note'],
    ['dataset', 'ada/d'],
    ['space', 'ada/s'],
    ['paper', '2307.09288'],
    ['collection', other],
  ] as const)
    expect((await add(slug, type, id, note)).status).toBe(200)
  const held = other.slice(-24)
  expect(await ids(slug)).toEqual(['ada/m', 'ada/d', 'ada/s', '2307.09288', held])
  const all = await items(slug)
  expect(all.map((it) => it.position)).toEqual([0, 1, 2, 3, 4])
  expect(all[0]).toMatchObject({ type: 'model', note: { text: 'a note' }, author: 'ada' })
  expect(all[3]).toMatchObject({ type: 'paper', title: 'Llama 2' })
  expect(all[4]).toMatchObject({ type: 'collection', slug: other, title: 'other' })
  expect((await add(slug, 'model', 'ada/m')).status).toBe(409)
  expect((await add(slug, 'dataset', 'datasets/ada/d')).status).toBe(409)

  const patch = (item: string, body: unknown) =>
    hub.api(`${C}/${slug}/items/${item}`, { as: ada, method: 'PATCH', body })
  expect((await patch(all[4]?._id ?? '', { position: 0 })).status).toBe(200)
  expect((await patch(all[0]?._id ?? '', { position: 99, note: '' })).status).toBe(200)
  expect(await ids(slug)).toEqual([held, 'ada/d', 'ada/s', '2307.09288', 'ada/m'])
  expect((await items(slug))[4]?.note).toBeUndefined()
  expect((await patch(all[1]?._id ?? '', { position: 2, note: 'n' })).status).toBe(200)
  expect(await ids(slug)).toEqual([held, 'ada/s', 'ada/d', '2307.09288', 'ada/m'])
  expect((await items(slug))[2]?.note).toEqual({ text: 'n' })
  const gone = `${C}/${slug}/items/${all[2]?._id}`
  expect((await hub.api(gone, { as: ada, method: 'DELETE' })).status).toBe(200)
  expect((await hub.api(gone, { as: ada, method: 'DELETE' })).status).toBe(404)
  expect((await items(slug)).map((it) => [it.id, it.position])).toEqual([
    [held, 0],
    ['ada/d', 1],
    ['2307.09288', 2],
    ['ada/m', 3],
  ])

  // a new name changes nothing, what is deleted is gone
  const move = { fromRepo: 'ada/m', toRepo: 'ada/renamed', type: 'model' }
  expect((await hub.api('/api/repos/move', { as: ada, body: move })).status).toBe(200)
  await hub.api('/api/repos/delete', {
    as: ada,
    method: 'DELETE',
    body: { name: 'd', type: 'dataset' },
  })
  await hub.api(`${C}/${other}`, { as: ada, method: 'DELETE' })
  expect(await ids(slug)).toEqual(['2307.09288', 'ada/renamed'])
})

test('what is hidden from the viewer is not in a collection, and leaves no gap', async () => {
  const { hub, ada, bob, repo, create, add, items, ids } = await start()
  await repo('first')
  await repo('secret', { private: true })
  await repo('last')
  const [slug, hidden] = [await create('mixed'), await create('hidden', { private: true })]
  for (const name of ['first', 'secret', 'last']) await add(slug, 'model', `ada/${name}`)
  await add(slug, 'collection', hidden)
  expect(await ids(slug, ada)).toEqual(['ada/first', 'ada/secret', 'ada/last', hidden.slice(-24)])
  for (const as of [undefined, bob]) {
    const seen = await hub.api(`${C}/${slug}`, as ? { as } : {})
    expect(seen.json.items.map((it: Item) => [it.id, it.position])).toEqual([
      ['ada/first', 0],
      ['ada/last', 1],
    ])
    const listed = await hub.api(C, as ? { as } : {})
    expect(slugs(listed)).toEqual([slug])
    expect(seen.text + listed.text).not.toMatch(/secret|hidden/)
    // nor can it be found by guessing what it holds
    for (const item of ['models/ada/secret', 'models/ada/none', `collections/${hidden}`])
      expect((await hub.api(`${C}?item=${item}`, as ? { as } : {})).json).toEqual([])
    // hidden looks absent
    const absent = await hub.api(`${C}/ada/hidden-${'0'.repeat(24)}`, as ? { as } : {})
    const there = await hub.api(`${C}/${hidden}`, as ? { as } : {})
    expect([there.status, there.text]).toEqual([404, absent.text])
  }
  expect(slugs(await hub.api(`${C}?item=models/ada/secret`, { as: ada }))).toEqual([slug])
  // a credential for one repository does not reach private collections
  const first = await hub.domain.stores.repos.findByAddress({
    kind: 'model',
    namespace: 'ada',
    name: 'first',
  })
  const limited = { ...ada, token: await hub.token(ada.user, { repoIds: [first?.id ?? ''] }) }
  expect((await hub.api(`${C}/${hidden}`, { as: limited })).status).toBe(404)
  expect(slugs(await hub.api(C, { as: limited }))).toEqual([slug])

  // who writes the collection without seeing an item of it neither sees nor moves nor removes that
  await hub.org('lab', ada, { bob: 'contributor' })
  const shared = (await hub.api(C, { as: ada, body: { title: 's', namespace: 'lab' } })).json.slug
  for (const name of ['secret', 'first', 'last']) await add(shared, 'model', `ada/${name}`)
  const [secret, first1, last] = await items(shared, ada)
  const one = (id = '') => `${C}/${shared}/items/${id}`
  expect((await hub.api(one(secret?._id), { as: bob, method: 'DELETE' })).status).toBe(404)
  const patch = { as: bob, method: 'PATCH', body: { position: 0 } }
  expect((await hub.api(one(secret?._id), patch)).status).toBe(404)
  expect((await hub.api(one(last?._id), patch)).status).toBe(200)
  expect(await ids(shared, bob)).toEqual(['ada/last', 'ada/first'])
  expect(await ids(shared, ada)).toEqual(['ada/secret', 'ada/last', 'ada/first'])
  expect(first1?.id).toBe('ada/first')
})

test('lists are filtered, sorted and paged', async () => {
  const { hub, ada, bob, repo, create, add } = await start()
  await repo('m')
  await repo('n')
  const one = await create('one', { description: 'Apples 100%' })
  const two = await create('two')
  const three = await create('three', {}, bob)
  for (const name of ['m', 'n']) await add(one, 'model', `ada/${name}`)
  await add(three, 'model', 'ada/m', undefined, bob)
  await hub.api(`${C}/${two}/upvote`, { as: bob, method: 'POST' })
  const list = async (query: string) => slugs(await hub.api(`${C}?${query}`))
  expect(await list('sort=lastModified')).toEqual([three, one, two])
  expect((await list('sort=upvotes'))[0]).toBe(two)
  expect((await list('sort=trending'))[0]).toBe(two)
  expect((await list(''))[0]).toBe(two)
  expect(await list('owner=ada&sort=lastModified')).toEqual([one, two])
  expect(await list('owner=ada&owner=bob&sort=lastModified')).toEqual([three, one, two])
  expect(await list('owner=nobody')).toEqual([])
  expect(await list('item=models/ada/m&sort=lastModified')).toEqual([three, one])
  expect(await list('item=models/ada/m&item=models/ada/n')).toEqual([one])
  expect(await list('q=APPLES')).toEqual([one])
  expect(await list('q=100%25')).toEqual([one])
  expect(await list('q=%25')).toEqual([one])
  const listed = (await hub.api(`${C}?owner=ada`)).json
  for (const it of listed) expect(it.position).toBeUndefined()

  const seen: string[] = []
  let next: string | undefined = `${C}?limit=1&sort=lastModified`
  let pages = 0
  for (; next; pages += 1) {
    const reply: Awaited<ReturnType<TestHub['api']>> = await hub.api(next)
    seen.push(...slugs(reply))
    next = /<[^/]*\/\/[^/]*(\/[^>]*)>; rel="next"/.exec(reply.headers.get('link') ?? '')?.[1]
  }
  expect([seen, pages]).toEqual([[three, one, two], 3])
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    await repo(name)
    await add(two, 'model', `ada/${name}`)
  }
  const short = (await hub.api(`${C}?owner=ada`)).json
  expect(short.find((it: { slug: string }) => it.slug === two).items).toHaveLength(4)
  expect(ada.name).toBe('ada')
})

test('collections of an owner have an order', async () => {
  const { hub, ada, create } = await start()
  const [a, b, c] = [await create('a'), await create('b'), await create('c')]
  const position = async (slug: string) => (await hub.api(`${C}/${slug}`)).json.position
  const order = () => Promise.all([a, b, c].map(position))
  expect(await order()).toEqual([0, 1, 2])
  await hub.api(`${C}/${c}`, { as: ada, method: 'PATCH', body: { position: 0 } })
  expect(await order()).toEqual([1, 2, 0])
  await hub.api(`${C}/${a}`, { as: ada, method: 'PATCH', body: { position: 50 } })
  expect(await order()).toEqual([2, 1, 0])
  await hub.api(`${C}/${b}`, { as: ada, method: 'DELETE' })
  expect([await position(c), await position(a)]).toEqual([0, 1])
})

test('upvotes count once a user', async () => {
  const { hub, ada, bob, create } = await start()
  const slug = await create('one')
  const vote = async (method: string, as?: TestUser) =>
    hub.api(`${C}/${slug}/upvote`, { method, ...(as ? { as } : {}) })
  expect((await vote('POST', bob)).json.upvotes).toBe(1)
  expect((await vote('POST', bob)).json.upvotes).toBe(1)
  expect((await vote('POST', ada)).json.upvotes).toBe(2)
  expect((await hub.api(`${C}/${slug}`, { as: bob })).json.isUpvotedByUser).toBe(true)
  expect((await vote('DELETE', bob)).json.upvotes).toBe(1)
  expect((await vote('POST')).status).toBe(401)
  expect((await hub.api(`${C}/${slug}`, { as: bob })).json).toMatchObject({
    upvotes: 1,
    isUpvotedByUser: false,
  })
})

test('bad input and missing rights change nothing', async () => {
  const { hub, ada, bob, repo, create, add, items } = await start()
  await repo('m')
  await repo('secret', { private: true })
  const slug = await create('one')
  await add(slug, 'model', 'ada/m')
  const item = (await items(slug))[0]?._id
  const reader = { ...ada, token: await hub.token(ada.user, { role: 'read' }) }
  const before = (await hub.api(`${C}/${slug}`)).text
  const patch = (body: unknown, as = ada, path = '') =>
    hub.api(`${C}/${slug}${path}`, { as, method: 'PATCH', body })
  for (const [status, reply] of [
    [400, hub.api(C, { as: ada, body: { title: ' ', namespace: 'ada' } })],
    [400, hub.api(C, { as: ada, body: { title: 'x'.repeat(201), namespace: 'ada' } })],
    [400, hub.api(C, { as: ada, body: '{' })],
    [404, hub.api(C, { as: ada, body: { title: 't', namespace: 'nobody' } })],
    [403, hub.api(C, { as: bob, body: { title: 't', namespace: 'ada' } })],
    [403, hub.api(C, { as: reader, body: { title: 't', namespace: 'ada' } })],
    [401, hub.api(C, { body: { title: 't', namespace: 'ada' } })],
    [400, patch({ theme: 'brown' })],
    [400, patch({ position: -1 })],
    [400, patch({ position: 1.5 })],
    [400, patch({ private: 'yes' })],
    [403, patch({ title: 'mine' }, bob)],
    [403, patch({ title: 'mine' }, reader)],
    [403, hub.api(`${C}/${slug}`, { as: bob, method: 'DELETE' })],
    [401, hub.api(`${C}/${slug}`, { method: 'DELETE' })],
    [403, add(slug, 'model', 'ada/m', undefined, bob)],
    [404, add(slug, 'model', 'ada/none')],
    [404, add(slug, 'dataset', 'ada/m')],
    [404, add(slug, 'paper', '1234.56789')],
    [404, add(slug, 'paper', '../x')],
    [404, add(slug, 'collection', `ada/none-${'0'.repeat(24)}`)],
    [400, add(slug, 'collection', slug)],
    [400, add(slug, 'bucket', 'ada/m')],
    [400, add(slug, 'model', 'noslash')],
    [400, add(slug, 'model', 'ada/m', 'x'.repeat(501))],
    [404, patch({ position: 0 }, ada, '/items/none')],
    [400, patch({ position: 'first' }, ada, `/items/${item}`)],
    [403, patch({ position: 0 }, bob, `/items/${item}`)],
    [403, hub.api(`${C}/${slug}/items/${item}`, { as: bob, method: 'DELETE' })],
    [400, hub.api(`${C}?sort=best`)],
    [400, hub.api(`${C}?limit=0`)],
    [400, hub.api(`${C}?cursor=zzz`)],
    [400, hub.api(`${C}?item=ada/m`)],
    [404, hub.api(`${C}/ada/no%00thing`)],
    [404, hub.api(`${C}/ada/none`)],
  ] as const)
    expect((await reply).status).toBe(status)
  // bob may write his own collection, and learns of ada's private model no more than of one that is not there
  const own = await create('own', {}, bob)
  const [there, absent] = [
    await add(own, 'model', 'ada/secret', undefined, bob),
    await add(own, 'model', 'ada/none', undefined, bob),
  ]
  expect([there.status, there.text]).toEqual([404, absent.text])
  expect((await hub.api(`${C}/${slug}`)).text).toBe(before)
  expect((await hub.api(`${C}?owner=ada`)).json).toHaveLength(1)
})
