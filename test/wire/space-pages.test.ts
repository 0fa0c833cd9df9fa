import { expect, test } from 'vitest'
import { clone, commit, file, header, uploadLfs } from '../support/hf.js'
import { startTestHub, type TestHub, type TestUser } from '../support/hub.js'
import { rawRequest } from '../support/raw-http.js'

const HOME = '/spaces/ada/app/'

async function hubWithPage(more: Record<string, unknown> = {}, env: Record<string, string> = {}) {
  const hub = await startTestHub(env)
  const ada = await hub.user('ada')
  const eve = await hub.user('eve')
  await space(hub, ada, { name: 'app', ...more })
  return { hub, ada, eve }
}

async function space(hub: TestHub, as: TestUser, more: Record<string, unknown>) {
  const body = { type: 'space', sdk: 'static', ...more }
  const made = await hub.api('/api/repos/create', { as, body })
  expect(made.status, made.text).toBe(200)
}

const push = async (hub: TestHub, as: TestUser, files: Record<string, string>) => {
  const lines = [header(), ...Object.entries(files).map(([path, text]) => file(path, text))]
  const done = await commit(hub, as, lines, '/api/spaces/ada/app/commit/main')
  expect(done.status, done.text).toBe(200)
}

/** The cookie of a browser that is logged in. */
async function session(hub: TestHub, name: string): Promise<string> {
  const reply = await hub.api('/api/auth/login', {
    body: { username: name, password: `${name}-password` },
  })
  return (reply.headers.get('set-cookie') ?? '').split(';')[0] ?? ''
}

test('a static Space is served from its default branch, as a page of no origin', async () => {
  const { hub, ada } = await hubWithPage()
  await push(hub, ada, {
    'index.html': '<script type="module" src="js/main.js"></script>',
    'js/main.js': 'export {}',
    'docs/index.html': '<p>docs',
    'data with blank #1.json': '{}',
    'pic.svg': '<svg xmlns="http://www.w3.org/2000/svg"/>',
    'no-extension': 'x',
  })
  const home = await hub.api(HOME)
  expect([home.status, home.text]).toEqual([
    200,
    '<script type="module" src="js/main.js"></script>',
  ])
  expect(Object.fromEntries(home.headers)).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': expect.stringMatching(/^sandbox allow-scripts/),
    'x-content-type-options': 'nosniff',
    'access-control-allow-origin': '*',
  })
  expect(home.headers.get('content-security-policy')).not.toMatch(/same-origin|top-navigation/)
  expect(home.headers.get('set-cookie')).toBeNull()
  const types: [string, string][] = [
    ['js/main.js', 'text/javascript; charset=utf-8'],
    ['style.css', 'text/css; charset=utf-8'],
    ['data%20with%20blank%20%231.json', 'application/json; charset=utf-8'],
    ['pic.svg', 'image/svg+xml'],
    ['no-extension', 'application/octet-stream'],
    ['docs/', 'text/html; charset=utf-8'],
  ]
  for (const [path, type] of types) {
    const reply = await hub.api(HOME + path)
    expect([path, reply.status, reply.headers.get('content-type')]).toEqual([path, 200, type])
    expect(reply.headers.get('content-security-policy')).toMatch(/^sandbox/)
  }
  const head = await hub.api(HOME, { method: 'HEAD' })
  expect([head.status, head.headers.get('content-length'), head.text]).toEqual([
    200,
    String(home.text.length),
    '',
  ])
  const part = await hub.api(HOME, { headers: { Range: 'bytes=1-6' } })
  expect([part.status, part.text]).toEqual([206, 'script'])
  const folder = await hub.api(`${HOME}docs?x=1`)
  expect([folder.status, folder.headers.get('location')]).toEqual([307, './docs/?x=1'])
  const bare = await hub.api('/spaces/ada/app')
  expect([bare.status, bare.headers.get('location')]).toEqual([307, HOME])
})

