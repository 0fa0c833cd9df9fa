import { describe, expect, test } from 'vitest'
import { commit, file, header } from '../support/hf.js'
import { startTestHub, type TestHub, type TestUser } from '../support/hub.js'
import {
  createRepo,
  signatureOf,
  startReceiver,
  untilLogged,
  WEBHOOKS,
  watch,
} from '../support/webhooks.js'

const ENV = { PACKHORSE_WEBHOOKS_ALLOW_PRIVATE: '1', PACKHORSE_WEBHOOKS_RETRY_MS: '20' }
const ADA = [{ type: 'user', name: 'ada' }]

async function push(hub: TestHub, as: TestUser, id: string, path: string): Promise<string> {
  const lines = [header(`add ${path}`), file(path, 'x')]
  const { json } = await commit(hub, as, lines, `/api/models/${id}/commit/main`)
  return json.commitOid
}

const setPrivate = (hub: TestHub, as: TestUser, id: string, value: boolean) =>
  hub.api(`/api/models/${id}/settings`, { as, method: 'PUT', body: { private: value } })

const move = (hub: TestHub, as: TestUser, fromRepo: string, toRepo: string) =>
  hub.api('/api/repos/move', { as, body: { fromRepo, toRepo, type: 'model' } })

const drop = (hub: TestHub, as: TestUser, name: string) =>
  hub.api('/api/repos/delete', { as, method: 'DELETE', body: { name } })

