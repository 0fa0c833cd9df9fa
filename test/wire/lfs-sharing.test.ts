import { describe, expect, test } from 'vitest'
import { startTestHub } from '../support/hub.js'
import {
  batch,
  createRepo,
  download,
  pointerOf,
  put,
  randomObject,
  repoOf,
  storedKeys,
  type TestObject,
  uploadAll,
} from '../support/lfs.js'
import { OBJECT_MODES } from '../support/object-modes.js'

/* One copy for the whole hub, rights per repository (peers.md 10, "already there"). */

describe.each(OBJECT_MODES)('objects of several repositories with $name', (mode) => {
  async function start() {
    const hub = await startTestHub(mode.env())
    const [ada, bob] = [await hub.user('ada'), await hub.user('bob')]
    await createRepo(hub, ada, 'secret', { private: true })
    await createRepo(hub, ada, 'open')
    await createRepo(hub, bob, 'mine')
    const needed = async (object: TestObject) =>
      (await batch(hub, 'bob/mine', 'upload', [pointerOf(object)], { as: bob })).objects[0]?.actions
    return { hub, ada, bob, needed }
  }

  test('knowing the oid of a private object grants nothing; having the bytes does', async () => {
    const { hub, ada, bob, needed } = await start()
    const object = randomObject(5000)
    await uploadAll(hub, 'ada/secret', ada, [object])
    expect(await download(hub, 'bob/mine', bob, object)).toBe(404)
    const actions = await needed(object)
    if (!actions) throw new Error('the object was given away')
    const wrong = randomObject(5000)
    expect((await put(actions.upload, wrong.bytes)).status).toBeGreaterThanOrEqual(400)
    expect(await download(hub, 'bob/mine', bob, object)).toBe(404)
    expect((await put(actions.upload, object.bytes)).status).toBe(200)
    expect(await download(hub, 'bob/mine', bob, object)).toEqual(object.bytes)
    await hub.domain.collector.finishDeletions()
    expect(await hub.domain.stores.lfs.findObject(object.oid)).toMatchObject({ size: 5000 })
    if (mode.name !== 's3') expect(await storedKeys(hub)).toHaveLength(1)
  })

  test('an object of a repository that the caller may read is adopted without an upload', async () => {
    const { hub, ada, bob, needed } = await start()
    const object = randomObject(5000)
    await uploadAll(hub, 'ada/open', ada, [object])
    expect(await needed(object)).toBeUndefined()
    expect(await download(hub, 'bob/mine', bob, object)).toEqual(object.bytes)
    expect((await repoOf(hub, 'bob', 'mine')).lfsBytes).toBe(5000)
    expect(await storedKeys(hub)).toHaveLength(1)
  })

  test.each([
    ['gated', { gate: 'auto' }],
    ['disabled', { disabled: true }],
    ['made private', { visibility: 'private' }],
  ] as const)('one of a %s repository is not', async (_, change) => {
    const { hub, ada, needed } = await start()
    const object = randomObject(5000)
    await uploadAll(hub, 'ada/open', ada, [object])
    const repo = await repoOf(hub, 'ada', 'open')
    await hub.domain.stores.repos.updateSettings(repo.id, change, {
      type: 'repo.settings',
      repo,
      actor: { id: null, name: null, address: '' },
      dialect: 'test',
      data: {},
    })
    expect(await needed(object)).toBeDefined()
  })

  test('members see through their membership, tokens for one repository do not', async () => {
    const { hub, ada, bob } = await start()
    await hub.org('acme', ada, { bob: 'reader' })
    await createRepo(hub, ada, 'shared', { organization: 'acme', private: true })
    const [one, two] = [randomObject(100), randomObject(100)]
    await uploadAll(hub, 'acme/shared', ada, [one, two])
    const mine = await repoOf(hub, 'bob', 'mine')
    const scoped = { ...bob, token: await hub.token(bob.user, { repoIds: [mine.id] }) }
    const ask = async (as: typeof bob, object: TestObject) =>
      (await batch(hub, 'bob/mine', 'upload', [pointerOf(object)], { as })).objects[0]?.actions
    expect(await ask(scoped, one)).toBeDefined()
    expect(await ask(bob, two)).toBeUndefined()
  })

  test('adopting is charged: over the quota it is refused', async () => {
    const { hub, ada, bob, needed } = await start()
    const object = randomObject(5000)
    await uploadAll(hub, 'ada/open', ada, [object])
    await hub.domain.stores.accounts.setNamespaceQuotas(bob.user.id, { publicBytes: 1000 })
    const answer = await batch(hub, 'bob/mine', 'upload', [pointerOf(object)], { as: bob })
    expect(answer.objects[0]?.error?.code).toBe(507)
    expect(await download(hub, 'bob/mine', bob, object)).toBe(404)
    await hub.domain.stores.accounts.setNamespaceQuotas(bob.user.id, { publicBytes: 1_000_000 })
    expect(await needed(object)).toBeUndefined()
  })
})

test('an object shared by two repositories outlives one of them', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await createRepo(hub, ada, 'one')
  await createRepo(hub, ada, 'two')
  const object = randomObject(5000)
  for (const path of ['ada/one', 'ada/two']) await uploadAll(hub, path, ada, [object])
  await hub.api('/api/repos/delete', { method: 'DELETE', as: ada, body: { name: 'one' } })
  await hub.domain.jobs.drain()
  await hub.domain.collector.collect({ dryRun: false, graceSeconds: 0 })
  expect(await download(hub, 'ada/two', ada, object)).toEqual(object.bytes)
})
