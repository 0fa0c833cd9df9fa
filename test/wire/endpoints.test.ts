import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test, vi } from 'vitest'
import { runCommand, startTestHub, type TestHub, type TestUser, tempDir } from '../support/hub.js'

const BASE = '/v2/endpoint/ada'
const SCRIPT = fileURLToPath(new URL('../../scripts/example-runner.sh', import.meta.url))

const ORDER = {
  name: 'mine',
  type: 'authenticated',
  compute: {
    accelerator: 'cpu',
    instanceSize: 'x2',
    instanceType: 'intel-icl',
    scaling: { minReplica: 0, maxReplica: 2, scaleToZeroTimeout: 15 },
  },
  model: {
    framework: 'pytorch',
    repository: 'ada/m',
    revision: null,
    task: 'text-generation',
    image: {
      custom: { url: 'registry/image', credentials: { username: 'u', password: 'pass-word' } },
    },
    env: { MODE: 'fast' },
    secrets: { KEY: 'hidden-value' },
  },
  provider: { region: 'here', vendor: 'us' },
  tags: ['dev'],
}

async function hubWithModel(env: Record<string, string> = {}) {
  const hub = await startTestHub(env)
  const ada = await hub.user('ada')
  await hub.api('/api/repos/create', { as: ada, body: { name: 'm', private: true } })
  return { hub, ada }
}

const make = (hub: TestHub, as: TestUser, more: Record<string, unknown> = {}) =>
  hub.api(BASE, { as, body: { ...ORDER, ...more } })

test('an endpoint is kept as it was asked for, without what is secret', async () => {
  const { hub, ada } = await hubWithModel()
  const made = await make(hub, ada)
  expect(made.status, made.text).toBe(200)
  expect(made.json).toMatchObject({
    name: 'mine',
    type: 'authenticated',
    compute: ORDER.compute,
    provider: ORDER.provider,
    tags: ['dev'],
    healthRoute: '/health',
    model: {
      repository: 'ada/m',
      framework: 'pytorch',
      revision: null,
      task: 'text-generation',
      env: { MODE: 'fast' },
      image: { custom: { url: 'registry/image', credentials: { username: 'u' } } },
    },
    status: {
      state: 'pending',
      message: 'This hub has no runner.',
      createdAt: expect.stringMatching(/Z$/),
      updatedAt: expect.stringMatching(/Z$/),
    },
  })
  const read = await hub.api(`${BASE}/mine`, { as: ada })
  const listed = await hub.api(BASE, { as: ada })
  expect([read.json, listed.json]).toEqual([made.json, { items: [made.json] }])
  const events = await hub.domain.stores.events.list({ limit: 1_000 })
  expect(events.filter((it) => it.type === 'endpoint').map((it) => it.data)).toEqual([
    { action: 'create', endpoint: 'ada/mine' },
  ])
  const namespace = await hub.domain.stores.accounts.findNamespace('ada')
  const kept = await hub.domain.stores.endpoints.find(namespace?.id ?? 0, 'mine')
  const all = JSON.stringify([made.text, listed.text, events, kept])
  expect(all).not.toMatch(/hidden-value|pass-word/)
})

test('an update changes what it names, and nothing else', async () => {
  const { hub, ada } = await hubWithModel()
  await make(hub, ada)
  const put = (body: unknown) => hub.api(`${BASE}/mine`, { as: ada, method: 'PUT', body })
  const scaled = await put({ compute: { scaling: { maxReplica: 3 } } })
  expect(scaled.json.compute).toEqual({
    ...ORDER.compute,
    scaling: { minReplica: 0, maxReplica: 3, scaleToZeroTimeout: 15 },
  })
  const changed = await put({ model: { task: null, revision: 'abc', env: { MODE: 'slow' } } })
  expect(changed.json.model).toMatchObject({
    task: 'text-generation',
    revision: 'abc',
    env: { MODE: 'slow' },
    image: { custom: { url: 'registry/image' } },
  })
  const { endpoints, stores } = hub.domain
  const id = (await stores.accounts.findNamespace('ada'))?.id ?? 0
  const secrets = async () => {
    const kept = await stores.endpoints.find(id, 'mine')
    return kept && endpoints.readSecrets(kept)
  }
  expect(await secrets()).toEqual({
    secrets: { KEY: 'hidden-value' },
    registryPassword: 'pass-word',
  })
  const other = await put({ model: { image: { huggingface: {} }, secrets: {} } })
  expect(other.json.model.image).toEqual({ huggingface: {} })
  expect(await secrets()).toEqual({ secrets: {}, registryPassword: null })
})

