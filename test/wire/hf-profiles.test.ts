import { expect, test } from 'vitest'
import { startTestHub, type TestHub, type TestUser } from '../support/hub.js'

async function start() {
  const hub = await startTestHub()
  const [ada, bob, eve] = [await hub.user('ada'), await hub.user('bob'), await hub.user('eve')]
  await hub.org('lab', ada, { bob: 'reader' })
  const repo = (name: string, more = {}) =>
    hub.api('/api/repos/create', { as: ada, body: { name, ...more } })
  const follow = (path: string, as?: TestUser, method = 'POST') =>
    hub.api(`/api/${path}/follow`, { method, ...(as ? { as } : {}) })
  const names = async (path: string) =>
    (await hub.api(`/api/${path}`)).json.map((it: { user: string }) => it.user)
  return { hub, ada, bob, eve, repo, follow, names }
}

test('users follow users and organisations', async () => {
  const { hub, ada, bob, eve, follow, names } = await start()
  expect((await follow('users/ada', bob)).json).toMatchObject({
    isFollowing: true,
    numFollowers: 1,
  })
  expect((await follow('users/ada', bob)).json.numFollowers).toBe(1)
  await follow('users/ada', eve)
  await follow('users/eve', bob)
  await follow('organizations/lab', eve)
  expect(await names('users/ada/followers')).toEqual(['bob', 'eve'])
  expect(await names('users/bob/following')).toEqual(['ada', 'eve'])
  expect(await names('users/eve/following')).toEqual(['ada'])
  expect(await names('organizations/lab/followers')).toEqual(['eve'])
  const overview = async (path: string, as?: TestUser) =>
    (await hub.api(`/api/${path}/overview`, as ? { as } : {})).json
  expect(await overview('users/ada', bob)).toMatchObject({ isFollowing: true, numFollowers: 2 })
  expect(await overview('users/ada')).toMatchObject({ isFollowing: false, numFollowing: 0 })
  expect(await overview('users/bob')).toMatchObject({ numFollowing: 2, numFollowers: 0 })
  expect(await overview('organizations/lab', eve)).toMatchObject({
    isFollowing: true,
    numFollowers: 1,
  })
  expect((await follow('users/ada', bob, 'DELETE')).json).toMatchObject({ isFollowing: false })
  expect((await follow('users/ada', bob, 'DELETE')).status).toBe(200)
  expect(await names('users/ada/followers')).toEqual(['eve'])

  const seen: string[] = []
  await follow('users/ada', bob)
  let next: string | undefined = '/api/users/ada/followers?limit=1'
  for (; next; ) {
    const reply: Awaited<ReturnType<TestHub['api']>> = await hub.api(next)
    seen.push(...reply.json.map((it: { user: string }) => it.user))
    next = /<[^/]*\/\/[^/]*(\/[^>]*)>; rel="next"/.exec(reply.headers.get('link') ?? '')?.[1]
  }
  expect(seen).toEqual(['bob', 'eve'])
  await hub.domain.stores.accounts.deleteNamespace(eve.user.id)
  expect(await names('users/ada/followers')).toEqual(['bob'])
  expect(ada.name).toBe('ada')
})

test('overviews tell what the caller may see, and not how much there is besides', async () => {
  const { hub, ada, bob, repo } = await start()
  await repo('open')
  await repo('hidden', { private: true })
  await repo('d', { type: 'dataset' })
  await repo('s', { type: 'space', sdk: 'static', organization: 'lab' })
  await repo('t', { type: 'model', organization: 'lab', private: true })
  for (const name of ['open', 'hidden'])
    await hub.api(`/api/models/ada/${name}/like`, { as: ada, method: 'POST' })
  await hub.api('/api/models/ada/hidden/discussions', { as: ada, body: { title: 'secret talk' } })
  const own = (await hub.api('/api/users/ada/overview', { as: ada })).json
  const body = { bio: 'Counts things' }
  await hub.api('/api/users/ada/settings', { as: ada, method: 'PUT', body })
  const seen = (await hub.api('/api/users/ada/overview', { as: bob })).json
  expect(own).toMatchObject({ numModels: 2, numDatasets: 1, numLikes: 2, numDiscussions: 1 })
  expect(seen).toMatchObject({
    user: 'ada',
    fullname: 'ada',
    type: 'user',
    isPro: false,
    details: 'Counts things',
    numModels: 1,
    numDatasets: 1,
    numSpaces: 0,
    numLikes: 1,
    numDiscussions: 0,
    numUpvotes: 0,
    orgs: [{ name: 'lab', fullname: 'lab' }],
  })
  expect(seen.avatarUrl).toBe(`${hub.url}/api/users/ada/avatar`)
  expect(seen.email).toBeUndefined()
  const lab = (await hub.api('/api/organizations/lab/overview')).json
  expect(lab).toMatchObject({
    name: 'lab',
    numUsers: 2,
    numModels: 0,
    numSpaces: 1,
    isVerified: false,
  })
  const inside = (await hub.api('/api/organizations/lab/overview', { as: bob })).json
  expect(inside.numModels).toBe(1)
  const members = (await hub.api('/api/organizations/lab/members')).json
  expect(members.map((it: { user: string }) => it.user).sort()).toEqual(['ada', 'bob'])
  const { orgs } = (await hub.api('/api/whoami-v2', { as: bob })).json
  expect(orgs).toMatchObject([{ name: 'lab', type: 'org', roleInOrg: 'read' }])
})

test('likes of hidden repositories are not told', async () => {
  const { hub, ada, bob, repo } = await start()
  await repo('open')
  await repo('hidden', { private: true })
  for (const name of ['open', 'hidden'])
    await hub.api(`/api/models/ada/${name}/like`, { as: ada, method: 'POST' })
  const likes = async (as?: TestUser) =>
    (await hub.api('/api/users/ada/likes', as ? { as } : {})).json.map(
      (it: { repo: { name: string } }) => it.repo.name,
    )
  expect((await likes(ada)).sort()).toEqual(['ada/hidden', 'ada/open'])
  expect([await likes(bob), await likes()]).toEqual([['ada/open'], ['ada/open']])
  const likers = await hub.api('/api/models/ada/open/likers', { as: bob })
  expect(likers.json.map((it: { user: string }) => it.user)).toEqual(['ada'])
  expect((await hub.api('/api/models/ada/hidden/likers', { as: bob })).status).toBe(404)
})

test('bad input and missing rights change nothing', async () => {
  const { hub, ada, bob, follow, names } = await start()
  const reader = { ...bob, token: await hub.token(bob.user, { role: 'read' }) }
  for (const [status, reply] of [
    [401, follow('users/ada')],
    [403, follow('users/ada', reader)],
    [400, follow('users/ada', ada)],
    [404, follow('users/nobody', ada)],
    [404, follow('users/lab', ada)],
    [404, follow('organizations/ada', bob)],
    [401, follow('organizations/lab', undefined, 'DELETE')],
    [404, hub.api('/api/users/nobody/overview')],
    [404, hub.api('/api/users/lab/overview')],
    [404, hub.api('/api/organizations/ada/overview')],
    [404, hub.api('/api/users/nobody/followers')],
    [404, hub.api('/api/users/%00/following')],
    [404, hub.api('/api/organizations/nobody/followers')],
    [400, hub.api('/api/users/ada/followers?limit=0')],
    [400, hub.api('/api/users/ada/followers?cursor=x')],
  ] as const)
    expect((await reply).status).toBe(status)
  expect([await names('users/ada/followers'), await names('organizations/lab/followers')]).toEqual([
    [],
    [],
  ])
})
