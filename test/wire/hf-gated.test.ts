import { expect, test } from 'vitest'
import { commit, file, header, uploadLfs } from '../support/hf.js'
import { git, startTestHub, type TestHub, type TestUser, tempDir } from '../support/hub.js'
import { readCapture, sendCapture, xetClient } from '../support/xet.js'

const R = '/api/models/ada/m/user-access-request'
const CARD = `---
extra_gated_prompt: Be kind.
extra_gated_fields:
  Company: text
  Country: country
  When: date_picker
  Purpose:
    type: select
    options: [research, {label: Something else, value: other}]
  I agree: checkbox
  Where: ip_location
---
# m
`

const ANSWERS = {
  Company: 'ACME',
  Country: 'FR',
  When: '2026-11-20',
  Purpose: 'other',
  'I agree': true,
}

async function gated(mode: 'auto' | 'manual' | false, card?: string) {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const bob = await hub.user('bob')
  await hub.api('/api/repos/create', { as: ada, body: { name: 'm' } })
  const oid = await uploadLfs(hub, ada, 'ada/m', Buffer.from('the weights'))
  const lfs = { key: 'lfsFile', value: { path: 'w.bin', algo: 'sha256', oid, size: 11 } }
  const lines = [header(), file('a.txt', 'secret text'), file('zero.txt', 'a\0b'), lfs]
  if (card) lines.push(file('README.md', card))
  expect((await commit(hub, ada, lines)).status).toBe(200)
  const gate = (value: 'auto' | 'manual' | false) =>
    hub.api('/api/models/ada/m/settings', { as: ada, method: 'PUT', body: { gated: value } })
  expect((await gate(mode)).status).toBe(200)
  const handle = (user: string, status: string, more = {}, as = ada) =>
    hub.api(`${R}/handle`, { as, body: { user, status, ...more } })
  const names = async (status: string) =>
    (await hub.api(`${R}/${status}`, { as: ada })).json.map(
      (it: { user: { user: string } }) => it.user.user,
    )
  const ask = (as: TestUser, body: unknown = {}, path = '/ada/m/ask-access') =>
    hub.api(path, { as, body })
  const sees = async (as: TestUser) => (await hub.api('/ada/m/raw/main/a.txt', { as })).status
  return { hub, ada, bob, oid, gate, handle, names, ask, sees }
}

async function idOf(hub: TestHub, namespace: string, name: string): Promise<string> {
  const found = await hub.domain.stores.repos.findByAddress({ kind: 'model', namespace, name })
  return found?.id ?? ''
}

const xError = ({ status, headers }: { status: number; headers: Headers }) => [
  status,
  headers.get('x-error-code'),
]

test('the automatic gate lets in who asks, the manual one whom the authors accept', async () => {
  const auto = await gated('auto')
  expect(await auto.sees(auto.bob)).toBe(403)
  expect((await auto.ask(auto.bob)).json).toEqual({ success: true, status: 'accepted' })
  expect(await auto.sees(auto.bob)).toBe(200)
  expect(await auto.names('accepted')).toEqual(['bob'])

  const { hub, ada, bob, handle, names, ask, sees } = await gated('manual')
  expect((await ask(bob)).json).toEqual({ success: true, status: 'pending' })
  expect(await sees(bob)).toBe(403)
  const waiting = await hub.api('/ada/m/resolve/main/a.txt', { as: bob })
  expect(waiting.headers.get('x-error-message')).toContain('awaiting a review')
  const [request] = (await hub.api(`${R}/pending`, { as: ada })).json
  expect(request).toMatchObject({
    status: 'pending',
    user: { user: 'bob', fullname: 'bob', email: 'bob@example.org' },
  })
  const byId = { as: ada, body: { requestId: request.requestId, status: 'rejected' } }
  expect((await hub.api(`${R}/handle`, byId)).status).toBe(200)
  expect((await handle('bob', 'pending')).status).toBe(200)
  expect(request.timestamp).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  expect((await handle('bob', 'accepted')).status).toBe(200)
  expect([await sees(bob), await names('pending'), await names('accepted')]).toEqual([
    200,
    [],
    ['bob'],
  ])
  expect((await handle('bob', 'pending')).status).toBe(200)
  expect([await sees(bob), await names('pending')]).toEqual([403, ['bob']])
  expect((await handle('bob', 'rejected', { rejectionReason: 'not you' })).status).toBe(200)
  expect([await sees(bob), await names('rejected')]).toEqual([403, ['bob']])
  const again = await ask(bob)
  expect([again.status, again.json.error]).toEqual([403, expect.stringContaining('not you')])
  const own = await hub.api('/api/models/ada/m/ask-access', { as: bob })
  expect(own.json).toMatchObject({
    gated: 'manual',
    status: 'rejected',
    rejectionReason: 'not you',
  })
  expect((await handle('bob', 'accepted')).status).toBe(200)
  expect(await sees(bob)).toBe(200)
})

