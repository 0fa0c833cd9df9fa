import { createHash, randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { gitOk, startTestHub, type TestHub, type TestUser } from '../support/hub.js'
import { cloneRepo, type Files, pushFiles } from '../support/repos.js'

async function hubWith(files: Files, repo: Record<string, unknown> = { name: 'm' }) {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await hub.api('/api/repos/create', { as: ada, body: repo })
  const work = await cloneRepo(hub, ada, `ada/${repo.name}`)
  const head = await pushFiles(work, files)
  return { hub, ada, work, head }
}

async function fetchFile(
  hub: TestHub,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
  as?: TestUser,
) {
  const reply = await fetch(`${hub.url}${path}`, {
    method,
    redirect: 'manual',
    headers: { ...headers, ...(as ? { Authorization: `Bearer ${as.token}` } : {}) },
  })
  const body = Buffer.from(await reply.arrayBuffer())
  return { status: reply.status, get: (name: string) => reply.headers.get(name), body }
}

/** The request line as given: what no well-behaved client library would send. Answers the status, undefined when cut. */
async function rawStatus(
  hub: TestHub,
  target: string | Buffer,
  headers = '',
): Promise<number | undefined> {
  const { hostname, port } = new URL(hub.url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  socket.write(
    Buffer.concat([
      Buffer.from('GET '),
      Buffer.from(target),
      Buffer.from(` HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers}\r\n`),
    ]),
  )
  let text = ''
  socket.on('data', (chunk) => {
    if (text.length < 100) text += chunk.toString('latin1')
  })
  await new Promise((resolve) => socket.on('close', resolve))
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]) || undefined
}

const big = randomBytes(1_500_000)
const weights = randomBytes(2_000_000)
const sha256 = createHash('sha256').update(weights).digest('hex')

test('HEAD and GET tell the same, for regular and for LFS files', async () => {
  const { hub, head, work } = await hubWith({
    'a.txt': 'hello',
    'w.bin': weights,
    'big.dat': big,
    'empty.txt': '',
  })
  const oid = await gitOk(work, ['rev-parse', 'HEAD:a.txt'])
  for (const method of ['HEAD', 'GET']) {
    const text = await fetchFile(hub, '/ada/m/resolve/main/a.txt', {}, method)
    expect([
      text.status,
      text.get('etag'),
      text.get('content-length'),
      text.get('x-repo-commit'),
      text.get('accept-ranges'),
    ]).toEqual([200, `"${oid}"`, '5', head, 'bytes'])
    expect([
      text.get('x-linked-etag'),
      text.get('x-linked-size'),
      text.get('content-encoding'),
    ]).toEqual([null, null, null])
    expect(text.get('content-disposition')).toBe(
      `inline; filename*=UTF-8''a.txt; filename="a.txt";`,
    )
    expect(text.body.toString()).toBe(method === 'GET' ? 'hello' : '')
    const lfs = await fetchFile(hub, '/ada/m/resolve/main/w.bin', {}, method)
    expect([
      lfs.status,
      lfs.get('etag'),
      lfs.get('x-linked-etag'),
      lfs.get('x-linked-size'),
      lfs.get('content-length'),
    ]).toEqual([200, `"${sha256}"`, `"${sha256}"`, '2000000', '2000000'])
    expect(lfs.body.equals(method === 'GET' ? weights : Buffer.alloc(0))).toBe(true)
    const none = await fetchFile(hub, '/ada/m/resolve/main/empty.txt', {}, method)
    expect([none.status, none.get('content-length'), none.body.length]).toEqual([200, '0', 0])
  }
  expect((await fetchFile(hub, '/ada/m/resolve/main/big.dat')).body.equals(big)).toBe(true)
  const raw = await fetchFile(hub, '/ada/m/raw/main/w.bin')
  expect(raw.body.toString()).toBe(
    `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize 2000000\n`,
  )
  expect([raw.get('x-linked-etag'), raw.get('content-type')]).toEqual([
    null,
    'text/plain; charset=utf-8',
  ])
  expect((await fetchFile(hub, '/api/models/ada/m/resolve/main/a.txt')).body.toString()).toBe(
    'hello',
  )
  expect((await fetchFile(hub, '/models/ada/m/resolve/main/a.txt')).body.toString()).toBe('hello')
})

