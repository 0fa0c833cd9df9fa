import { expect, test } from 'vitest'
import { commit, file, header } from '../support/hf.js'
import { startTestHub, type TestHub, type TestUser } from '../support/hub.js'

const S = '/api/spaces/ada/app'

/** A hub where ada has the Space ada/app of this sdk. */
async function hubWithSpace(sdk: string, more: Record<string, unknown> = {}) {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const eve = await hub.user('eve')
  const made = await create(hub, ada, { sdk, ...more })
  expect(made.status, made.text).toBe(200)
  return { hub, ada, eve }
}

function create(hub: TestHub, as: TestUser, more: Record<string, unknown>) {
  return hub.api('/api/repos/create', { as, body: { type: 'space', name: 'app', ...more } })
}

async function stageOf(hub: TestHub, as: TestUser, space = 'ada/app'): Promise<string> {
  return (await hub.api(`/api/spaces/${space}/runtime`, { as })).json.stage
}

test('a secret goes in, its name comes out, and the database has it sealed', async () => {
  const { hub, ada, eve } = await hubWithSpace('gradio')
  const value = 'hf_a-very-secret-value'
  const put = await hub.api(`${S}/secrets`, {
    as: ada,
    body: { key: 'TOKEN', value, description: 'for the API' },
  })
  expect(put.status).toBe(200)
  const listed = await hub.api(`${S}/secrets`, { as: ada })
  expect(listed.json).toEqual({
    TOKEN: { description: 'for the API', updatedAt: expect.stringMatching(/Z$/) },
  })
  const { stores } = hub.domain
  const repo = await stores.repos.findByAddress({ kind: 'space', namespace: 'ada', name: 'app' })
  const rows = await stores.spaces.listValues(repo?.id ?? '', 'secret')
  expect(rows.map((it) => it.value)).toEqual([expect.stringMatching(/^v1\./)])
  const events = await stores.events.list({ limit: 1_000 })
  expect(JSON.stringify([put.json, listed.json, rows, events])).not.toContain(value)
  expect(events.filter((it) => it.type === 'repo.settings').map((it) => it.data)).toEqual([
    { secret: 'TOKEN' },
  ])
  // readers learn not even the names
  expect((await hub.api(`${S}/secrets`, { as: eve })).status).toBe(403)
  const gone = await hub.api(`${S}/secrets`, { as: ada, method: 'DELETE', body: { key: 'TOKEN' } })
  expect([gone.status, gone.json]).toEqual([200, {}])
  const again = await hub.api(`${S}/secrets`, { as: ada, method: 'DELETE', body: { key: 'TOKEN' } })
  expect([again.status, again.json.error]).toEqual([404, 'There is no secret "TOKEN".'])
})

test('variables are for every reader, and every answer has all of them', async () => {
  const { hub, ada, eve } = await hubWithSpace('gradio')
  await hub.api(`${S}/variables`, { as: ada, body: { key: 'B', value: '2' } })
  const put = await hub.api(`${S}/variables`, {
    as: ada,
    body: { key: 'A', value: 'ä\n', description: 'letters' },
  })
  const at = expect.stringMatching(/Z$/)
  const both = {
    A: { value: 'ä\n', description: 'letters', updatedAt: at },
    B: { value: '2', updatedAt: at },
  }
  expect(put.json).toEqual(both)
  expect((await hub.api(`${S}/variables`, { as: eve })).json).toEqual(both)
  const less = await hub.api(`${S}/variables`, { as: ada, method: 'DELETE', body: { key: 'A' } })
  expect(Object.keys(less.json)).toEqual(['B'])
  const replaced = await hub.api(`${S}/variables`, { as: ada, body: { key: 'B', value: '3' } })
  expect(replaced.json.B.value).toBe('3')
})

const VOLUME = { type: 'space', source: 'ada/app', mountPath: '/data' }