test('what the authors decided is not undone by asking again at an automatic gate', async () => {
  const { bob, handle, ask, sees, names, gate } = await gated('manual')
  await ask(bob)
  await gate('auto')
  // nobody decided yet: the automatic gate opens
  expect((await ask(bob)).json.status).toBe('accepted')
  await handle('bob', 'pending')
  expect((await ask(bob)).json.status).toBe('pending')
  expect([await sees(bob), await names('pending')]).toEqual([403, ['bob']])
})

test('every content route of a gated repository asks for access, metadata stays readable', async () => {
  const { hub, ada, bob, oid, handle, ask } = await gated('manual')
  const xet = readCapture('hf_xet-1.8.0')
  await sendCapture(await xetClient(hub, 'ada/m', ada), xet)
  const [fileHash = ''] = Object.keys(xet.files)
  const head = (await hub.api('/api/models/ada/m')).json.sha as string
  await ask(bob)
  await handle('bob', 'accepted')
  const reader = await xetClient(hub, 'ada/m', bob, 'read')
  const batch = (as?: TestUser) =>
    hub.api('/ada/m.git/info/lfs/objects/batch', {
      ...(as ? { as } : {}),
      body: { operation: 'download', objects: [{ oid, size: 11 }] },
    })
  const link = (await batch(bob)).json.objects[0].actions.download.href.slice(hub.url.length)
  const outpost = await hub.api(
    `/auth/v1/repository/ada/${await idOf(hub, 'ada', 'm')}/file/zero.txt`,
    { as: bob },
  )
  const outpostLink = outpost.json.download_url.slice(hub.url.length)
  const content = [
    '/ada/m/resolve/main/a.txt',
    '/ada/m/resolve/main/w.bin',
    '/ada/m/raw/main/a.txt',
    '/models/ada/m/resolve/main/a.txt',
    '/api/models/ada/m/resolve/main/a.txt',
    '/api/models/ada/m/auth-check',
    '/api/models/ada/m/xet-read-token/main',
    `/api/models/ada/m/commit/${head}/diff`,
    '/ada/m.git/info/refs?service=git-upload-pack',
    '/ada/m/info/refs?service=git-upload-pack',
    '/ada/m.git/info/refs',
    '/ada/m.git/HEAD',
    '/ada/m.git/info/lfs/locks',
    `/auth/v1/repository/ada/${await idOf(hub, 'ada', 'm')}/file/a.txt`,
  ]
  const get = async (as?: TestUser): Promise<Record<string, number>> =>
    Object.fromEntries(
      await Promise.all(
        content.map(async (path) => [path, (await hub.api(path, as ? { as } : {})).status]),
      ),
    )
  const gitClone = async (as?: TestUser) =>
    (await git(await tempDir(), ['clone', '-q', hub.gitUrl('ada/m', as), 'c'])).code
  const duplicate = async (as: TestUser) =>
    (
      await hub.api('/api/models/ada/m/duplicate', {
        as,
        body: { repository: `${as.name}/copy` },
      })
    ).status
  const reconstruct = async () => (await reader.call(`/v1/reconstructions/${fileHash}`)).status
  const chunk = async () => (await reader.call(`/v1/chunks/default/${fileHash}`)).status
  const opened = Object.fromEntries(content.map((it) => [it, 200]))

  // in
  expect(await get(bob)).toEqual(opened)
  expect([(await batch(bob)).status, (await hub.api(link)).text]).toEqual([200, 'the weights'])
  expect((await hub.api(outpostLink)).status).toBe(200)
  expect([await reconstruct(), await gitClone(bob)]).toEqual([200, 0])

  // out again: at once, whatever links and tokens were given before
  await handle('bob', 'rejected')
  const closed = await get(bob)
  expect(Object.values(closed).filter((it) => it < 400)).toEqual([])
  expect(closed).toEqual(Object.fromEntries(content.map((it) => [it, 403])))
  expect(xError(await hub.api('/ada/m/resolve/main/a.txt', { as: bob }))).toEqual([
    403,
    'GatedRepo',
  ])
  expect((await batch(bob)).status).toBe(403)
  expect((await hub.api(link)).status).toBe(403)
  expect((await hub.api(outpostLink)).status).toBe(403)
  expect([await reconstruct(), await chunk(), await duplicate(bob)]).toEqual([403, 403, 403])
  expect(await gitClone(bob)).not.toBe(0)

  // anonymous
  expect(Object.values(await get()).filter((it) => it !== 401)).toEqual([])
  expect(xError(await hub.api('/ada/m/resolve/main/a.txt'))).toEqual([401, 'GatedRepo'])
  expect((await batch()).status).toBe(401)

  for (const path of ['', '/tree/main', '/refs', '/commits/main', '/revision/main', '/discussions'])
    for (const as of [undefined, bob])
      expect((await hub.api(`/api/models/ada/m${path}`, as ? { as } : {})).status).toBe(200)
  const info = await hub.api('/api/models/ada/m/paths-info/main', { body: { paths: ['a.txt'] } })
  expect([info.status, info.json[0].path]).toEqual([200, 'a.txt'])

  const lines = [header(), file('b.txt', 'new text')]
  const proposed = await commit(hub, ada, lines, '/api/models/ada/m/commit/main?create_pr=1')
  expect(proposed.status).toBe(200)
  const pull = (as: TestUser) => hub.api('/api/models/ada/m/discussions/1?diff=1', { as })
  expect((await pull(ada)).json.diff).toContain('new text')
  const closedPull = await pull(bob)
  expect([closedPull.status, closedPull.json.isPullRequest]).toEqual([200, true])
  expect(closedPull.text).not.toContain('new text')
})

