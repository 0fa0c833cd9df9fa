import { expect, test } from 'vitest'
import { discussionsOf, story } from '../support/discussions.js'
import { hubWithRepo } from '../support/hf.js'

test('a discussion is opened, answered, renamed, closed and opened again', async () => {
  const { hub, ada } = await hubWithRepo()
  const eve = await hub.user('eve')
  const talks = discussionsOf(hub)
  expect((await talks.list()).json).toMatchObject({ count: 0, start: 0, discussions: [] })
  const num = await talks.open(eve, '  A question ')
  const said = await talks.post(ada, `/${num}/comment`, { comment: 'because <b>so</b>' })
  expect(said.json.newMessage).toMatchObject({
    type: 'comment',
    author: { name: 'ada' },
    data: {
      edited: false,
      hidden: false,
      latest: { raw: 'because <b>so</b>', html: '<p>because &#60;b&#62;so&#60;/b&#62;</p>' },
      history: [],
    },
  })
  const renamed = await talks.post(eve, `/${num}/title`, { title: 'A good question' })
  expect(renamed.json.newTitle).toMatchObject({
    type: 'title-change',
    data: { from: 'A question', to: 'A good question' },
  })
  const closed = await talks.post(eve, `/${num}/status`, { status: 'closed', comment: 'thanks' })
  expect(closed.json.newStatus).toMatchObject({ type: 'status-change', data: { status: 'closed' } })
  expect((await talks.list('?status=open')).json.count).toBe(0)
  expect((await talks.list('?status=closed')).json.count).toBe(1)
  expect((await talks.post(ada, `/${num}/status`, { status: 'open' })).status).toBe(200)

  const details = await talks.read(num)
  expect(details).toMatchObject({
    num,
    title: 'A good question',
    author: { name: 'eve' },
    status: 'open',
    repo: { name: 'ada/m', type: 'model' },
    isPullRequest: false,
    numComments: 3,
    pinned: false,
  })
  expect(story(details)).toEqual([
    'comment',
    'comment',
    'title-change',
    'comment',
    'status closed',
    'status open',
  ])
  expect(details.events.map((it: { id: string }) => it.id)).toSatisfy((ids: string[]) =>
    ids.every((it) => /^[0-9a-f]{24}$/.test(it)),
  )
  expect(details).not.toHaveProperty('diff')
})

test('a comment is edited by its author with its history, and hidden by writers for good', async () => {
  const { hub, ada } = await hubWithRepo()
  const eve = await hub.user('eve')
  const talks = discussionsOf(hub)
  const num = await talks.open(eve)
  const [first] = (await talks.read(num)).events
  const edit = (as: typeof ada, content: unknown, id = first.id) =>
    talks.post(as, `/${num}/comment/${id}/edit`, { content })
  expect((await edit(eve, 'why not?', first.id.toUpperCase())).json.updatedComment).toMatchObject({
    id: first.id,
    data: { edited: true, latest: { raw: 'why not?' }, history: [{ raw: 'why?' }] },
  })
  expect((await edit(eve, 'once more')).json.updatedComment.data.history).toMatchObject([
    { raw: 'why?', author: { name: 'eve' } },
    { raw: 'why not?' },
  ])
  for (let n = 0; n < 25; n += 1) await edit(eve, `text ${n}`)
  const { history } = (await talks.read(num)).events[0].data
  expect([history.length, history.at(-1).raw]).toEqual([20, 'text 23'])
  expect((await edit(ada, 'words in her mouth')).status).toBe(403)
  expect((await edit(eve, 'x', 'a'.repeat(24))).status).toBe(404)

  const hide = (as: typeof ada) => talks.post(as, `/${num}/comment/${first.id}/hide`)
  expect((await hide(eve)).status).toBe(403)
  expect((await hide(ada)).json.updatedComment).toMatchObject({
    id: first.id,
    data: { hidden: true, latest: { raw: 'This comment has been hidden' }, history: [] },
  })
  expect((await hide(ada)).status).toBe(200)
  expect((await edit(eve, 'back again')).status).toBe(409)
  const text = JSON.stringify(await talks.read(num))
  expect(text).not.toMatch(/why|once more|text 23|back again/)
})