test('what is not there, or cannot be a path, is said in plain text that runs nothing', async () => {
  const { hub } = await hubWithPage()
  const wrong: [string, number][] = [
    [`${HOME}none.html`, 404],
    [`${HOME}docs/`, 404],
    [`${HOME}%2e%2e/%2e%2e/secret`, 404],
    [`${HOME}a%2Fb`, 400],
    [`${HOME}%ff`, 400],
    [`${HOME}a%00b`, 404],
    [`${HOME}.git/config`, 404],
    [`${HOME}//`, 404],
    ['/spaces/ada/app.git/index.html', 404],
  ]
  for (const [path, status] of wrong) {
    const reply = await rawRequest(hub.url, path)
    expect([path, reply.status]).toEqual([path, status])
  }
  const missing = await hub.api(`${HOME}none.html`)
  expect(missing.headers.get('content-type')).toBe('text/plain; charset=utf-8')
  expect(missing.headers.get('content-security-policy')).toBe("default-src 'none'; sandbox")
  const outside = await hub.api(HOME, { headers: { Range: 'bytes=99999-' } })
  expect(outside.status).toBe(416)
})

test('git, resolve and the API of a Space stay where they are, whatever its files are called', async () => {
  const { hub, ada } = await hubWithPage()
  await push(hub, ada, { 'resolve/main/index.html': 'a file', 'info/refs': 'a file' })
  const resolved = await hub.api(`${HOME}resolve/main/index.html`)
  expect(resolved.headers.get('content-type')).toBe('text/plain; charset=utf-8')
  expect(resolved.text).toContain('<!doctype html>')
  expect(await clone(hub, ada, { repo: 'spaces/ada/app' })).toContain('/c')
  const refs = await hub.api(`${HOME}info/refs?service=git-upload-pack`)
  expect(refs.headers.get('content-type')).toBe('application/x-git-upload-pack-advertisement')
})

test('an LFS file comes as what it stands for', async () => {
  const { hub, ada } = await hubWithPage()
  const bytes = Buffer.from('a picture\n'.repeat(2_000))
  const oid = await uploadLfs(hub, ada, 'spaces/ada/app', bytes)
  const lfs = {
    key: 'lfsFile',
    value: { path: 'big.png', algo: 'sha256', oid, size: bytes.length },
  }
  await commit(hub, ada, [header(), lfs], '/api/spaces/ada/app/commit/main')
  const reply = await hub.api(`${HOME}big.png`)
  expect([reply.status, reply.text, reply.headers.get('etag')]).toEqual([
    200,
    bytes.toString(),
    `"${oid}"`,
  ])
})

test('a private Space is a page for its readers only', async () => {
  const { hub, ada, eve } = await hubWithPage({ private: true })
  expect((await hub.api(HOME)).status).toBe(401)
  expect((await hub.api(HOME, { as: eve })).status).toBe(404)
  const absent = await hub.api('/spaces/ada/app2/', { as: eve })
  expect([absent.status, absent.text]).toEqual([404, (await hub.api(HOME, { as: eve })).text])
  const mine = await hub.api(HOME, { as: ada })
  expect([mine.status, mine.headers.get('cache-control')]).toEqual([200, 'private, no-cache'])
})

test('a browser gets an address that carries the right, which ends with the right', async () => {
  const { hub, ada, eve } = await hubWithPage({ private: true })
  await hub.org('lab', ada, { eve: 'reader' })
  await space(hub, ada, { name: 'page', organization: 'lab', private: true })
  await space(hub, ada, { name: 'other', private: true })
  const cookie = await session(hub, 'eve')
  const led = await hub.api('/spaces/lab/page/style.css?a=1', { headers: { cookie } })
  const address = led.headers.get('location') ?? ''
  expect([led.status, address]).toEqual([
    302,
    expect.stringMatching(/^\/spaces\/lab\/page\/~[\w.-]+\/style\.css\?a=1$/),
  ])
  // the page's own requests come without a cookie
  const page = await hub.api(address.replace('style.css?a=1', ''))
  expect([page.status, page.headers.get('referrer-policy')]).toEqual([200, 'no-referrer'])
  expect(page.headers.get('content-security-policy')).toMatch(/^sandbox/)
  expect((await hub.api(address)).headers.get('content-type')).toMatch('text/css')
  // for this Space, and not changed
  const elsewhere = await hub.api(address.replace('/lab/page/', '/ada/other/'))
  expect([elsewhere.status, elsewhere.headers.get('location')]).toEqual([
    307,
    expect.stringMatching(/^\/spaces\/lab\/page\/~/),
  ])
  const forged = await hub.api(address.replace(/\.[\w-]+\/style/, '.AAAA/style'))
  expect(forged.status).toBe(401)
  const org = await hub.domain.organizations.read('lab')
  await hub.domain.stores.accounts.setMember(org.id, eve.user.id, null)
  expect((await hub.api(address)).status).toBe(404)
})

