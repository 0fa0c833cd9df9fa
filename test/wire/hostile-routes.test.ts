import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { commit, file, header } from '../support/hf.js'
import { startTestHub } from '../support/hub.js'
import { ROWS } from '../support/permission-rows.js'
import { rawRequest } from '../support/raw-http.js'

/*
 * Every route of the git, LFS, Hugging Face, Kohaku, Spaces and Xet dialects, as the permission matrix lists them, asked by
 * somebody who may nearly everything: path segments, queries and bodies that make no sense, under every name that a schema
 * knows. Nothing answers 5xx, and nothing hangs. (ABF and Outpost, with the shapes of their errors: bad-input-routes.test.ts.)
 */
const DIALECTS = ['huggingface', 'kohaku', 'lfs', 'spaces', 'xet']
const OTHERS = /^\w+ \/(api\/v1|auth\/v1)/
/** These end the caller's own session or account. */
const ENDS = /^(POST|PUT|DELETE) (\/api\/(auth\/)?logout|\/admin\/api\/users\/:user)/

const SEGMENTS = [
  '%00',
  '%ed%a0%80',
  '..%2f..',
  '9'.repeat(25),
  'a%0d%0ab',
  '__proto__',
  'constructor',
]
const QUERIES = ['%00', '9'.repeat(25)]
const VALUES: unknown[] = [
  {},
  null,
  -1,
  1e300,
  '\0',
  '\ud800',
  { toString: 1, valueOf: 1 },
  'x'.repeat(70_000),
  '+275761-01-01T00:00:00Z',
]

/** What the dialects' schemas and queries call their fields. */
function fieldNames(): string[] {
  const names = new Set<string>()
  for (const dialect of DIALECTS) {
    const folder = join(import.meta.dirname, '../../src/dialects', dialect)
    for (const name of readdirSync(folder)) {
      if (!name.endsWith('.ts')) continue
      const text = readFileSync(join(folder, name), 'utf8')
      for (const [, field = ''] of text.matchAll(/\b([a-z]\w+): z\b|query\.(\w+)/g))
        if (field) names.add(field)
    }
  }
  return [...names]
}

/** One query in which every name has the value; one in which it is a list, an object, an object that is no text. */
function queriesOf(names: readonly string[], value: string): string[] {
  const all = (one: (name: string) => string) => names.map(one).join('&').slice(0, 12_000)
  const short = value.slice(0, 20)
  return [
    all((it) => `${it}=${value}`),
    all((it) => `${it}[]=${short}&${it}[]=1`),
    all((it) => `${it}[a][b]=${short}`),
  ]
}

function bodiesOf(names: readonly string[], base: object): Buffer[] {
  const bodies = VALUES.flatMap((value) => {
    const flat = Object.fromEntries(names.map((it) => [it, value]))
    const lists = { files: [flat], paths: [value], operations: [flat], objects: [flat] }
    return [value, flat, { ...base, ...flat }, [flat], { ...flat, ...lists }]
  })
  const broken = ['{', '{"a":'.repeat(5_000), '\xff\xfe', '1e999']
  return [
    ...bodies.map((it) => Buffer.from(JSON.stringify(it))),
    ...broken.map((it) => Buffer.from(it, 'latin1')),
  ]
}

const FORM = 'multipart/form-data; boundary=a'
const PART = '--a\r\nContent-Disposition: form-data; name="x"; filename="\0"\r\n\r\nx'
/** Bodies that are not what their headers say. */
const MISLABELLED: readonly [body: string, headers: Record<string, string>][] = [
  ['x', { 'Content-Encoding': 'gzip' }],
  ['x', { 'Content-Encoding': 'br' }],
  ['x', { 'Content-Type': FORM, 'Content-Encoding': 'gzip' }],
  ['x', { 'Content-Type': 'multipart/form-data' }],
  [PART, { 'Content-Type': FORM }],
]

test('no route fails over what is wrong, or hangs', async () => {
  const hub = await startTestHub({ PACKHORSE_JOB_INTERVAL_MS: '3600000' })
  const admin = await hub.user('admina', { admin: true, role: 'admin' })
  await hub.user('owner')
  await hub.org('lab', admin)
  const names = fieldNames()
  expect(names.length).toBeGreaterThan(100)
  const wrong = new Set<string>()
  let asked = 0

  /** The repository that the rows speak of; some of what is asked removes it. */
  const target = async () => {
    const body = { name: 'public-one', organization: 'lab' }
    const { status } = await hub.api('/api/repos/create', { as: admin, body })
    if (status === 200)
      await commit(
        hub,
        admin,
        [header(), file('README.md', '# x')],
        '/api/models/lab/public-one/commit/main',
      )
    const address = { kind: 'model', namespace: 'lab', name: 'public-one' } as const
    return hub.domain.stores.repos.findByAddress(address)
  }

  for (const [key, row] of Object.entries(ROWS)) {
    if (OTHERS.test(key) || ENDS.test(key)) continue
    const method = (key.split(' ')[0] ?? 'GET').replace('ALL', 'POST')
    const repo = await target()
    const path = row.path
      .replaceAll('{id}', 'lab/public-one')
      .replaceAll('{name}', 'public-one')
      .replaceAll('{repoId}', repo?.id ?? '')
      .replaceAll('{seq}', String(repo?.seq))
    const ask = async (at: string, body: Buffer | undefined, headers = {}) => {
      asked += 1
      const reply = await Promise.race([
        rawRequest(hub.url, at, {
          method,
          as: admin,
          headers: { 'Content-Type': 'application/json', ...row.headers, ...headers },
          ...(body && method !== 'GET' && method !== 'HEAD' ? { body } : {}),
        }),
        new Promise<undefined>((resolve) => setTimeout(resolve, 20_000, undefined)),
      ])
      const isFine = reply && (reply.status < 500 || reply.status === 501)
      if (!isFine) wrong.add(`${key}: ${reply?.status ?? 'hangs'} ${at.slice(0, 100)}`)
    }
    const usual = Buffer.from(JSON.stringify(row.body ?? {}))
    const [plain = '', query] = path.split('?')
    for (const [at, part] of plain.split('/').entries()) {
      if (part === '') continue
      for (const odd of SEGMENTS) {
        const segments = plain.split('/').with(at, odd).join('/')
        await ask(query ? `${segments}?${query}` : segments, usual)
      }
    }
    for (const value of QUERIES)
      for (const it of queriesOf(names, value)) await ask(`${plain}?${it}`, usual)
    const odd = names.flatMap((it) => [`${it}[toString]=1`, `${it}[valueOf]=1`])
    for (let at = 0; at < odd.length; at += 200)
      await ask(`${plain}?${odd.slice(at, at + 200).join('&')}`, usual)
    await ask(`${plain}?token[toString]=1&limit[toString]=1&limit[valueOf]=1`, usual)
    if (method === 'GET' || method === 'HEAD') continue
    for (const body of bodiesOf(names, Object(row.body))) await ask(path, body)
    for (const [body, headers] of MISLABELLED) await ask(path, Buffer.from(body), headers)
  }
  expect([...wrong]).toEqual([])
  expect(asked).toBeGreaterThan(5_000)
}, 300_000)