test('the form of the model card must be filled in, and its answers reach the authors', async () => {
  const { hub, ada, bob, ask, names } = await gated('manual', CARD)
  const shown = (await hub.api('/api/models/ada/m/ask-access')).json
  expect(shown).toMatchObject({ gated: 'manual', status: 'none', form: { prompt: 'Be kind.' } })
  expect(shown.form.fields.map((it: { name: string; type: string }) => [it.name, it.type])).toEqual(
    [
      ['Company', 'text'],
      ['Country', 'country'],
      ['When', 'date_picker'],
      ['Purpose', 'select'],
      ['I agree', 'checkbox'],
    ],
  )
  for (const [wrong, field] of [
    [{}, 'Company'],
    [{ ...ANSWERS, Company: '  ' }, 'Company'],
    [{ ...ANSWERS, Company: { a: 1 } }, 'Company'],
    [{ ...ANSWERS, Company: 'x'.repeat(5_001) }, 'Company'],
    [{ ...ANSWERS, When: 'tomorrow' }, 'When'],
    [{ ...ANSWERS, Purpose: 'war' }, 'Purpose'],
    [{ ...ANSWERS, 'I agree': false }, 'I agree'],
  ] as const) {
    const reply = await ask(bob, { fields: wrong })
    expect([reply.status, reply.json.error]).toEqual([400, expect.stringContaining(field)])
  }
  for (const body of ['[]', '"x"', '{']) expect((await ask(bob, body)).status).toBe(400)
  expect(await names('pending')).toEqual([])
  expect((await ask(bob, { fields: { ...ANSWERS, __proto__: 1, Other: 'dropped' } })).status).toBe(
    200,
  )
  const [request] = (await hub.api(`${R}/pending`, { as: ada })).json
  expect(request.fields).toEqual(ANSWERS)
})