test.each([
  ['w.bin', weights],
  ['big.dat', big],
] as const)('ranges of %s', async (name, bytes) => {
  const { hub } = await hubWith({ [name]: bytes, 'empty.txt': '' })
  const url = `/ada/m/resolve/main/${name}`
  const size = bytes.length
  for (const [range, first, last] of [
    ['bytes=0-0', 0, 0],
    ['bytes=100-200', 100, 200],
    [`bytes=${size - 5}-`, size - 5, size - 1],
    ['bytes=-7', size - 7, size - 1],
    [`bytes=1000000-${size * 9}`, 1_000_000, size - 1],
    [`bytes=-${size * 9}`, 0, size - 1],
    ['bytes=5-9,7-20', 5, 20],
  ] as const) {
    const part = await fetchFile(hub, url, { Range: range })
    expect([part.status, part.get('content-range'), part.get('content-length')]).toEqual([
      206,
      `bytes ${first}-${last}/${size}`,
      String(last - first + 1),
    ])
    expect(part.body.equals(bytes.subarray(first, last + 1))).toBe(true)
  }
  const two = await fetchFile(hub, url, { Range: 'bytes=0-9,100-109,-3' })
  const boundary =
    /^multipart\/byteranges; boundary=(\w+)$/.exec(two.get('content-type') ?? '')?.[1] ?? ''
  expect([two.status, Number(two.get('content-length'))]).toEqual([206, two.body.length])
  const parts = two.body.toString('latin1').split(`--${boundary}`)
  expect(parts).toHaveLength(5)
  expect(parts[2]).toContain(
    `Content-Range: bytes 100-109/${size}\r\n\r\n${bytes.toString('latin1', 100, 110)}\r\n`,
  )
  for (const nonsense of [
    'bytes=',
    'bytes=x-y',
    'lines=1-2',
    'bytes=9-5',
    `bytes=${'1-1,'.repeat(500)}2-2`,
    '\u00ff',
  ])
    expect((await fetchFile(hub, url, { Range: nonsense })).status).toBe(200)
  const beyond = await fetchFile(hub, url, { Range: `bytes=${size}-` })
  expect([beyond.status, beyond.get('content-range')]).toEqual([416, `bytes */${size}`])
  const etag = (await fetchFile(hub, url, {}, 'HEAD')).get('etag') ?? ''
  expect((await fetchFile(hub, url, { Range: 'bytes=0-1', 'If-Range': '"other"' })).status).toBe(
    200,
  )
  expect((await fetchFile(hub, url, { Range: 'bytes=0-1', 'If-Range': etag })).status).toBe(206)
  expect((await fetchFile(hub, url, { Range: 'bytes=0-1' }, 'HEAD')).status).toBe(200)
  const empty = await fetchFile(hub, '/ada/m/resolve/main/empty.txt', { Range: 'bytes=0-0' })
  expect([empty.status, empty.get('content-range'), empty.get('content-length')]).toEqual([
    200,
    'bytes */0',
    '0',
  ])
})

test('a known ETag is answered 304', async () => {
  const { hub } = await hubWith({ 'a.txt': 'hello' })
  const etag = (await fetchFile(hub, '/ada/m/resolve/main/a.txt')).get('etag') ?? ''
  const { status, body } = await fetchFile(hub, '/ada/m/resolve/main/a.txt', {
    'If-None-Match': `"x", W/${etag}`,
  })
  expect([status, body.length]).toEqual([304, 0])
})

test('what is not there is told apart', async () => {
  const { hub, ada, head } = await hubWith({ 'dir/a.txt': 'a' })
  const codes = async (path: string, as?: TestUser) => {
    const it = await fetchFile(hub, path, {}, 'HEAD', as)
    return [it.status, it.get('x-error-code'), it.get('x-repo-commit')]
  }
  expect(await codes('/ada/m/resolve/main/none')).toEqual([404, 'EntryNotFound', head])
  expect(await codes('/ada/m/resolve/main/dir')).toEqual([404, 'EntryNotFound', head])
  expect(await codes('/ada/m/resolve/main/dir//a.txt')).toEqual([404, 'EntryNotFound', head])
  expect(await codes('/ada/m/resolve/main/dir/a.txt/b')).toEqual([404, 'EntryNotFound', head])
  expect(await codes('/ada/m/resolve/nope/dir/a.txt')).toEqual([404, 'RevisionNotFound', null])
  expect(await codes('/ada/none/resolve/main/a')).toEqual([401, 'RepoNotFound', null])
  expect(await codes('/ada/none/resolve/main/a', ada)).toEqual([404, 'RepoNotFound', null])
})

