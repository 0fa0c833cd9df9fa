import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { HubEvent, User } from '../../src/domain/types.js'
import { newId, newRepoId } from '../../src/lib/ids.js'
import { openStores, type Stores } from '../../src/storage/db/index.js'
import { tempDir } from '../support/hub.js'

/* Access requests, collections and follows as two processes on one database write them at once. */

const EVENT: HubEvent = {
  type: 'test',
  repo: undefined,
  actor: { id: null, name: null, address: '' },
  dialect: 'test',
  data: {},
}

async function open(): Promise<{ one: Stores; two: Stores; users: User[] }> {
  const file = join(await tempDir(), 'hub.sqlite')
  const [one, two] = [await openStores(file), await openStores(file)]
  onTestFinished(async () => {
    await Promise.all([one.close(), two.close()])
  })
  const quotas = { privateBytes: null, publicBytes: null }
  const user = (name: string) =>
    one.accounts.createUser({
      name,
      email: null,
      fullname: null,
      passwordHash: null,
      isSiteAdmin: false,
      quotas,
    })
  return { one, two, users: [await user('ada'), await user('bob')] }
}

async function makeRepo(stores: Stores, namespaceId: number, name: string): Promise<string> {
  const id = newRepoId()
  await stores.repos.create({
    id,
    kind: 'model',
    namespaceId,
    name,
    visibility: 'public',
    description: '',
    defaultBranch: 'main',
    objectFormat: 'sha1',
    sdk: null,
    owner: 'test',
  })
  await stores.repos.markReady(id, EVENT)
  return id
}

test('a decision and a request at once: the decision stands', async () => {
  const { one, two, users } = await open()
  const [ada, bob] = users as [User, User]
  const repoId = await makeRepo(one, ada.id, 'm')
  const ask = (stores: Stores, status: 'pending' | 'accepted') =>
    stores.accessRequests.ask({ repoId, userId: bob.id, status, answers: { Company: 'A' } })
  const decide = (stores: Stores, status: 'accepted' | 'rejected') =>
    stores.accessRequests.decide({
      repoId,
      userId: bob.id,
      status,
      decidedBy: ada.id,
      reason: null,
      create: true,
    })
  await Promise.all([ask(one, 'accepted'), decide(two, 'rejected'), ask(two, 'accepted')])
  const after = await one.accessRequests.find(repoId, bob.id)
  expect([after?.status, after?.decidedBy]).toEqual(['rejected', 'ada'])
  expect(await two.accessRequests.hasGrant(repoId, bob.id)).toBe(false)
  // of two alike, one decides
  const twice = await Promise.all([decide(one, 'accepted'), decide(two, 'accepted')])
  expect(twice.sort()).toEqual([false, true])
  expect(await two.accessRequests.hasGrant(repoId, bob.id)).toBe(true)
  await one.repos.markDeleting(repoId, EVENT)
  await one.repos.purge(repoId)
  expect(await two.accessRequests.find(repoId, bob.id)).toBeUndefined()
})

test('items that come, go and move at once keep one order, each item once', async () => {
  const { one, two, users } = await open()
  const [ada, bob] = users as [User, User]
  const id = newId()
  const order = { namespaceId: ada.id, description: null, isPrivate: false, theme: 'pink' } as const
  await one.collections.create({ ...order, id, title: 't', max: 10 })
  const names = ['a', 'b', 'c', 'd', 'e', 'f']
  const repos = await Promise.all(names.map((name) => makeRepo(one, ada.id, name)))
  const add = (stores: Stores, repoId: string) =>
    stores.collections.addItem(id, {
      id: newId(),
      target: { type: 'model', repoId },
      note: null,
      max: 5,
    })
  const [first = '', second = ''] = repos
  const same = await Promise.all([add(one, first), add(two, first)])
  expect(same.sort()).toEqual(['added', 'taken'])
  const rest = await Promise.all(repos.slice(1).map((it, at) => add(at % 2 === 0 ? one : two, it)))
  expect(rest.sort()).toEqual(['added', 'added', 'added', 'added', 'full'])
  const items = await one.collections.listItems(id, undefined, 100)
  expect(new Set(items.map((it) => it.id)).size).toBe(5)
  const [head, , middle, , last] = items.map((it) => it.id) as [
    string,
    string,
    string,
    string,
    string,
  ]
  const [moved, gone] = await Promise.all([
    one.collections.updateItem(id, last, { before: head }),
    two.collections.deleteItem(id, middle),
  ])
  expect([moved, gone]).toEqual([true, true])
  const left = (await two.collections.listItems(id, undefined, 100)).map((it) => it.id)
  expect(left).toEqual([
    last,
    ...items.map((it) => it.id).filter((it) => it !== last && it !== middle),
  ])
  expect(await one.collections.updateItem(id, head, { before: middle })).toBe(false)

  const votes = [one, two].flatMap((it) =>
    users.map((user) => it.collections.setUpvote(id, user.id, true)),
  )
  await Promise.all(votes)
  expect((await one.collections.find(id))?.upvotes).toBe(2)
  await Promise.all([one, two].map((it) => it.follows.set(bob.id, ada.id, true)))
  expect(await one.follows.count(ada.id)).toEqual({ followers: 1, following: 0 })

  const titles = await Promise.allSettled(
    [one, two].map((it) =>
      it.collections.create({ ...order, id: newId(), title: 'same', max: 10 }),
    ),
  )
  expect(titles.map((it) => it.status).sort()).toEqual(['fulfilled', 'rejected'])
  expect(
    await one.collections.create({ ...order, id: newId(), title: 'third', max: 2 }),
  ).toBeUndefined()
  expect(second).not.toBe(first)
})