test('an answer that is no text, number or yes is a wrong one', async () => {
  const { bob, ask } = await gated('manual', CARD)
  for (const wrong of [{ toString: 1, valueOf: 1 }, {}, [], null])
    for (const key of Object.keys(ANSWERS)) {
      const reply = await ask(bob, { ...ANSWERS, [key]: wrong })
      expect([key, wrong, reply.status]).toEqual([key, wrong, 400])
    }
})

test('the form of a page works, and leads back to the page', async () => {
  const { hub, ada, bob } = await gated('manual', CARD)
  const form = new URLSearchParams({ ...ANSWERS, 'I agree': 'on' } as Record<string, string>)
  const post = (accept: string) =>
    hub.api('/models/ada/m/ask-access', {
      as: bob,
      body: form.toString(),
      headers: { 'Content-Type': 'application/x-www-form-urlencoded', Accept: accept },
    })
  const page = await post('text/html,*/*;q=0.8')
  expect([page.status, page.headers.get('location')]).toEqual([303, '/ada/m'])
  expect((await post('*/*')).json).toEqual({ success: true, status: 'pending' })
  const [request] = (await hub.api(`${R}/pending`, { as: ada })).json
  expect(request.fields).toEqual(ANSWERS)
})

test('granted without asking: access, but no e-mail address', async () => {
  const { hub, ada, bob, sees } = await gated('manual')
  expect((await hub.api(`${R}/grant`, { as: ada, body: { user: 'bob' } })).json).toEqual({})
  expect(await sees(bob)).toBe(200)
  const [granted] = (await hub.api(`${R}/accepted`, { as: ada })).json
  expect(granted.user.email).toBeUndefined()
  expect(granted).toMatchObject({ grantedBy: { user: 'ada' }, status: 'accepted' })
  expect((await hub.api(`${R}/grant`, { as: ada, body: { user: 'bob' } })).status).toBe(400)
})

test('a grant moves with the repository, dies with it, and survives the gate being off', async () => {
  const { hub, ada, bob, gate, sees } = await gated('manual')
  await hub.api(`${R}/grant`, { as: ada, body: { user: 'bob' } })
  await gate(false)
  expect((await hub.api(`${R}/accepted`, { as: ada })).status).toBe(400)
  await gate('manual')
  expect(await sees(bob)).toBe(200)
  const move = { fromRepo: 'ada/m', toRepo: 'ada/n', type: 'model' }
  expect((await hub.api('/api/repos/move', { as: ada, body: move })).status).toBe(200)
  expect((await hub.api('/ada/n/raw/main/a.txt', { as: bob })).status).toBe(200)
  const gone = { method: 'DELETE', as: ada, body: { name: 'n', type: 'model' } }
  expect((await hub.api('/api/repos/delete', gone)).status).toBe(200)
  await hub.api('/api/repos/create', { as: ada, body: { name: 'n' } })
  const body = { gated: 'manual' }
  await hub.api('/api/models/ada/n/settings', { as: ada, method: 'PUT', body })
  expect((await hub.api('/api/models/ada/n/auth-check', { as: bob })).status).toBe(403)
})