test('lists filter by type, status and author and end', async () => {
  const { hub, ada } = await hubWithRepo()
  const eve = await hub.user('eve')
  const talks = discussionsOf(hub)
  for (let n = 0; n < 52; n += 1) await talks.open(eve, `Question ${n}`)
  await talks.open(ada, 'A change', { pullRequest: true })
  const nums = async (query: string) => {
    const { json } = await talks.list(query)
    return [json.count, json.start, json.discussions.length, json.discussions[0]?.num]
  }
  expect(await nums('')).toEqual([53, 0, 50, 53])
  expect(await nums('?p=1')).toEqual([53, 50, 3, 3])
  expect(await nums('?p=2')).toEqual([53, 100, 0, undefined])
  expect(await nums('?p=2000000')).toEqual([53, 50_000_000, 0, undefined])
  expect(await nums('?type=pull_request')).toEqual([1, 0, 1, 53])
  expect(await nums('?type=discussion&author=eve&p=1')).toEqual([52, 50, 2, 2])
  expect(await nums('?author=ada')).toEqual([1, 0, 1, 53])
  expect(await nums('?type=all&status=all')).toEqual([53, 0, 50, 53])
  expect((await talks.list('?type=pulls')).status).toBe(400)
  expect((await talks.list('?status=merged')).status).toBe(400)
  expect((await talks.list('?p=-1')).status).toBe(400)
})

test('a deleted discussion takes its number and its ref along', async () => {
  const { hub, ada } = await hubWithRepo()
  const eve = await hub.user('eve')
  const talks = discussionsOf(hub)
  await talks.open(eve)
  const pull = await talks.open(eve, 'A change', { pullRequest: true })
  expect((await talks.remove(eve, pull)).status).toBe(403)
  expect((await talks.remove(ada, pull)).status).toBe(200)
  expect((await talks.list()).json.count).toBe(1)
  expect((await hub.api('/api/models/ada/m/refs?include_prs=1')).json.pullRequests).toEqual([])
  expect((await talks.remove(ada, pull)).status).toBe(404)
  expect(await talks.open(eve, 'Another change', { pullRequest: true })).toBe(pull + 1)
})

test('writers pin and lock; who only reads does not comment on what is locked', async () => {
  const { hub, ada } = await hubWithRepo()
  const eve = await hub.user('eve')
  const talks = discussionsOf(hub)
  const num = await talks.open(eve)
  expect((await talks.post(eve, `/${num}/pin`, { pinned: true })).status).toBe(403)
  expect((await talks.post(ada, `/${num}/pin`, { pinned: true })).json.pinned).toBe(true)
  expect((await talks.post(ada, `/${num}/pin`, { pinned: true })).status).toBe(200)
  expect((await talks.post(ada, `/${num}/lock`, { locked: true })).json.locked).toBe(true)
  expect((await talks.post(eve, `/${num}/comment`, { comment: 'hello?' })).status).toBe(403)
  expect((await talks.post(ada, `/${num}/comment`, { comment: 'no' })).status).toBe(200)
  expect((await talks.post(ada, `/${num}/lock`, { locked: false })).json.locked).toBe(false)
  expect((await talks.post(eve, `/${num}/comment`, { comment: 'hello!' })).status).toBe(200)
  expect(story(await talks.read(num))).toEqual([
    'comment',
    'pinning-change',
    'locking-change',
    'comment',
    'locking-change',
    'comment',
  ])
})

test('what a user wrote outlives the account', async () => {
  const { hub, ada } = await hubWithRepo()
  const eve = await hub.user('eve')
  const chief = await hub.user('chief', { admin: true, role: 'admin' })
  const talks = discussionsOf(hub)
  const num = await talks.open(eve)
  await talks.post(eve, `/${num}/comment`, { comment: 'one' })
  const [first] = (await talks.read(num)).events
  await talks.post(eve, `/${num}/comment/${first.id}/edit`, { content: 'edited' })
  const pull = await talks.open(eve, 'A change', { pullRequest: true })
  await talks.post(eve, `/${pull}/status`, { status: 'open' })
  const caller = await hub.domain.login.byToken(chief.token, '127.0.0.1')
  await hub.domain.userRemoval.remove(eve.user, { caller, dialect: 'test' }, { force: false })
  await expect.poll(() => hub.domain.stores.accounts.findUser('eve')).toBeUndefined()

  const details = await talks.read(num)
  expect(details).not.toHaveProperty('author')
  for (const it of details.events) expect(it).not.toHaveProperty('author')
  expect(details.events[0].data.history[0]).not.toHaveProperty('author')
  expect(details.events[0].data.latest.raw).toBe('edited')
  expect((await talks.list()).json.discussions[0]).not.toHaveProperty('author')
  expect((await talks.post(ada, `/${pull}/status`, { status: 'closed' })).status).toBe(200)
  // who takes the name takes nothing else
  const other = await hub.user('eve')
  expect((await talks.post(other, `/${num}/title`, { title: 'Mine now' })).status).toBe(403)
})