test('what is no key, value, flavor, tier, time or volume is refused, and nothing changes', async () => {
  const { hub, ada } = await hubWithSpace('gradio')
  const before = (await hub.api(`${S}/runtime`, { as: ada })).json
  const bad: [string, string, unknown][] = [
    ['POST', 'secrets', { key: '1A', value: 'x' }],
    ['POST', 'secrets', { key: 'A B', value: 'x' }],
    ['POST', 'secrets', { key: 'A=B', value: 'x' }],
    ['POST', 'secrets', { key: 'A' }],
    ['POST', 'variables', { key: 'A', value: 'x\0y' }],
    ['POST', 'variables', { key: 'A', value: 'x'.repeat(9_000) }],
    ['POST', 'variables', { key: 'A'.repeat(129), value: 'x' }],
    ['POST', 'hardware', { flavor: 'abacus' }],
    ['POST', 'hardware', { flavor: 't4-small', sleepTimeSeconds: 0 }],
    ['POST', 'hardware', {}],
    ['POST', 'sleeptime', { seconds: -2 }],
    ['POST', 'sleeptime', { seconds: 1.5 }],
    ['POST', 'sleeptime', { seconds: 'soon' }],
    ['POST', 'storage', { tier: 'endless' }],
    ['DELETE', 'storage', undefined],
    ['POST', 'dev-mode', { enabled: 'yes' }],
    ['PUT', 'volumes', { volumes: [{ type: 'bucket', source: 'ada/b', mountPath: '/b' }] }],
    ['PUT', 'volumes', { volumes: [{ type: 'space', source: 'ada/app', mountPath: '/a/../b' }] }],
    ['PUT', 'volumes', { volumes: [{ type: 'space', source: 'ada/app', mountPath: 'data' }] }],
    ['PUT', 'volumes', { volumes: [{ ...VOLUME, revision: '--upload-pack=x' }] }],
    ['PUT', 'volumes', { volumes: [{ ...VOLUME, revision: 'a..b' }] }],
    ['PUT', 'volumes', { volumes: [] }],
    ['DELETE', 'volumes', undefined],
    ['POST', 'secrets', 'no json'],
  ]
  for (const [method, path, body] of bad) {
    const reply = await hub.api(`${S}/${path}`, { as: ada, method, ...(body ? { body } : {}) })
    expect([method, path, body, reply.status]).toEqual([method, path, body, 400])
    expect(reply.json.error).toEqual(expect.any(String))
  }
  const takers = bad.map(([method, path]) => `${method} ${path}`)
  for (const taker of new Set(takers))
    for (const broken of ['{', '[1]', '"x"', 'null', '{"a":'.repeat(2_000)]) {
      const [method = '', path = ''] = taker.split(' ')
      const { status } = await hub.api(`${S}/${path}`, { as: ada, method, body: broken })
      expect([taker, broken.slice(0, 9), status]).toEqual([taker, broken.slice(0, 9), 400])
    }
  expect((await hub.api(`${S}/runtime`, { as: ada })).json).toEqual(before)
  expect((await hub.api(`${S}/variables`, { as: ada })).json).toEqual({})
  // a path below the repository, in the words that a file's path gets everywhere
  for (const path of ['../../etc', '/etc', 'a/../b', 'a/.git/config']) {
    const volumes = [{ ...VOLUME, path }]
    const reply = await hub.api(`${S}/volumes`, { as: ada, method: 'PUT', body: { volumes } })
    expect([path, reply.status]).toEqual([path, 422])
  }
  const missing = { type: 'model', source: 'ada/none', mountPath: '/m' }
  const absent = await hub.api(`${S}/volumes`, {
    as: ada,
    method: 'PUT',
    body: { volumes: [missing] },
  })
  expect([absent.status, absent.headers.get('x-error-code')]).toEqual([404, 'RepoNotFound'])
})

test('hardware, storage, sleep time, dev mode and volumes are kept as they were asked for', async () => {
  const { hub, ada } = await hubWithSpace('gradio')
  const ask = async (method: string, path: string, body?: unknown) =>
    (await hub.api(`${S}/${path}`, { as: ada, method, ...(body ? { body } : {}) })).json
  expect(await ask('GET', 'runtime')).toMatchObject({
    hardware: { current: null, requested: 'cpu-basic' },
    storage: null,
    gcTimeout: 172_800,
    devMode: false,
  })
  // without a runner nothing of it is there at this moment
  const hardware = await ask('POST', 'hardware', { flavor: 't4-small', sleepTimeSeconds: 600 })
  expect(hardware).toMatchObject({
    hardware: { current: null, requested: 't4-small' },
    gcTimeout: 600,
  })
  expect(await ask('POST', 'sleeptime', { seconds: -1 })).toMatchObject({ gcTimeout: null })
  expect(await ask('POST', 'storage', { tier: 'small' })).toMatchObject({ storage: 'small' })
  expect(await ask('DELETE', 'storage')).toMatchObject({ storage: null })
  expect(await ask('POST', 'dev-mode', { enabled: true })).toMatchObject({ devMode: true })
  expect(await ask('POST', 'dev-mode', { enabled: false })).toMatchObject({ devMode: false })
  const volume = { type: 'space', source: 'ada/app', mountPath: '/data' }
  const mounted = await ask('PUT', 'volumes', { volumes: [volume] })
  expect(mounted.volumes).toEqual([{ ...volume, readOnly: true }])
  // a reader does not learn what is mounted: it may be hidden from them
  const eve = await hub.user('eve2')
  for (const path of [`${S}/runtime`, S])
    expect((await hub.api(path, { as: eve })).text).not.toContain('/data')
  expect(await ask('DELETE', 'volumes')).not.toHaveProperty('volumes')
})