test('pause, resume, scale to zero and delete', async () => {
  const { hub, ada } = await hubWithModel()
  await make(hub, ada)
  const call = async (verb: string) => {
    const reply = await hub.api(`${BASE}/mine/${verb}`, { as: ada, method: 'POST' })
    return reply.status === 200 ? reply.json.status.state : [reply.status, reply.json.error]
  }
  expect(await call('scale-to-zero')).toBe('scaledToZero')
  expect(await call('pause')).toBe('paused')
  expect(await call('pause')).toBe('paused')
  expect(await call('scale-to-zero')).toEqual([400, 'The endpoint is paused: resume it first.'])
  const updated = await hub.api(`${BASE}/mine`, { as: ada, method: 'PUT', body: { tags: [] } })
  expect([updated.json.tags, updated.json.status.state]).toEqual([[], 'paused'])
  expect(await call('resume')).toBe('pending')
  expect((await hub.api(`${BASE}/mine`, { as: ada, method: 'DELETE' })).status).toBe(202)
  const gone = await hub.api(`${BASE}/mine`, { as: ada })
  expect([gone.status, gone.json.error]).toEqual([404, 'Endpoint not found'])
  expect(await call('resume')).toEqual([404, 'Endpoint not found'])
})

test('what cannot be is refused, and nothing is kept', async () => {
  const { hub, ada } = await hubWithModel()
  const { model, compute } = ORDER
  const scaling = (more: object) => ({
    compute: { ...compute, scaling: { ...compute.scaling, ...more } },
  })
  const bad: Record<string, unknown>[] = [
    { name: 'Upper' },
    { name: '-a' },
    { name: 'a'.repeat(33) },
    { name: '../x' },
    { name: 7 },
    { type: 'open' },
    { provider: {} },
    scaling({ minReplica: 3 }),
    scaling({ maxReplica: 0 }),
    scaling({ minReplica: 0.5 }),
    scaling({ scaleToZeroTimeout: -1 }),
    { model: { ...model, repository: 'gpt2' } },
    { model: { ...model, image: {} } },
    { model: { ...model, image: 'x' } },
    { model: { ...model, env: { 'A B': '1' } } },
    { model: { ...model, secrets: { A: 7 } } },
    { model: { ...model, secrets: { A: 'x\0y' } } },
    { model: { ...model, revision: 'x\0y' } },
    { model: { ...model, image: { custom: { credentials: { password: 'x\0y' } } } } },
    { model: { ...model, command: 'sh' } },
  ]
  for (const more of bad) {
    const reply = await make(hub, ada, more)
    expect([more, reply.status, typeof reply.json.error]).toEqual([more, 400, 'string'])
  }
  const absent = await make(hub, ada, { model: { ...model, repository: 'ada/none' } })
  expect([absent.status, absent.headers.get('x-error-code')]).toEqual([404, 'RepoNotFound'])
  expect((await hub.api(BASE, { as: ada })).json).toEqual({ items: [] })
  await make(hub, ada)
  for (const broken of ['{', '[1]', '"x"', 'null', '7', '{"a":'.repeat(2_000)])
    for (const [method, path] of [
      ['POST', BASE],
      ['PUT', `${BASE}/mine`],
    ] as const) {
      const reply = await hub.api(path, { as: ada, method, body: broken })
      expect([method, broken.slice(0, 9), reply.status]).toEqual([method, broken.slice(0, 9), 400])
    }
  const long = await make(hub, ada, { tags: ['x'.repeat(300_000)] })
  expect(long.status).toBe(413)
  const twice = await make(hub, ada)
  expect([twice.status, twice.json.error]).toEqual([
    409,
    'There is an endpoint named "mine" already.',
  ])
})