test('a long discussion comes whole', async () => {
  const { hub, ada } = await hubWithRepo()
  const talks = discussionsOf(hub)
  const num = await talks.open(ada)
  for (let n = 0; n < 230; n += 1)
    await hub.domain.stores.discussions.change((await repoOf()).id, {
      num,
      set: {},
      entries: [{ type: 'comment', authorId: ada.user.id, content: `${n}` }],
      events: () => [],
    })
  const details = await talks.read(num)
  expect(
    details.events.map((it: { data: { latest: { raw: string } } }) => it.data.latest.raw),
  ).toEqual(['why?', ...Array.from({ length: 230 }, (_, n) => `${n}`)])

  async function repoOf() {
    const repo = await hub.domain.stores.repos.findByAddress({
      kind: 'model',
      namespace: 'ada',
      name: 'm',
    })
    if (!repo) throw new Error('no repository')
    return repo
  }
})

test('the rest of the hub hears of everything that happens, with who did it', async () => {
  const { hub, ada } = await hubWithRepo()
  const eve = await hub.user('eve')
  const talks = discussionsOf(hub)
  const num = await talks.open(eve)
  await talks.post(ada, `/${num}/comment`, { comment: 'because' })
  const { events } = await talks.read(num)
  await talks.post(ada, `/${num}/comment/${events[1].id}/hide`)
  await talks.post(ada, `/${num}/status`, { status: 'closed', comment: 'done' })
  await talks.remove(ada, num)
  const heard = (await hub.domain.stores.events.list({ limit: 100 }))
    .filter((it) => it.type.startsWith('discussion'))
    .sort((a, b) => a.id - b.id)
  expect(heard.map((it) => [it.type, it.actor.name, it.repo?.name])).toEqual([
    ['discussion.create', 'eve', 'm'],
    ['discussion.comment.create', 'ada', 'm'],
    ['discussion.comment.update', 'ada', 'm'],
    ['discussion.comment.create', 'ada', 'm'],
    ['discussion.update', 'ada', 'm'],
    ['discussion.delete', 'ada', 'm'],
  ])
  const facts = { num, title: 'A question', authorName: 'eve', isPullRequest: false }
  expect(heard[0]?.data).toMatchObject({
    discussion: { ...facts, status: 'open' },
    comment: { id: events[0].id, content: 'why?', authorName: 'eve' },
  })
  expect(heard[1]?.data).toMatchObject({
    discussion: facts,
    comment: { id: events[1].id, content: 'because', authorName: 'ada', hidden: false },
  })
  expect(heard[2]?.data.comment).toMatchObject({ hidden: true })
  expect(heard[2]?.data.comment).not.toHaveProperty('content')
  expect(heard[4]?.data).toMatchObject({ change: 'status', discussion: { status: 'closed' } })
})

test('discussions of a hidden repository look absent, and move with it', async () => {
  const { hub, ada } = await hubWithRepo()
  const eve = await hub.user('eve')
  const talks = discussionsOf(hub)
  const num = await talks.open(eve)
  await hub.api('/api/models/ada/m/settings', { as: ada, method: 'PUT', body: { private: true } })
  const absent = await hub.api('/api/models/ada/none/discussions', { as: eve })
  for (const reply of [
    await talks.list('', eve),
    await talks.post(eve, '', { title: 'Let me in', description: '' }),
    await talks.post(eve, `/${num}/comment`, { comment: 'hello' }),
    await talks.post(eve, `/${num}/status`, { status: 'closed' }),
    await talks.post(eve, `/${num}/merge`),
    await talks.remove(eve, num),
  ])
    expect([reply.status, reply.headers.get('x-error-code'), reply.text]).toEqual([
      404,
      'RepoNotFound',
      absent.text,
    ])
  expect((await talks.list()).status).toBe(401)
  const moved = await hub.api('/api/repos/move', {
    as: ada,
    body: { fromRepo: 'ada/m', toRepo: 'ada/moved', type: 'model' },
  })
  expect(moved.status).toBe(200)
  expect(await discussionsOf(hub, '/api/models/ada/moved').read(num, ada)).toMatchObject({
    num,
    repo: { name: 'ada/moved' },
  })
})