test('a file is never a page of the hub', async () => {
  const { hub } = await hubWith({
    'x.html': '<script>alert(1)</script>',
    'x.svg': '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    'x.xml': '<x/>',
    'x.JS': 'alert(1)',
    LICENSE: 'text',
    'x.unknown': '<html>',
  })
  for (const name of ['x.html', 'x.svg', 'x.xml', 'x.JS', 'LICENSE', 'x.unknown'])
    for (const form of ['resolve', 'raw']) {
      const it = await fetchFile(hub, `/ada/m/${form}/main/${name}`)
      expect(it.get('content-type')).not.toMatch(/html|xml;|javascript|application\/xml/)
      expect(it.get('content-security-policy')).toMatch(/sandbox/)
      expect(it.get('x-content-type-options')).toBe('nosniff')
    }
})

test('names with every awkward character', async () => {
  const names = [
    '100% sure.txt',
    'a#b.txt',
    'a?b.txt',
    'ünï cödé 日本.txt',
    'quote".txt',
    "it's (1).txt",
    'a+b&c=d;.txt',
    '..hidden..',
    'resolve/main/x.txt',
    'back\\slash.txt',
    '%2F.txt',
    '\u{1F40E}.txt',
  ]
  const { hub } = await hubWith(Object.fromEntries(names.map((it) => [it, it])))
  for (const name of names) {
    const path = name.split('/').map(encodeURIComponent).join('/')
    const it = await fetchFile(hub, `/ada/m/resolve/main/${path}`)
    expect([it.status, it.body.toString()]).toEqual([200, name])
    const disposition = it.get('content-disposition') ?? ''
    const encoded = /filename\*=UTF-8''([^;]+);/.exec(disposition)?.[1] ?? ''
    expect(decodeURIComponent(encoded)).toBe(name.split('/').at(-1))
    expect(disposition).toMatch(/^inline; filename\*=UTF-8''[\w.%~!-]+; filename="[^"\\]*";$/)
  }
  expect(
    (await fetchFile(hub, '/ada/m/resolve/main/a+b&c=d;.txt?download=true')).get(
      'content-disposition',
    ),
  ).toMatch(/^attachment;/)
  expect(
    (await fetchFile(hub, '/ada/m/resolve/main/..hidden..?noContentDisposition=1')).get(
      'content-disposition',
    ),
  ).toBeNull()
})

test('revisions with slashes, quoted or not', async () => {
  const { hub, work, head } = await hubWith({ 'd/a.txt': 'one' })
  await gitOk(work, ['push', '-q', 'origin', 'HEAD:refs/heads/feat/x/y', 'HEAD:refs/pr/7'])
  await gitOk(work, ['tag', '-a', 'v1/rc', '-m', 'rc'])
  await gitOk(work, ['push', '-q', 'origin', 'v1/rc'])
  await pushFiles(work, { 'd/a.txt': 'two' })
  for (const rev of [
    'feat/x/y',
    'refs/pr/7',
    'v1/rc',
    'refs/heads/feat/x/y',
    'refs/tags/v1/rc',
    head,
    head.slice(0, 8),
  ])
    for (const spelled of [rev, encodeURIComponent(rev)]) {
      const it = await fetchFile(hub, `/ada/m/resolve/${spelled}/d/a.txt`)
      expect([spelled, it.body.toString(), it.get('x-repo-commit')]).toEqual([spelled, 'one', head])
      const tree = await hub.api(`/api/models/ada/m/tree/${spelled}/d`)
      expect(tree.json.map((entry: { path: string }) => entry.path)).toEqual(['d/a.txt'])
    }
  expect((await fetchFile(hub, '/ada/m/resolve/HEAD/d/a.txt')).body.toString()).toBe('two')
})