test('the stage follows the files, the calls, and pushes', async () => {
  const { hub, ada } = await hubWithSpace('gradio')
  const push = async (path: string, text: string) => {
    const done = await commit(hub, ada, [header(), file(path, text)], `${S}/commit/main`)
    expect(done.status).toBe(200)
  }
  expect(await stageOf(hub, ada)).toBe('NO_APP_FILE')
  await push('app.py', 'print(1)')
  expect(await stageOf(hub, ada)).toBe('STOPPED')
  const paused = await hub.api(`${S}/pause`, { as: ada, method: 'POST' })
  expect([paused.status, paused.json.stage]).toEqual([200, 'PAUSED'])
  expect((await hub.api(S, { as: ada })).json.runtime.stage).toBe('PAUSED')
  const listed = await hub.api('/api/spaces?expand=runtime', { as: ada })
  expect(listed.json[0].runtime.stage).toBe('PAUSED')
  const restarted = await hub.api(`${S}/restart?factory=true`, { as: ada, method: 'POST' })
  expect(restarted.json.stage).toBe('STOPPED')
  await push('README.md', '---\nsdk: cobol\n---\n')
  expect(await stageOf(hub, ada)).toBe('CONFIG_ERROR')
  await push('README.md', '# no front matter\n')
  expect(await stageOf(hub, ada)).toBe('STOPPED') // the sdk it was created with
  await push('README.md', '---\nsdk: docker\n---\n')
  expect(await stageOf(hub, ada)).toBe('NO_APP_FILE')
  await push('Dockerfile', 'FROM scratch\n')
  expect(await stageOf(hub, ada)).toBe('STOPPED')
  await push('README.md', '---\nsdk: static\napp_file: site/home.html\n---\n')
  expect(await stageOf(hub, ada)).toBe('NO_APP_FILE')
  await push('site/home.html', '<p>home')
  expect(await stageOf(hub, ada)).toBe('RUNNING')
})

test('a static Space always runs: there is nothing to pause or to give it', async () => {
  const { hub, ada } = await hubWithSpace('static')
  expect((await hub.api(`${S}/runtime`, { as: ada })).json).toEqual({
    stage: 'RUNNING',
    hardware: { current: null, requested: null },
    storage: null,
    gcTimeout: null,
    devMode: false,
  })
  const { host } = (await hub.api(S, { as: ada })).json
  expect(host).toBe(`${hub.url}/spaces/ada/app`)
  expect((await fetch(`${host}/index.html`)).status).toBe(200)
  const calls: [string, unknown][] = [
    ['pause', {}],
    ['restart', {}],
    ['hardware', { flavor: 't4-small' }],
    ['sleeptime', { seconds: 60 }],
    ['storage', { tier: 'small' }],
    ['dev-mode', { enabled: true }],
  ]
  for (const [path, body] of calls) {
    const reply = await hub.api(`${S}/${path}`, { as: ada, body })
    expect([path, reply.status, reply.json.error]).toEqual([
      path,
      400,
      expect.stringContaining('static Space'),
    ])
  }
})