test('bad input and wrong rights are refused and change nothing', async () => {
  const { hub, ada } = await hubWithRepo()
  const [eve, mallory] = [await hub.user('eve'), await hub.user('mallory')]
  const reader = { ...ada, token: await hub.token(ada.user, { role: 'read' }) }
  const talks = discussionsOf(hub)
  const num = await talks.open(eve)
  const [first] = (await talks.read(num)).events
  const before = [await talks.read(num), (await talks.list()).json]
  const edit = `/${num}/comment/${first.id}/edit`
  const hide = `/${num}/comment/${first.id}/hide`
  const bad: [number, Parameters<typeof talks.post>[0], string, unknown][] = [
    [400, eve, '', { title: 'ab', description: '' }],
    [400, eve, '', { title: '   a   ', description: '' }],
    [400, eve, '', { title: 'x'.repeat(201), description: '' }],
    [400, eve, '', { title: 7 }],
    [400, eve, '', { description: 'no title' }],
    [400, eve, '', '{"title": '],
    [400, eve, '', { title: 'Too long', description: 'x'.repeat(70_000) }],
    [413, eve, '', `"${'x'.repeat(1_100_000)}"`],
    [404, eve, '', { title: 'A change', pullRequest: true, base: 'nope' }],
    [400, eve, `/${num}/comment`, { comment: ' \n\0 ' }],
    [400, eve, `/${num}/comment`, {}],
    [400, eve, `/${num}/comment`, { comment: 'x'.repeat(65_537) }],
    [404, eve, '/99/comment', { comment: 'hello' }],
    [404, eve, '/999999999/comment', { comment: 'hello' }],
    [404, eve, '/0/comment', { comment: 'hello' }],
    [400, eve, edit, { content: '' }],
    [404, eve, `/${num}/comment/..%2F..%2Fx/edit`, { content: 'x' }],
    [404, ada, `/${num}/comment/${'f'.repeat(24)}/hide`, undefined],
    [404, eve, `/99/comment/${first.id}/edit`, { content: 'x' }],
    [400, eve, `/${num}/title`, { title: 'no' }],
    [404, eve, '/99/title', { title: 'A title' }],
    [400, eve, `/${num}/status`, { status: 'merged' }],
    [400, eve, `/${num}/status`, { status: 'draft' }],
    [409, eve, `/${num}/status`, { status: 'open' }],
    [409, ada, `/${num}/merge`, undefined],
    [404, ada, '/99/merge', undefined],
    [400, ada, `/${num}/merge`, { method: 'octopus' }],
    [400, ada, `/${num}/pin`, { pinned: 'yes' }],
    // rights
    [401, undefined, '', { title: 'Anonymous' }],
    [401, undefined, `/${num}/comment`, { comment: 'hello' }],
    [401, undefined, edit, { content: 'x' }],
    [401, undefined, hide, undefined],
    [401, undefined, `/${num}/title`, { title: 'A title' }],
    [401, undefined, `/${num}/status`, { status: 'closed' }],
    [401, undefined, `/${num}/merge`, undefined],
    [403, reader, '', { title: 'Read only' }],
    [403, reader, `/${num}/comment`, { comment: 'hello' }],
    [403, reader, `/${num}/status`, { status: 'closed' }],
    [403, mallory, edit, { content: 'x' }],
    [403, mallory, hide, undefined],
    [403, mallory, `/${num}/title`, { title: 'A title' }],
    [403, mallory, `/${num}/status`, { status: 'closed', comment: 'bye' }],
    [403, mallory, `/${num}/merge`, undefined],
    [403, mallory, `/${num}/pin`, { pinned: true }],
    [403, mallory, `/${num}/lock`, { locked: true }],
  ]
  for (const [status, as, path, body] of bad) {
    const reply = await talks.post(as, path, body)
    const shown = `${path} ${JSON.stringify(body)?.slice(0, 80)} by ${as?.name}: ${reply.text}`
    expect([reply.status, typeof reply.json?.error], shown).toEqual([status, 'string'])
  }
  expect([await talks.read(num), (await talks.list()).json]).toEqual(before)
})
