import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { SETTINGS } from '../../src/config/config.js'
import { git, gitOk, runCommand, tempDir } from '../support/hub.js'
import { packhorse, startProcess } from '../support/process.js'

/*
 * The operator's contract (docs/operations.md): scripts outside the project rely on every line of it, so each is tried
 * with the program as a process.
 */
const api = (url: string, path: string, token?: string, body?: unknown) =>
  fetch(`${url}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      ...(token ? { Authorization: `Bearer ${token}` } : {}),
      'Content-Type': 'application/json',
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })

test('the first start prints an account, a token and three lines that work when pasted', async () => {
  const data = await tempDir()
  const hub = await startProcess(['--port', '0', '--data', data])
  const banner = hub.stdout()
  const lines = banner.split('\n').map((it) => it.trim())
  const pasted = lines.filter((it) => /^(curl|git clone|cd first)/.test(it))
  expect(pasted).toHaveLength(3)
  const dir = await tempDir()
  const shell = await runCommand('sh', ['-e', '-c', pasted.join('\n')], {
    cwd: dir,
    env: { HOME: dir, GIT_TERMINAL_PROMPT: '0' },
  })
  expect([shell.code, shell.stderr]).toEqual([0, expect.stringContaining('main -> main')])
  const token = /write token\s+(\S+)/.exec(banner)?.[1]
  const password = /password\s+(\S+)/.exec(banner)?.[1]
  const account = /admin account\s+(\S+)/.exec(banner)?.[1]
  expect(await (await api(hub.url, '/api/whoami-v2', token)).json()).toMatchObject({
    name: account,
  })
  const { code } = await git(dir, [
    'ls-remote',
    `${hub.url.replace('://', `://${account}:${password}@`)}/${account}/first.git`,
  ])
  expect(code).toBe(0)
  hub.signal('SIGTERM')
  expect(await hub.exited).toBe(0)

  const again = await startProcess(['--port', '0', '--data', data])
  expect(again.stdout()).not.toContain('password')
  expect(again.stderr()).not.toContain(token)
  expect(hub.stderr()).not.toContain(token)
  expect(hub.stderr()).not.toContain(password)
})

test('accounts, organisations and tokens are made with and without a running server', async () => {
  const data = ['--data', await tempDir()]
  expect(
    (await packhorse(['user', 'create', 'ada', '--password', 'correct horse', ...data])).code,
  ).toBe(0)
  expect((await packhorse(['org', 'create', 'looms', '--owner', 'ada', ...data])).code).toBe(0)
  const offline = await packhorse(['token', 'create', 'ada', '--name', 'ci', ...data])
  expect(offline.stdout).toMatch(/^hf_\w{37}\n$/)

  const hub = await startProcess(['--port', '0', ...data])
  expect(hub.stdout()).not.toContain('write token') // somebody is there already
  expect(
    (await packhorse(['user', 'create', 'bob', '--email', 'bob@example.org', '--admin', ...data]))
      .code,
  ).toBe(0)
  const online = (
    await packhorse(['token', 'create', 'bob', '--role', 'admin', ...data])
  ).stdout.trim()
  const readOnly = (
    await packhorse(['token', 'create', 'ada', '--role', 'read', ...data])
  ).stdout.trim()
  for (const [token, name] of [
    [offline.stdout.trim(), 'ada'],
    [online, 'bob'],
  ] as const)
    expect(await (await api(hub.url, '/api/whoami-v2', token)).json()).toMatchObject({ name })
  const create = { name: 'x', organization: 'looms' }
  expect((await api(hub.url, '/api/repos/create', readOnly, create)).status).toBe(403)
  expect((await api(hub.url, '/api/repos/create', offline.stdout.trim(), create)).status).toBe(200)
}, 120_000)

test('every flag has its variable, every variable its flag, and both say so', async () => {
  const { stdout } = await packhorse(['serve', '--help'])
  for (const { flag, variable, description } of SETTINGS) {
    expect(stdout).toContain(`${flag} `)
    expect(stdout).toContain(variable)
    expect(description).not.toBe('')
  }
  const data = await tempDir()
  const env = { PACKHORSE_DATA: data, PACKHORSE_PORT: '1', PACKHORSE_URL: 'https://env.example' }
  const hub = await startProcess(['--port', '0', '--create-on-push'], env)
  const token = /write token\s+(\S+)/.exec(hub.stdout())?.[1]
  const created = (await (
    await api(hub.url, '/api/repos/create', token, { name: 'x' })
  ).json()) as { url: string }
  expect(created.url).toBe('https://env.example/packer/x')
  const dir = await tempDir()
  await gitOk(dir, ['init', '-q'])
  await gitOk(dir, ['commit', '-q', '--allow-empty', '-m', 'x'])
  const remote = `${hub.url.replace('://', `://packer:${token}@`)}/packer/pushed.git`
  expect((await git(dir, ['push', remote, 'HEAD:main'])).code).toBe(0)
}, 120_000)

test('wrong settings are listed all at once, wrong usage is a line and an exit code', async () => {
  const env = { PACKHORSE_PORT: 'many', PACKHORSE_S3_BUCKET: 'b', PACKHORSE_URL: 'ftp://x' }
  const wrong = await packhorse(['serve', '--log-level', 'loud', '--max-json-bytes', 'lots'], env)
  expect(wrong.code).toBe(1)
  for (const name of ['PORT', 'S3_BUCKET', 'URL', 'LOG_LEVEL', 'MAX_JSON_BYTES'])
    expect(wrong.stderr).toContain(`PACKHORSE_${name}: `)
  const data = ['--data', await tempDir()]
  const cases: [words: string[], line: RegExp][] = [
    [['frobnicate'], /unknown command 'frobnicate'/],
    [['serve', '--frobnicate'], /unknown option '--frobnicate'/],
    [['serve', 'what'], /too many arguments/],
    [['user', 'create'], /missing required argument 'name'/],
    [['user', 'create', 'no good', ...data], /name/i],
    [['user', 'create', 'ada', '--password', 'short', ...data], /8 to 1024/],
    [['org', 'create', 'o', ...data], /--owner/],
    [['org', 'create', 'o', '--owner', 'nobody', ...data], /no user nobody/],
    [['token', 'create', 'nobody', ...data], /no user nobody/],
    [['token', 'create', 'ada', '--role', 'king', ...data], /read, write or admin/],
    [['gc', '--grace', 'long', ...data], /number of seconds/],
  ]
  await Promise.all(
    cases.map(async ([words, line]) => {
      const { code, stderr, stdout } = await packhorse(words)
      expect([words, code === 1 || code === 2, stdout]).toEqual([words, true, ''])
      expect(stderr).toMatch(line)
      expect(stderr).not.toMatch(/\n\s+at /)
    }),
  )
}, 120_000)

test('every subcommand explains itself', async () => {
  const commands = [
    [],
    ['serve'],
    ['user'],
    ['user', 'create'],
    ['org'],
    ['org', 'create'],
    ['token'],
    ['token', 'create'],
    ['gc'],
    ['fsck'],
    ['backup'],
    ['restore'],
    ['reindex'],
  ]
  await Promise.all(
    commands.map(async (words) => {
      const { code, stdout } = await packhorse([...words, '--help'])
      expect([words, code]).toEqual([words, 0])
      expect(stdout).toMatch(new RegExp(`^Usage: ${['packhorse', ...words].join(' ')} `))
    }),
  )
}, 120_000)

test('a database of a newer build, or no database at all, is not opened', async () => {
  const data = await tempDir()
  expect((await packhorse(['user', 'create', 'ada', '--data', data])).code).toBe(0)
  const file = join(data, 'packhorse.sqlite')
  const db = new Database(file)
  db.prepare("insert into kysely_migration (name, timestamp) values ('9999-later', 'x')").run()
  db.close()
  const before = await readFile(file)
  const newer = await packhorse(['serve', '--port', '0', '--data', data])
  expect([newer.code, newer.stderr]).toEqual([1, expect.stringContaining('newer build')])
  expect(before.equals(await readFile(file))).toBe(true)
  await writeFile(file, randomBytes(10_000))
  const broken = await packhorse(['serve', '--port', '0', '--data', data])
  expect([broken.code, broken.stderr]).toEqual([
    1,
    expect.stringContaining('cannot open the database'),
  ])
}, 120_000)

test('two servers on the same data both serve, and start together on nothing', async () => {
  const data = ['--port', '0', '--data', await tempDir()]
  const [one, two] = await Promise.all([startProcess(data), startProcess(data)])
  const banner = `${one.stdout()}${two.stdout()}`
  expect(banner.match(/write token/g)).toHaveLength(1)
  const token = /write token\s+(\S+)/.exec(banner)?.[1]
  expect((await api(one.url, '/api/repos/create', token, { name: 'shared' })).status).toBe(200)
  const dir = await tempDir()
  const at = (url: string) => `${url.replace('://', `://packer:${token}@`)}/packer/shared.git`
  await gitOk(dir, ['clone', '-q', at(two.url), 'work'])
  const work = join(dir, 'work')
  for (const [n, hub] of [two, one, two, one].entries()) {
    await gitOk(work, ['commit', '-q', '--allow-empty', '-m', `commit ${n}`])
    await gitOk(work, ['push', '-q', at(hub.url), 'HEAD:main'])
    const head = await gitOk(work, ['rev-parse', 'HEAD'])
    for (const { url } of [one, two])
      expect(await gitOk(work, ['ls-remote', at(url), 'refs/heads/main'])).toContain(head)
  }
  one.signal('SIGTERM')
  expect(await one.exited).toBe(0)
  expect((await fetch(`${two.url}/readyz`)).status).toBe(200)
}, 120_000)

test('SIGTERM lets a running upload end, refuses new connections and exits 0', async () => {
  const data = ['--port', '0', '--data', await tempDir()]
  const hub = await startProcess([...data, '--shutdown-seconds', '60'])
  const token = /write token\s+(\S+)/.exec(hub.stdout())?.[1]
  const body = JSON.stringify({ name: 'late' })
  const { hostname, port } = new URL(hub.url)
  const socket = connect(Number(port), hostname)
  let reply = ''
  socket.on('data', (chunk) => {
    reply += chunk.toString()
  })
  socket.write(
    `POST /api/repos/create HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 5)}`,
  )
  // it is being answered: the server knows of one request in flight besides the scrape
  await until(async () =>
    (await (await fetch(`${hub.url}/metrics`)).text()).includes('in_flight 2'),
  )
  hub.signal('SIGTERM')
  await until(() =>
    fetch(`${hub.url}/healthz`).then(
      () => false,
      () => true,
    ),
  )
  socket.write(body.slice(5))
  expect(await hub.exited).toBe(0)
  expect(reply).toMatch(/^HTTP\/1\.1 200 /)
}, 120_000)

test('SIGTERM lets a clone and an LFS upload end', async () => {
  const data = ['--port', '0', '--data', await tempDir()]
  const hub = await startProcess([...data, '--shutdown-seconds', '60'])
  const token = /write token\s+(\S+)/.exec(hub.stdout())?.[1] ?? ''
  const remote = (url: string) => `${url.replace('://', `://packer:${token}@`)}/packer/first.git`
  await api(hub.url, '/api/repos/create', token, { name: 'first' })
  const dir = await tempDir()
  await gitOk(dir, ['clone', '-q', remote(hub.url), 'work'])
  const work = join(dir, 'work')
  await writeFile(join(work, 'noise'), randomBytes(24_000_000)) // more than sockets keep
  await gitOk(work, ['add', '.'])
  await gitOk(work, ['commit', '-q', '-m', 'noise'])
  await gitOk(work, ['push', '-q'])
  const head = await gitOk(work, ['rev-parse', 'HEAD'])
  const bytes = randomBytes(300_000)
  const oid = createHash('sha256').update(bytes).digest('hex')
  const batch = await api(hub.url, '/packer/first.git/info/lfs/objects/batch', token, {
    operation: 'upload',
    objects: [{ oid, size: bytes.length }],
  })
  const { objects } = (await batch.json()) as {
    objects: { actions: { upload: { href: string } } }[]
  }

  const upload = request(objects[0]?.actions.upload.href ?? '', { method: 'PUT', agent: false })
  const stored = once(upload, 'response')
  upload.setHeader('Content-Length', bytes.length)
  upload.write(bytes.subarray(0, 100_000))
  const fetching = request(`${hub.url}/packer/first.git/git-upload-pack`, {
    method: 'POST',
    agent: false,
    headers: { 'Content-Type': 'application/x-git-upload-pack-request' },
  })
  fetching.end(`0032want ${head}\n00000009done\n`)
  const [pack] = (await once(fetching, 'response')) as [IncomingMessage]
  hub.signal('SIGTERM')
  await until(() =>
    fetch(`${hub.url}/healthz`).then(
      () => false,
      () => true,
    ),
  )
  upload.end(bytes.subarray(100_000))
  expect((await stored)[0].statusCode).toBe(200)
  const file = join(dir, 'answer.pack')
  await pipeline(pack, createWriteStream(file))
  expect(await hub.exited).toBe(0)
  const received = await readFile(file)
  expect(received.subarray(0, 8).toString()).toBe('0008NAK\n')
  await writeFile(file, received.subarray(8))
  await gitOk(dir, ['init', '-q', '--bare', 'whole'])
  await gitOk(join(dir, 'whole'), ['index-pack', '--strict', file])
  const again = await startProcess(data)
  const verify = await api(again.url, '/packer/first.git/info/lfs/objects/batch', token, {
    operation: 'download',
    objects: [{ oid, size: bytes.length }],
  })
  expect(await verify.json()).toMatchObject({ objects: [{ actions: { download: {} } }] })
}, 120_000)

test('a rejection nobody handled is logged and no more; after an uncaught exception the process ends with 1', async () => {
  const faults = `process.on('SIGHUP', () => void Promise.reject(new Error('a stray rejection')))
    process.on('SIGUSR2', () => { throw new Error('a stray exception') })`
  const hub = await startProcess(['--port', '0', '--data', await tempDir()], {
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(faults)}`,
  })
  hub.signal('SIGHUP')
  await until(async () => hub.stderr().includes('a stray rejection'))
  expect((await fetch(`${hub.url}/healthz`)).status).toBe(200)
  hub.signal('SIGUSR2')
  expect(await hub.exited).toBe(1)
  expect(hub.stderr()).toContain('a stray exception')
}, 120_000)