test('gated content is for those who were let in', async () => {
  const { hub, ada } = await hubWith({ 'a.txt': 'hello' })
  const bob = await hub.user('bob')
  const reader = { ...ada, token: await hub.token(ada.user, { role: 'read' }) }
  const repo = await hub.domain.stores.repos.findByAddress({
    kind: 'model',
    namespace: 'ada',
    name: 'm',
  })
  if (!repo) throw new Error('no repository')
  await hub.domain.stores.repos.updateSettings(
    repo.id,
    { gate: 'auto' },
    {
      type: 'repo.settings',
      repo,
      actor: { id: null, name: null, address: '' },
      dialect: 'test',
      data: {},
    },
  )
  for (const form of ['resolve', 'raw']) {
    const url = `/ada/m/${form}/main/a.txt`
    const anonymous = await fetchFile(hub, url)
    expect([anonymous.status, anonymous.get('x-error-code')]).toEqual([401, 'GatedRepo'])
    const stranger = await fetchFile(hub, url, {}, 'GET', bob)
    expect([stranger.status, stranger.get('x-error-code')]).toEqual([403, 'GatedRepo'])
    expect(stranger.get('x-error-message')).toContain('Access to model ada/m is restricted')
    expect((await fetchFile(hub, url, {}, 'GET', ada)).status).toBe(200)
    expect((await fetchFile(hub, url, {}, 'GET', reader)).status).toBe(200)
  }
  expect((await hub.api('/api/models/ada/m')).json.gated).toBe('auto')
  expect((await hub.api('/api/models/ada/m/tree/main')).status).toBe(200)
  expect((await hub.api('/api/models/ada/m/auth-check')).status).toBe(401)
  expect((await hub.api('/api/models/ada/m/auth-check', { as: bob })).status).toBe(403)
  expect((await hub.api('/api/models/ada/m/auth-check', { as: ada })).status).toBe(200)
  expect((await hub.api('/api/models/ada/m/auth-check/write', { as: bob })).status).toBe(403)
  expect((await hub.api('/api/models/ada/m/auth-check/write', { as: ada })).status).toBe(200)
})

test('a renamed repository leads on from its old address, query and all', async () => {
  const { hub, ada } = await hubWith({ 'a b.txt': 'hello' })
  await hub.api('/api/repos/move', {
    as: ada,
    body: { fromRepo: 'ada/m', toRepo: 'ada/n', type: 'model' },
  })
  const old = await fetchFile(hub, '/ada/m/resolve/main/a%20b.txt?download=true')
  expect([old.status, old.get('location')]).toEqual([
    307,
    '/ada/n/resolve/main/a%20b.txt?download=true',
  ])
  const info = await hub.api('/api/models/ada/m/tree/main?recursive=true')
  expect([info.status, info.headers.get('location')]).toEqual([
    307,
    '/api/models/ada/n/tree/main?recursive=true',
  ])
  // to those who may not see it, the old address says nothing either
  const repo = await hub.domain.stores.repos.findByAddress({
    kind: 'model',
    namespace: 'ada',
    name: 'n',
  })
  if (!repo) throw new Error('no repository')
  await hub.domain.stores.repos.updateSettings(
    repo.id,
    { visibility: 'private' },
    {
      type: 'repo.settings',
      repo,
      actor: { id: null, name: null, address: '' },
      dialect: 'test',
      data: {},
    },
  )
  expect((await fetchFile(hub, '/ada/m/resolve/main/a%20b.txt')).status).toBe(401)
})

test('a download is counted once for a visitor, and looking is none', async () => {
  const { hub, ada } = await hubWith({ 'a.txt': 'hello', 'w.bin': weights })
  const count = async () => {
    await hub.domain.downloads.flush()
    return (await hub.api('/api/models/ada/m')).json.downloads
  }
  await fetchFile(hub, '/ada/m/resolve/main/a.txt', {}, 'HEAD')
  await fetchFile(hub, '/ada/m/resolve/main/a.txt', { Range: 'bytes=0-0' })
  await fetchFile(hub, '/ada/m/resolve/main/w.bin', { Range: 'bytes=1000-' })
  await fetchFile(hub, '/ada/m/resolve/main/none')
  expect(await count()).toBe(0)
  await fetchFile(hub, '/ada/m/resolve/main/a.txt')
  await fetchFile(hub, '/ada/m/resolve/main/w.bin')
  await fetchFile(hub, '/ada/m/resolve/main/w.bin', { Range: 'bytes=0-1000' })
  expect(await count()).toBe(1)
  await fetchFile(hub, '/ada/m/resolve/main/a.txt', {}, 'GET', ada)
  await fetchFile(hub, '/ada/m/resolve/main/a.txt', { 'User-Agent': 'another' })
  expect(await count()).toBe(3)
  const repo = await hub.domain.stores.repos.findByAddress({
    kind: 'model',
    namespace: 'ada',
    name: 'm',
  })
  const [day] = await hub.domain.stores.repos.downloadsByDay(repo?.id ?? '', '2000-01-01')
  expect(day).toMatchObject({ sessions: 3, authenticated: 1, files: 5 })
})