describe('what is sent', () => {
  test('the life of a repository, in order, signed', async () => {
    const hub = await startTestHub(ENV)
    const ada = await hub.user('ada')
    const receiver = await startReceiver()
    const id = await watch(hub, ada, receiver.url, ADA, { secret: 'my secret' })
    await createRepo(hub, ada, 'one')
    const oid = await push(hub, ada, 'ada/one', 'a.txt')
    await setPrivate(hub, ada, 'ada/one', true)
    await move(hub, ada, 'ada/one', 'ada/two')
    await drop(hub, ada, 'two')
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

  test('a move is told where it was and where it is, a secret of a Space as its settings', async () => {
    const hub = await startTestHub(ENV)
    const ada = await hub.user('ada')
    await hub.org('lab', ada)
    const [here, there] = [await startReceiver(), await startReceiver()]
    await createRepo(hub, ada, 'app', { type: 'space', sdk: 'static' })
    await watch(hub, ada, here.url, ADA)
    await watch(hub, ada, there.url, [{ type: 'org', name: 'lab' }])
    const secret = { key: 'TOKEN', value: 'v' }
    await hub.api('/api/spaces/ada/app/secrets', { as: ada, body: secret })
    const body = { fromRepo: 'ada/app', toRepo: 'lab/app', type: 'space' }
    expect((await hub.api('/api/repos/move', { as: ada, body })).status).toBe(200)
    const [config, left] = (await here.until(2)).map((it) => it.json)
    const [came] = (await there.until(1)).map((it) => it.json)
    expect([config.event.scope, config.repo.name]).toEqual(['repo.config', 'ada/app'])
    expect(here.received[0]?.text).not.toContain('TOKEN')
    expect({ ...left, webhook: {} }).toEqual({ ...came, webhook: {} })
    const lab = await hub.domain.organizations.read('lab')
    expect(came.movedTo).toEqual({ name: 'lab/app', owner: { id: String(lab.id) } })
    expect(came.repo).toMatchObject({
      type: 'space',
      name: 'ada/app',
      owner: { id: String(ada.user.id) },
    })
  })

  test('branches, tags and their deletion are updated refs; datasets have their own address', async () => {
    const hub = await startTestHub({ ...ENV, PACKHORSE_URL: 'https://hub.example.org' })
    const ada = await hub.user('ada')
    const receiver = await startReceiver()
    await createRepo(hub, ada, 'data', { type: 'dataset' })
    await watch(hub, ada, receiver.url, [{ type: 'dataset', name: 'ada/data' }])
    await hub.api('/api/datasets/ada/data/branch/side', { as: ada, body: {} })
    await hub.api('/api/datasets/ada/data/branch/side', { as: ada, method: 'DELETE' })
    await hub.api('/api/datasets/ada/data/tag/main', { as: ada, body: { tag: 'v1' } })
    const all = (await receiver.until(3)).map((it) => it.json)
    const tip = all[0].repo.headSha
    expect(all.map((it) => it.updatedRefs)).toEqual([
      [{ ref: 'refs/heads/side', oldSha: null, newSha: tip }],
      [{ ref: 'refs/heads/side', oldSha: tip, newSha: null }],
      [{ ref: 'refs/tags/v1', oldSha: null, newSha: tip }],
    ])
    expect(all[0].repo).toMatchObject({
      type: 'dataset',
      url: {
        web: 'https://hub.example.org/datasets/ada/data',
        api: 'https://hub.example.org/api/datasets/ada/data',
      },
    })
    expect(receiver.received[0]?.headers['x-webhook-secret']).toBeUndefined()
  })

  test('discussions and comments, for those who asked for them', async () => {
    const hub = await startTestHub(ENV)
    const ada = await hub.user('ada')
    const eve = await hub.user('eve')
    const receiver = await startReceiver()
    const other = await startReceiver()
    await createRepo(hub, ada, 'one')
    const one = [{ type: 'model', name: 'ada/one' }]
    await watch(hub, ada, receiver.url, one, { domains: ['discussions'] })
    await watch(hub, ada, other.url, one, { domains: ['repo'] })
    const base = '/api/models/ada/one/discussions'
    const { json: made } = await hub.api(base, {
      as: eve,
      body: { title: 'Why', description: 'D' },
    })
    const said = await hub.api(`${base}/${made.num}/comment`, { as: eve, body: { comment: 'C' } })
    const comment = said.json.newMessage.id
    await hub.api(`${base}/${made.num}/comment/${comment}/hide`, { as: ada, body: {} })
    await hub.api(`${base}/${made.num}/status`, { as: ada, body: { status: 'closed' } })
    await push(hub, ada, 'ada/one', 'a.txt')
    const seen = await receiver.untilSeen((it) => it.json.discussion?.status === 'closed')
    const all = receiver.received.map((it) => it.json)
    expect(all.map((it) => `${it.event.scope} ${it.event.action}`)).toEqual([
      'discussion create',
      'discussion.comment create',
      'discussion.comment update',
      'discussion update',
    ])
    expect(all[0].discussion).toMatchObject({
      num: made.num,
      title: 'Why',
      status: 'open',
      isPullRequest: false,
      author: { id: String(eve.user.id) },
      url: { web: `${hub.url}/ada/one/discussions/1`, api: `${hub.url}${base}/1` },
    })
    expect(all[1].comment).toMatchObject({ content: 'C', hidden: false, id: comment })
    expect(all[2].comment).toMatchObject({ hidden: true, id: comment })
    expect(all[2].comment.content).toBeUndefined()
    expect(seen.json.discussion.status).toBe('closed')
    const [pushed] = await other.until(1)
    expect(pushed?.json.event).toEqual({ scope: 'repo.content', action: 'update' })
  })

  test('a pull request from its opening to its merge', async () => {
    const hub = await startTestHub(ENV)
    const ada = await hub.user('ada')
    const eve = await hub.user('eve')
    const receiver = await startReceiver()
    await createRepo(hub, ada, 'one')
    await watch(hub, ada, receiver.url, [{ type: 'model', name: 'ada/one' }])
    const lines = [header('propose'), file('a.txt', 'x')]
    const path = '/api/models/ada/one/commit/main?create_pr=1'
    expect((await commit(hub, eve, lines, path)).status).toBe(200)
    const merged = await hub.api('/api/models/ada/one/discussions/1/merge', { as: ada, body: {} })
    expect(merged.status).toBe(200)
    await receiver.untilSeen((it) => it.json.discussion?.status === 'merged')
    const all = receiver.received.map((it) => it.json)
    const refs = all.flatMap((it) => it.updatedRefs ?? [])
    const proposed = refs.find((it) => it.ref === 'refs/pr/1')
    const moved = refs.find((it) => it.ref === 'refs/heads/main')
    expect(proposed).toMatchObject({
      oldSha: null,
      newSha: expect.stringMatching(/^[0-9a-f]{40}$/),
    })
    const opened = all.find((it) => it.event.scope === 'discussion' && it.event.action === 'create')
    expect(opened.discussion).toMatchObject({
      num: 1,
      title: 'propose',
      isPullRequest: true,
      author: { id: String(eve.user.id) },
      changes: { base: 'refs/heads/main' },
    })
    expect(all.find((it) => it.discussion?.status === 'merged').discussion).toMatchObject({
      id: opened.discussion.id,
      changes: { base: 'refs/heads/main', mergeCommitId: moved.newSha },
    })
  })

  test('the site-level subscription of administrators hears of public models', async () => {
    const hub = await startTestHub(ENV)
    const ada = await hub.user('ada')
    const admin = await hub.user('admina', { admin: true, role: 'admin' })
    const receiver = await startReceiver()
    const site = [{ type: 'site', name: 'models' }]
    const body = { url: receiver.url, watched: site }
    expect((await hub.api(WEBHOOKS, { as: ada, body })).status).toBe(403)
    const id = await watch(hub, admin, receiver.url, site)
    const { json } = await hub.api(`${WEBHOOKS}/${id}`, { as: admin })
    expect(json.webhook.watched).toEqual(site)
    await createRepo(hub, ada, 'hidden', { private: true })
    await push(hub, ada, 'ada/hidden', 'a.txt')
    await createRepo(hub, ada, 'data', { type: 'dataset' })
    await createRepo(hub, ada, 'one')
    await push(hub, ada, 'ada/one', 'a.txt')
    await move(hub, ada, 'ada/one', 'ada/two')
    // what is not public any more when its turn comes is not told of
    await receiver.until(4)
    await setPrivate(hub, ada, 'ada/two', true)
    await setPrivate(hub, ada, 'ada/two', true)
    await setPrivate(hub, ada, 'ada/two', false)
    await drop(hub, ada, 'two')
    await receiver.until(7)
    expect(receiver.received.map((it) => it.text)).toEqual([
      '{"add":"ada/one"}',
      '{"update":"ada/one"}',
      '{"remove":"ada/one"}',
      '{"add":"ada/two"}',
      '{"remove":"ada/two"}',
      '{"add":"ada/two"}',
      '{"remove":"ada/two"}',
    ])
  })
})

describe('who hears', () => {
  test('nobody of what he may not read, nor any more of what he could', async () => {
    const hub = await startTestHub(ENV)
    const ada = await hub.user('ada')
    const eve = await hub.user('eve')
    await hub.org('lab', ada, { eve: 'reader' })
    const receiver = await startReceiver()
    const watched = [
      { type: 'org', name: 'lab' },
      { type: 'user', name: 'ada' },
    ]
    const id = await watch(hub, eve, receiver.url, watched)
    const create = (name: string, more: object) => createRepo(hub, ada, name, more)
    await create('secret', { private: true })
    await create('shared', { private: true, organization: 'lab' })
    const [first] = await receiver.until(1)
    expect(first?.json.repo.name).toBe('lab/shared')

    // queued while she could read it, not delivered when she cannot any more
    receiver.answer = () => 500
    await push(hub, ada, 'lab/shared', 'a.txt')
    await receiver.until(2)
    await hub.domain.stores.accounts.setMember(
      (await hub.domain.organizations.read('lab')).id,
      eve.user.id,
      null,
    )
    const log = await untilLogged(hub, eve, id, ([newest]) => newest.status === 'dropped')
    expect(log.map((it) => [it.repo.name, it.status])).toEqual([
      ['lab/shared', 'dropped'],
      ['lab/shared', 'delivered'],
    ])
    // the payloads that came meanwhile were sent while she still could
    receiver.answer = () => 200
    const before = receiver.received.length
    await push(hub, ada, 'lab/shared', 'b.txt')
    await push(hub, ada, 'ada/secret', 'b.txt')
    await create('open', {})
    await receiver.untilSeen((it) => it.json.repo.name === 'ada/open')
    expect(receiver.received.slice(before).map((it) => it.json.repo.name)).toEqual(['ada/open'])
  })

  test('a deleted private repository is told of to those who could read it, members of it alone included', async () => {
    const hub = await startTestHub(ENV)
    const ada = await hub.user('ada')
    const eve = await hub.user('eve')
    const receiver = await startReceiver()
    await createRepo(hub, ada, 'one', { private: true })
    const repo = await hub.domain.stores.repos.findByAddress({
      kind: 'model',
      namespace: 'ada',
      name: 'one',
    })
    await hub.domain.stores.repos.setMember(repo?.id ?? '', eve.user.id, 'reader')
    const id = await watch(hub, eve, receiver.url, [{ type: 'model', name: 'ada/one' }])
    await drop(hub, ada, 'one')
    const [gone] = await receiver.until(1)
    expect(gone?.json.event).toEqual({ action: 'delete', scope: 'repo' })
    const { json } = await hub.api(`${WEBHOOKS}/${id}`, { as: eve })
    expect(json.webhook.watched).toEqual([])
  })

  test('an account that is switched off hears nothing, nor of what was queued before', async () => {
    const hub = await startTestHub(ENV)
    const ada = await hub.user('ada')
    const eve = await hub.user('eve')
    const receiver = await startReceiver()
    const other = await startReceiver()
    const id = await watch(hub, eve, receiver.url, ADA)
    await watch(hub, ada, other.url, ADA)
    receiver.answer = () => 500
    await createRepo(hub, ada, 'one')
    await receiver.until(1)
    const { accounts, webhooks } = hub.domain.stores
    await accounts.updateUser(eve.user.id, { isActive: false })
    receiver.answer = () => 200
    await createRepo(hub, ada, 'two')
    await other.until(2)
    const log = async () => (await webhooks.listDeliveries(id, Number.MAX_SAFE_INTEGER, 10))[0]
    while ((await log())?.status === 'waiting')
      await new Promise((resolve) => setTimeout(resolve, 20))
    const newest = await log()
    expect([newest?.event.repo.name, newest?.status]).toEqual(['one', 'dropped'])
  })

  test('a creation that fails is not told of', async () => {
    const hub = await startTestHub(ENV)
    const ada = await hub.user('ada')
    const receiver = await startReceiver()
    await watch(hub, ada, receiver.url, ADA)
    await createRepo(hub, ada, 'one')
    const { status } = await hub.api('/api/repos/create', { as: ada, body: { name: 'ONE' } })
    expect(status).toBe(409)
    await createRepo(hub, ada, 'two')
    const all = await receiver.until(2)
    expect(all.map((it) => [it.json.repo.name, it.json.event.action])).toEqual([
      ['ada/one', 'create'],
      ['ada/two', 'create'],
    ])
  })
})

describe('methods', () => {
  test('create, list, get, update, disable, enable, delete', async () => {
    const hub = await startTestHub(ENV)
    const ada = await hub.user('ada')
    await hub.org('lab', ada)
    await createRepo(hub, ada, 'one')
    const call = (path: string, body?: unknown, method?: string) =>
      hub.api(`${WEBHOOKS}${path}`, { as: ada, body, ...(method ? { method } : {}) })
    // as 0.28.1 sends it
    const made = await call('', {
      watched: [
        { type: 'org', name: 'lab' },
        { type: 'model', name: 'ada/one' },
      ],
      url: 'https://hooks.example.org/a?b=c#d',
      domains: null,
      secret: null,
    })
    const { webhook } = made.json
    expect(webhook).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{24}$/),
      url: 'https://hooks.example.org/a?b=c',
      watched: [
        { type: 'org', name: 'lab' },
        { type: 'model', name: 'ada/one' },
      ],
      domains: ['repo', 'discussion'],
      disabled: false,
    })
    const id = `/${webhook.id}`
    expect((await call('')).json).toEqual([webhook])
    expect((await call(id)).json).toEqual({ webhook })
    // what is null or empty stays
    const kept = await call(id, {
      watched: [],
      url: 'https://new.example.org/',
      domains: null,
      secret: null,
    })
    expect(kept.json.webhook).toEqual({ ...webhook, url: 'https://new.example.org/' })
    const changed = await call(id, { watched: ADA, domains: ['discussion'], secret: 's3' })
    expect(changed.json.webhook).toEqual({
      ...kept.json.webhook,
      watched: ADA,
      domains: ['discussion'],
      secret: 's3',
    })
    const [row] = await hub.domain.stores.webhooks.list(ada.user.id)
    expect(row?.sealedSecret).toMatch(/^v1\./)
    expect((await call(id, { secret: '' })).json.webhook.secret).toBeUndefined()
    expect((await call(`${id}/disable`, undefined, 'POST')).json.webhook.disabled).toBe(true)
    expect((await call(`${id}/enable`, undefined, 'POST')).json.webhook.disabled).toBe(false)
    // a repository keeps being watched under its new name
    await call(id, { watched: [{ type: 'model', name: 'ada/one' }] })
    await move(hub, ada, 'ada/one', 'lab/uno')
    expect((await call(id)).json.webhook.watched).toEqual([{ type: 'model', name: 'lab/uno' }])
    expect((await call(id, undefined, 'DELETE')).status).toBe(200)
    expect((await call(id)).status).toBe(404)
    expect((await call('')).json).toEqual([])
  })

  const GOOD = { url: 'https://hooks.example.org/', watched: ADA }
  /** The last word: what a change may leave out. */
  const BAD: [what: string, body: object, status: number, onlyNew?: true][] = [
    ['no URL', { watched: ADA }, 400, true],
    ['a URL that is none', { ...GOOD, url: 'hooks' }, 400],
    ['a file', { ...GOOD, url: 'file:///etc/passwd' }, 400],
    ['gopher', { ...GOOD, url: 'gopher://example.org/' }, 400],
    ['credentials in the URL', { ...GOOD, url: 'https://a:b@example.org/' }, 400],
    ['a long URL', { ...GOOD, url: `https://example.org/${'a'.repeat(3_000)}` }, 400],
    ['loopback', { ...GOOD, url: 'http://127.0.0.1/' }, 400],
    ['loopback, written as a number', { ...GOOD, url: 'http://2130706433/' }, 400],
    ['the metadata service', { ...GOOD, url: 'http://169.254.169.254/latest' }, 400],
    ['IPv6 loopback', { ...GOOD, url: 'http://[::1]/' }, 400],
    ['IPv4 in IPv6', { ...GOOD, url: 'http://[::ffff:10.0.0.1]/' }, 400],
    ['nothing watched', { ...GOOD, watched: [] }, 400, true],
    ['watched of another shape', { ...GOOD, watched: 'ada' }, 400],
    ['an unknown type', { ...GOOD, watched: [{ type: 'planet', name: 'ada' }] }, 400],
    ['too much watched', { ...GOOD, watched: Array(201).fill(ADA[0]) }, 400],
    ['an unknown domain', { ...GOOD, domains: ['weather'] }, 400],
    ['a line break in the secret', { ...GOOD, secret: 'a\r\nX-Injected: 1' }, 400],
    ['a secret that is no header', { ...GOOD, secret: 'geheimniß' }, 400],
    ['a long secret', { ...GOOD, secret: 'a'.repeat(513) }, 400],
    ['a job', { ...GOOD, job: { dockerImage: 'x' } }, 400],
    ['an unknown user', { ...GOOD, watched: [{ type: 'user', name: 'nobody' }] }, 404],
    ['a user as organisation', { ...GOOD, watched: [{ type: 'org', name: 'ada' }] }, 404],
    ['an unknown model', { ...GOOD, watched: [{ type: 'model', name: 'ada/none' }] }, 404],
    ['a model without namespace', { ...GOOD, watched: [{ type: 'model', name: 'one' }] }, 400],
    ['the site with others', { ...GOOD, watched: [...ADA, { type: 'site', name: 'x' }] }, 400],
    ['no object', [], 400],
  ]

  test('bad input is refused and changes nothing', async () => {
    const hub = await startTestHub()
    const ada = await hub.user('ada')
    const made = await hub.api(WEBHOOKS, { as: ada, body: GOOD })
    expect(made.status).toBe(200)
    const one = `${WEBHOOKS}/${made.json.webhook.id}`
    const got: unknown[] = []
    const expected: unknown[] = []
    for (const [what, body, status, onlyNew] of BAD)
      for (const path of onlyNew ? [WEBHOOKS] : [WEBHOOKS, one]) {
        const reply = await hub.api(path, { as: ada, body })
        got.push([what, path, reply.status, typeof reply.json.error])
        expected.push([what, path, status, 'string'])
      }
    expect(got).toEqual(expected)
    expect((await hub.api(WEBHOOKS, { as: ada })).json).toEqual([made.json.webhook])
  })

  test('only their owner knows of webhooks; weak credentials and hidden repositories get nowhere', async () => {
    const hub = await startTestHub(ENV)
    const ada = await hub.user('ada')
    const eve = await hub.user('eve')
    await createRepo(hub, ada, 'secret', { private: true })
    const repo = await hub.domain.stores.repos.findByAddress({
      kind: 'model',
      namespace: 'ada',
      name: 'secret',
    })
    const receiver = await startReceiver()
    const id = await watch(hub, ada, receiver.url, ADA, { secret: 's' })
    await createRepo(hub, ada, 'one')
    const [delivery] = await untilLogged(hub, ada, id, ([newest]) => newest?.status === 'delivered')
    const calls: [string, string, unknown?][] = [
      ['GET', ''],
      ['POST', '', { url: 'https://evil.example/' }],
      ['POST', '/enable'],
      ['POST', '/disable'],
      ['GET', '/deliveries'],
      ['GET', `/deliveries/${delivery.id}`],
      ['POST', `/deliveries/${delivery.id}/replay`],
      ['DELETE', ''],
    ]
    const readonly = { ...ada, token: await hub.token(ada.user, { role: 'read' }) }
    const scoped = { ...ada, token: await hub.token(ada.user, { repoIds: [repo?.id ?? ''] }) }
    for (const [method, path, body] of calls) {
      const ask = (as?: TestUser) =>
        hub.api(`${WEBHOOKS}/${id}${path}`, {
          method,
          ...(body ? { body } : {}),
          ...(as && { as }),
        })
      const statuses = await Promise.all([ask(), ask(eve), ask(readonly), ask(scoped)])
      expect([method, path, ...statuses.map((it) => it.status)]).toEqual([
        method,
        path,
        401,
        404,
        403,
        403,
      ])
    }
    expect((await hub.api(WEBHOOKS, { as: eve })).json).toEqual([])
    expect((await hub.api(`${WEBHOOKS}/${id}`, { as: ada })).json.webhook).toMatchObject({
      url: receiver.url,
      disabled: false,
    })
    // what is hidden is not there
    const ask = (name: string) =>
      hub.api(WEBHOOKS, {
        as: eve,
        body: { url: receiver.url, watched: [{ type: 'model', name }] },
      })
    const [hidden, absent] = await Promise.all([ask('ada/secret'), ask('ada/absent')])
    expect([hidden.status, hidden.text]).toEqual([404, absent.text])
    expect((await hub.api(WEBHOOKS, { as: eve })).json).toEqual([])
    // a delivery of somebody else's webhook is not there either
    const mine = await watch(hub, eve, receiver.url, [{ type: 'user', name: 'eve' }])
    const path = `${WEBHOOKS}/${mine}/deliveries/${delivery.id}`
    expect((await hub.api(path, { as: eve })).status).toBe(404)
    expect((await hub.api(`${path}/replay`, { as: eve, method: 'POST' })).status).toBe(404)
    expect((await hub.api(`${WEBHOOKS}/${mine}/deliveries/x`, { as: eve })).status).toBe(404)
  })
})