test('what does not end in time is cut, and the exit code is still 0', async () => {
  const hub = await startProcess([
    '--port',
    '0',
    '--data',
    await tempDir(),
    '--shutdown-seconds',
    '0',
  ])
  const { hostname, port } = new URL(hub.url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  socket.write('POST /api/login HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc')
  await until(async () =>
    (await (await fetch(`${hub.url}/metrics`)).text()).includes('in_flight 2'),
  )
  hub.signal('SIGTERM')
  expect(await hub.exited).toBe(0)
}, 120_000)

test('no secret appears in the log of a run', async () => {
  const data = ['--port', '0', '--data', await tempDir(), '--log-level', 'trace']
  const hub = await startProcess([...data, '--admin-token', 'very-secret-admin-token'])
  const banner = hub.stdout()
  const token = /write token\s+(\S+)/.exec(banner)?.[1] ?? ''
  const password = /password\s+(\S+)/.exec(banner)?.[1] ?? ''
  await api(hub.url, '/api/repos/create', token, { name: 'logged' })
  await api(hub.url, `/api/models/packer/logged?token=${token}`, token)
  await api(hub.url, `/api/${token}/logged`, token)
  await api(hub.url, '/api/login', undefined, { username: 'packer', password })
  await fetch(`${hub.url}/api/whoami-v2`, { headers: { Cookie: `session_id=${token}` } })
  await fetch(`${hub.url}/metrics`, { headers: { 'X-Admin-Token': 'very-secret-admin-token' } })
  const remote = `${hub.url.replace('://', `://packer:${token}@`)}/packer/logged.git`
  const dir = await tempDir()
  await gitOk(dir, ['clone', '-q', remote, 'one'])
  const work = join(dir, 'one')
  await gitOk(work, ['lfs', 'install', '--local'])
  await gitOk(work, ['lfs', 'track', '*.bin'])
  await writeFile(join(work, 'a.bin'), randomBytes(10_000))
  await gitOk(work, ['add', '.'])
  await gitOk(work, ['commit', '-q', '-m', 'bytes'])
  await gitOk(work, ['push', '-q'])
  const batch = await api(hub.url, '/packer/logged.git/info/lfs/objects/batch', token, {
    operation: 'upload',
    objects: [{ oid: 'a'.repeat(64), size: 5 }],
  })
  const { objects } = (await batch.json()) as {
    objects: { actions: { upload: { href: string } } }[]
  }
  const href = objects[0]?.actions.upload.href ?? ''
  await fetch(href, { method: 'PUT', body: 'wrong' })
  hub.signal('SIGTERM')
  expect(await hub.exited).toBe(0)
  const log = hub.stderr()
  const requests = log.split('\n').filter((it) => it.includes('"msg":"request"'))
  expect(requests.length).toBeGreaterThan(10)
  const signature = new URL(href).search.slice(-40)
  const basic = Buffer.from(`packer:${token}`).toString('base64')
  for (const secret of [token, password, 'very-secret-admin-token', signature, basic])
    expect([secret, log.includes(secret)]).toEqual([secret, false])
  const push = requests
    .map((it) => JSON.parse(it))
    .find((it) => it.req.path.endsWith('/git-receive-pack') && it.caller === 'packer')
  expect(push).toMatchObject({
    req: { id: expect.stringMatching(/^req_/), method: 'POST' },
    res: { status: 200 },
    caller: 'packer',
    dialect: 'git',
    repo: 'model/packer/logged',
    bytesIn: expect.any(Number),
    bytesOut: expect.any(Number),
    responseTime: expect.any(Number),
  })
}, 120_000)

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20))
}