test('with a host name of their own, Spaces are there alone', async () => {
  const { hub, ada, eve } = await hubWithPage({}, { PACKHORSE_SPACES_URL: 'http://localhost:1' })
  await space(hub, ada, { name: 'hidden', private: true })
  const there = (path: string, init: RequestInit = {}) =>
    fetch(hub.url.replace('127.0.0.1', 'localhost') + path, { ...init, redirect: 'manual' })
  const led = await hub.api(`${HOME}style.css?a`)
  expect([led.status, led.headers.get('location')]).toEqual([
    302,
    'http://localhost:1/spaces/ada/app/style.css?a',
  ])
  const page = await there(HOME)
  expect([page.status, page.headers.get('content-security-policy')]).toEqual([200, null])
  // neither the API nor a login is on it
  for (const path of ['/api/models', '/api/whoami-v2', '/', '/ada/app'])
    expect([path, (await there(path)).status]).toEqual([path, 404])
  const login = await there('/api/auth/login', { method: 'POST', body: '{}' })
  expect(login.status).toBe(404)
  // a private one is led there with the right, and stays sandboxed: the host is shared
  const cookie = await session(hub, 'ada')
  const hidden = await hub.api('/spaces/ada/hidden/', { headers: { cookie } })
  const address = new URL(hidden.headers.get('location') ?? '')
  expect(address.host).toBe('localhost:1')
  const shown = await there(address.pathname)
  expect([shown.status, shown.headers.get('content-security-policy')]).toEqual([
    200,
    expect.stringMatching(/^sandbox/),
  ])
  expect((await there('/spaces/ada/hidden/')).status).toBe(401)
  expect((await hub.api('/spaces/ada/hidden/', { as: eve })).status).toBe(404)
})

test('a Space that moved leads on, one that needs a runner says that it does not run', async () => {
  const { hub, ada } = await hubWithPage()
  await space(hub, ada, { name: 'demo', sdk: 'docker', files: [] })
  await hub.api('/api/repos/move', {
    as: ada,
    body: { type: 'space', fromRepo: 'ada/app', toRepo: 'ada/site' },
  })
  const old = await hub.api(`${HOME}style.css`)
  expect([old.status, old.headers.get('location')]).toEqual([307, '/spaces/ada/site/style.css'])
  const none = await hub.api('/spaces/ada/demo/')
  expect([none.status, none.text]).toEqual([404, 'There is no file Dockerfile.\n'])
  await commit(hub, ada, [header(), file('Dockerfile', 'x')], '/api/spaces/ada/demo/commit/main')
  const stopped = await hub.api('/spaces/ada/demo/')
  expect([stopped.status, stopped.text]).toEqual([
    422,
    'This Space does not run: STOPPED. This hub has no runner.\n',
  ])
})

test('a gated Space is a page for those who were let in', async () => {
  const { hub, ada, eve } = await hubWithPage()
  await hub.api('/api/spaces/ada/app/settings', {
    as: ada,
    method: 'PUT',
    body: { gated: 'manual' },
  })
  expect((await hub.api(HOME)).status).toBe(401)
  expect((await hub.api(HOME, { as: eve })).status).toBe(403)
  expect((await hub.api(HOME, { as: ada })).status).toBe(200)
})