test('a Space is created with all it is to have, or not at all', async () => {
  const { hub, ada } = await hubWithSpace('docker', {
    hardware: 'cpu-upgrade',
    storageTier: 'medium',
    sleepTimeSeconds: 3_600,
    secrets: [{ key: 'KEY', value: 'hidden' }],
    variables: [{ key: 'MODE', value: 'fast', description: 'how' }],
    volumes: [],
  })
  expect((await hub.api(`${S}/runtime`, { as: ada })).json).toMatchObject({
    hardware: { requested: 'cpu-upgrade' },
    storage: 'medium',
    gcTimeout: 3_600,
  })
  expect(Object.keys((await hub.api(`${S}/secrets`, { as: ada })).json)).toEqual(['KEY'])
  expect((await hub.api(`${S}/variables`, { as: ada })).json.MODE).toMatchObject({ value: 'fast' })
  const bad = [
    { sdk: 'cobol' },
    { sdk: 'gradio', hardware: 'abacus' },
    { sdk: 'gradio', secrets: [{ key: 'no good', value: '' }] },
    { sdk: 'gradio', variables: [1, 2].map(() => ({ key: 'TWICE', value: '' })) },
    { sdk: 'static', hardware: 't4-small' },
    { sdk: 'gradio', template: 'ada/template' },
    { sdk: 'gradio', volumes: [{ type: 'model', source: 'ada/none', mountPath: '/m' }] },
  ]
  for (const more of bad) {
    const reply = await create(hub, ada, { ...more, name: 'bad' })
    expect([more, [400, 404].includes(reply.status)]).toEqual([more, true])
  }
  expect((await hub.api('/api/spaces/ada/bad', { as: ada })).status).toBe(404)
})

test('a copy has the variables, not the secrets, and what was asked for', async () => {
  const { hub, eve, ada } = await hubWithSpace('gradio', {
    hardware: 't4-small',
    secrets: [{ key: 'KEY', value: 'hidden' }],
    variables: ['A', 'B'].map((key) => ({ key, value: 'of ada' })),
  })
  const body = {
    repository: 'eve/copy',
    hardware: 'cpu-upgrade',
    secrets: [{ key: 'OWN', value: 'x' }],
    variables: [{ key: 'B', value: 'of eve' }],
  }
  const refused = await hub.api(`${S}/duplicate`, {
    as: eve,
    body: { ...body, hardware: 'abacus' },
  })
  expect(refused.status).toBe(400)
  expect((await hub.api('/api/spaces/eve/copy', { as: eve })).status).toBe(404)
  const made = await hub.api(`${S}/duplicate`, { as: eve, body })
  expect([made.status, made.json.url]).toEqual([200, `${hub.url}/spaces/eve/copy`])
  const at = '/api/spaces/eve/copy'
  expect((await hub.api(`${at}/runtime`, { as: eve })).json.hardware.requested).toBe('cpu-upgrade')
  expect(Object.keys((await hub.api(`${at}/secrets`, { as: eve })).json)).toEqual(['OWN'])
  const variables = (await hub.api(`${at}/variables`, { as: eve })).json
  expect([variables.A.value, variables.B.value]).toEqual(['of ada', 'of eve'])
  expect((await hub.api(`${at}/secrets`, { as: ada })).status).toBe(403)
})

test('what is asked about Spaces in general', async () => {
  const { hub, ada } = await hubWithSpace('static')
  await create(hub, ada, { name: 'app-hidden', private: true, sdk: 'static' })
  await create(hub, ada, { name: 'app-stopped', sdk: 'gradio' })
  expect((await hub.api('/api/spaces/templates')).json).toEqual({ templates: [] })
  const flavors = (await hub.api('/api/spaces/hardware')).json
  expect(flavors.map((it: { name: string }) => it.name)).toContain('cpu-basic')
  expect((await hub.api('/api/spaces/zero-gpu/quota')).status).toBe(401)
  const quota = await hub.api('/api/spaces/zero-gpu/quota', { as: ada })
  expect(quota.json).toEqual({ base: 0, current: 0 })
  const found = async (query: string, as?: TestUser) =>
    (await hub.api(`/api/spaces/semantic-search?${query}`, as ? { as } : {})).json.map(
      (it: { id: string }) => it.id,
    )
  expect(await found('q=app')).toEqual(['ada/app'])
  expect((await found('q=app', ada)).sort()).toEqual(['ada/app', 'ada/app-hidden'])
  expect((await found('q=app&includeNonRunning=true')).sort()).toEqual([
    'ada/app',
    'ada/app-stopped',
  ])
  expect(await found('q=app&includeNonRunning=true&sdk=gradio')).toEqual(['ada/app-stopped'])
  expect((await hub.api('/api/spaces/semantic-search')).status).toBe(400)
})

test('only Spaces have any of it', async () => {
  const { hub, ada } = await hubWithSpace('static')
  await hub.api('/api/repos/create', { as: ada, body: { name: 'm' } })
  for (const path of ['runtime', 'variables', 'secrets', 'logs/run']) {
    const reply = await hub.api(`/api/models/ada/m/${path}`, { as: ada })
    expect([path, reply.status, reply.json.error]).toEqual([path, 404, 'Only a Space has this.'])
  }
})