test('a credential for other repositories does not carry a grant; a removed account leaves none', async () => {
  const { hub, ada, bob, sees, names } = await gated('manual')
  await hub.api(`${R}/grant`, { as: ada, body: { user: 'bob' } })
  await hub.api('/api/repos/create', { as: bob, body: { name: 'own' } })
  const ids = await Promise.all(
    [
      ['ada', 'm'],
      ['bob', 'own'],
    ].map(([namespace = '', name = '']) => idOf(hub, namespace, name)),
  )
  const limited = async (id: string) => ({
    ...bob,
    token: await hub.token(bob.user, { repoIds: [id] }),
  })
  expect(await sees(await limited(ids[0] ?? ''))).toBe(200)
  expect(await sees(await limited(ids[1] ?? ''))).toBe(403)
  await hub.domain.stores.repos.markDeleting(ids[1] ?? '', {
    type: 'repo.delete',
    repo: undefined,
    actor: { id: null, name: null, address: '' },
    dialect: 'test',
    data: {},
  })
  await expect.poll(() => hub.domain.stores.repos.findById(ids[1] ?? '')).toBeUndefined()
  await hub.domain.stores.accounts.deleteNamespace(bob.user.id)
  expect(await names('accepted')).toEqual([])
})

test('bad input and missing rights change nothing', async () => {
  const { hub, ada, bob, handle, names, ask } = await gated('manual')
  await ask(bob)
  const reader = { ...ada, token: await hub.token(ada.user, { role: 'read' }) }
  const before = await names('pending')
  for (const [status, reply] of [
    [404, handle('nobody', 'accepted')],
    [404, handle('ada', 'accepted')],
    [404, handle('bob', 'pending')],
    [400, handle('bob', 'maybe')],
    [400, hub.api(`${R}/handle`, { as: ada, body: { status: 'accepted' } })],
    [400, hub.api(`${R}/handle`, { as: ada, body: { status: 'accepted', requestId: 'x' } })],
    [400, handle('bob', 'rejected', { rejectionReason: 'x'.repeat(201) })],
    [400, handle('bob', 'accepted', { rejectionReason: 'why' })],
    [400, hub.api(`${R}/handle`, { as: ada, body: '{' })],
    [400, hub.api(`${R}/grant`, { as: ada, body: {} })],
    [404, hub.api(`${R}/grant`, { as: ada, body: { user: 'nobody' } })],
    [403, handle('bob', 'accepted', {}, bob)],
    [403, handle('bob', 'accepted', {}, reader)],
    [403, hub.api(`${R}/pending`, { as: bob })],
    [401, hub.api(`${R}/pending`)],
    [401, hub.api('/ada/m/ask-access', { body: {} })],
    [403, hub.api('/ada/m/ask-access', { as: reader, body: {} })],
    [404, ask(bob, {}, '/ada/none/ask-access')],
    [404, ask(bob, {}, '/datasets/ada/m/ask-access')],
  ] as const)
    expect((await reply).status).toBe(status)
  expect([before, await names('pending'), await names('accepted')]).toEqual([['bob'], ['bob'], []])
  const open = await gated(false)
  expect((await open.ask(open.bob)).status).toBe(400)
  expect((await open.handle('bob', 'accepted')).status).toBe(400)
})

test('a private repository without rights looks absent to who asks for access', async () => {
  const { hub, ada, bob } = await gated('manual')
  await hub.api('/api/models/ada/m/settings', { as: ada, method: 'PUT', body: { private: true } })
  const [there, absent] = await Promise.all(
    ['m', 'z'].map((name) => hub.api(`/ada/${name}/ask-access`, { as: bob, body: {} })),
  )
  expect([there?.status, there?.text]).toEqual([404, absent?.text])
})

test('long lists come in pages', async () => {
  const { hub, ada } = await gated('manual')
  for (const name of ['u1', 'u2', 'u3']) {
    await hub.user(name)
    await hub.api(`${R}/grant`, { as: ada, body: { user: name } })
  }
  const names: string[] = []
  let next: string | undefined = `${R}/accepted?limit=2`
  let pages = 0
  for (; next; pages += 1) {
    const reply: Awaited<ReturnType<TestHub['api']>> = await hub.api(next, { as: ada })
    names.push(...reply.json.map((it: { user: { user: string } }) => it.user.user))
    next = /<[^/]*\/\/[^/]*(\/[^>]*)>; rel="next"/.exec(reply.headers.get('link') ?? '')?.[1]
  }
  expect([names, pages]).toEqual([['u1', 'u2', 'u3'], 2])
})