test('browsers of other origins may read, and are told so beforehand', async () => {
  const { hub } = await hubWith({ 'a.txt': 'hello' })
  for (const path of [
    '/api/models/ada/m',
    '/ada/m/resolve/main/a.txt',
    '/ada/m.git/info/lfs/objects/batch',
    '/lfs/x/y/part',
  ]) {
    const headers = {
      Origin: 'https://example.org',
      'Access-Control-Request-Method': 'PUT',
      'Access-Control-Request-Headers': 'authorization,content-type,range',
    }
    const before = await fetchFile(hub, path, headers, 'OPTIONS')
    expect([
      before.status,
      before.get('access-control-allow-origin'),
      before.get('access-control-allow-credentials'),
    ]).toEqual([204, '*', null])
    for (const name of ['Authorization', 'Content-Type', 'Range', 'Accept'])
      expect(before.get('access-control-allow-headers')).toContain(name)
  }
  const got = await fetchFile(hub, '/ada/m/resolve/main/a.txt', { Origin: 'https://example.org' })
  for (const name of [
    'X-Repo-Commit',
    'X-Error-Code',
    'X-Error-Message',
    'X-Total-Count',
    'ETag',
    'Link',
    'Accept-Ranges',
    'Content-Range',
    'X-Linked-Size',
    'X-Linked-ETag',
    'X-Xet-Hash',
    'X-Request-Id',
  ])
    expect(got.get('access-control-expose-headers')).toContain(name)
  expect(
    (await fetchFile(hub, '/healthz', { Origin: 'https://example.org' })).get(
      'access-control-allow-origin',
    ),
  ).toBeNull()
})

test('nonsense gets its 4xx and the hub goes on', async () => {
  const { hub } = await hubWith({ 'a.txt': 'hello' })
  const routes = (rev: string, path: string) => [
    `/ada/m/resolve/${rev}/${path}`,
    `/ada/m/raw/${rev}/${path}`,
    `/api/models/ada/m/tree/${rev}/${path}`,
    `/api/models/ada/m/revision/${rev}`,
    `/api/models/ada/m/commits/${rev}`,
    `/datasets/ada/m/resolve/${rev}/${path}`,
    `/api/widgets/ada/m/tree/${rev}/${path}`,
  ]
  const revisions = [
    '--upload-pack=touch%20x',
    '-h',
    'HEAD%5E%7B%2F.%7D',
    'HEAD~1',
    'main@%7B0%7D',
    ':a.txt',
    'main:a.txt',
    'refs%2F..%2Fheads',
    'refs/../heads/main',
    '..%2F..',
    '%00',
    '%0a',
    '%ff%fe',
    'main%0d%0aX-Evil:1',
    '%',
    'refs/packhorse/x',
    'a'.repeat(4_000),
    'x%2F'.repeat(2_000),
    '0000000000000000000000000000000000000000',
    '^main',
    'main..main',
    '@',
    '.',
  ]
  for (const rev of revisions)
    for (const target of routes(rev, 'a.txt')) {
      const status = await rawStatus(hub, target)
      expect([target.slice(0, 80), status && status >= 400 && status < 500]).toEqual([
        target.slice(0, 80),
        true,
      ])
    }
  const paths = [
    '../a.txt',
    '..%2Fa.txt',
    '%2e%2e/a.txt',
    '.',
    './a.txt',
    '/a.txt',
    'a.txt%00',
    'a.txt%0aX',
    '%0d%0aX-Evil:%201',
    'a.txt/',
    '%ff',
    'x'.repeat(10_000),
    'x/'.repeat(3_000),
    '%2F%2F',
    '.git/config',
    ':(glob)*',
    '*',
  ]
  for (const path of paths)
    for (const target of routes('main', path).slice(0, 3)) {
      const status = await rawStatus(hub, target)
      expect([target.slice(0, 80), status && status >= 400 && status < 500]).toEqual([
        target.slice(0, 80),
        true,
      ])
    }
  // longer than Node takes at all: refused or cut, nothing kept
  const huge = await rawStatus(hub, `/ada/m/resolve/main/${'x'.repeat(10_000_000)}`)
  expect([undefined, 414, 431]).toContain(huge)
  for (const query of [
    'cursor=x',
    'cursor=eyJhIjoxfQ',
    'limit=-1',
    'limit=1e9',
    'recursive=perhaps',
    'expand[a]=x&recursive=no&limit=99999999999999999999',
  ])
    for (const route of ['tree/main', 'commits/main'])
      expect((await hub.api(`/api/models/ada/m/${route}?${query}`)).status).toBeLessThan(500)
  expect((await fetchFile(hub, '/ada/m/resolve/main/a.txt')).body.toString()).toBe('hello')
})
