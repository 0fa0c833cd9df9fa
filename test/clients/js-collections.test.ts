import {
  createCollection,
  createRepo,
  deleteCollection,
  HubApiError,
  listCollections,
} from '@huggingface/hub'
import { expect, test } from 'vitest'
import { startTestHub } from '../support/hub.js'

async function all<T>(list: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const it of list) items.push(it)
  return items
}

async function statusOf(call: Promise<unknown>): Promise<number> {
  const err = await call.then(
    () => undefined,
    (it: unknown) => it,
  )
  expect(err).toBeInstanceOf(HubApiError)
  return (err as HubApiError).statusCode
}

test('@huggingface/hub keeps collections', async () => {
  const hub = await startTestHub()
  const [ada, bob] = [await hub.user('ada'), await hub.user('bob')]
  const as = { accessToken: ada.token, hubUrl: hub.url }
  const asBob = { accessToken: bob.token, hubUrl: hub.url }
  for (const name of ['m', 'n'])
    await createRepo({ ...as, repo: { type: 'model', name: `ada/${name}` }, private: name === 'n' })
  const make = (title: string, more = {}) =>
    createCollection({ ...as, collection: { title, namespace: 'ada', ...more } })
  const { slug } = await make('Best of')
  const hidden = await make('Hidden', { private: true, description: 'not for all' })
  expect(slug).toMatch(/^ada\/best-of-[0-9a-f]{24}$/)
  expect(await statusOf(make('Best of'))).toBe(409)
  // the client writes and lists whole collections only: what is in them comes by the API
  for (const [type, id] of [
    ['model', 'ada/m'],
    ['model', 'ada/n'],
    ['collection', hidden.slug],
  ])
    await hub.api(`/api/collections/${slug}/items`, { as: ada, body: { item: { type, id } } })
  const list = async (who: Partial<typeof as>, more = {}) =>
    (await all(listCollections({ hubUrl: hub.url, ...who, ...more }))).map((it) => it.slug)
  expect((await list(as)).sort()).toEqual([slug, hidden.slug].sort())
  expect(await list(asBob)).toEqual([slug])
  expect(await list({}, { search: { owner: ['ada'], q: 'BEST' }, sort: 'upvotes' })).toEqual([slug])
  expect(await list(as, { search: { item: ['models/ada/n'] }, limit: 1 })).toEqual([slug])
  expect(await list({}, { search: { item: ['models/ada/n'] } })).toEqual([])
  expect(await list({}, { search: { owner: ['nobody'] } })).toEqual([])

  const held = async (who: Partial<typeof as>) =>
    (await all(listCollections({ hubUrl: hub.url, ...who, search: { q: 'best' } })))[0]?.items.map(
      (it) => it.id,
    )
  expect(await held(as)).toEqual(['ada/m', 'ada/n', hidden.slug.slice(-24)])
  expect(await held(asBob)).toEqual(['ada/m'])
  expect(
    await statusOf(createCollection({ ...asBob, collection: { title: 'x', namespace: 'ada' } })),
  ).toBe(403)
  expect(await statusOf(deleteCollection({ ...asBob, slug }))).toBe(403)
  await deleteCollection({ ...as, slug })
  expect(await statusOf(deleteCollection({ ...as, slug }))).toBe(404)
  expect(await list(as)).toEqual([hidden.slug])
})