test('a namespace is its own: others may do nothing there, its readers look', async () => {
  const { hub, ada } = await hubWithModel()
  const eve = await hub.user('eve')
  const rita = await hub.user('rita')
  await hub.org('lab', ada, { rita: 'reader' })
  await hub.api('/api/repos/create', { as: ada, body: { name: 'm', organization: 'lab' } })
  const model = { ...ORDER.model, repository: 'lab/m' }
  const made = await hub.api('/v2/endpoint/lab', { as: ada, body: { ...ORDER, model } })
  expect(made.status).toBe(200)
  const readOnly = { ...ada, token: await hub.token(ada.user, { role: 'read' }) }
  const at = '/v2/endpoint/lab/mine'
  const calls: [string, string, unknown?][] = [
    ['POST', '/v2/endpoint/lab', { ...ORDER, name: 'other', model }],
    ['PUT', at, { tags: ['x'] }],
    ['DELETE', at],
    ['POST', `${at}/pause`],
    ['POST', `${at}/resume`],
    ['POST', `${at}/scale-to-zero`],
  ]
  const status = async (as: TestUser | undefined, method: string, path: string, body?: unknown) =>
    (await hub.api(path, { ...(as ? { as } : {}), method, ...(body ? { body } : {}) })).status
  for (const [method, path, body] of calls) {
    const got = []
    for (const as of [undefined, eve, rita, readOnly])
      got.push(await status(as, method, path, body))
    expect([method, path, got]).toEqual([method, path, [401, 403, 403, 403]])
  }
  for (const path of ['/v2/endpoint/lab', at, '/v2/provider/lab']) {
    const got = []
    for (const as of [undefined, eve, rita, readOnly]) got.push(await status(as, 'GET', path))
    expect([path, got]).toEqual([path, [401, 403, 200, 200]])
  }
  expect((await hub.api(at, { as: ada })).json).toEqual(made.json)
  // a model that the caller may not read does not get behind an endpoint of theirs
  const body = { ...ORDER, model: ORDER.model }
  expect((await hub.api('/v2/endpoint/eve', { as: eve, body })).status).toBe(404)
})

test('with a runner the state follows the process', async () => {
  const state = await tempDir()
  const { hub, ada } = await hubWithModel({
    PACKHORSE_SPACE_RUNNER: JSON.stringify([SCRIPT, state]),
  })
  const made = await make(hub, ada)
  expect(made.json.status.state).toBe('pending')
  const namespace = await hub.domain.stores.accounts.findNamespace('ada')
  const { id } = (await hub.domain.stores.endpoints.find(namespace?.id ?? 0, 'mine')) ?? {}
  onTestFinished(async () => {
    await runCommand(SCRIPT, [state, 'stop', String(id)], { cwd: state })
  })
  const reach = (expected: string) =>
    vi.waitFor(
      async () => {
        const { json } = await hub.api(`${BASE}/mine`, { as: ada })
        expect(json.status.state).toBe(expected)
      },
      { timeout: 45_000, interval: 100 },
    )
  const post = (verb: string) => hub.api(`${BASE}/mine/${verb}`, { as: ada, method: 'POST' })
  await reach('running')
  const again = await post('resume')
  expect([again.status, again.json.error]).toEqual([400, 'The endpoint is already running.'])
  await post('pause')
  const ended = { timeout: 45_000, interval: 100 }
  const running = () => hub.domain.stores.appRuns.list()
  await vi.waitFor(async () => expect(await running()).toEqual([]), ended)
  await post('resume')
  await reach('running')
  await hub.api(`${BASE}/mine`, { as: ada, method: 'DELETE' })
  await vi.waitFor(async () => expect(await running()).toEqual([]), ended)
})
