import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { gitOk, startTestHub, type TestHub, type TestUser, tempDir } from '../support/hub.js'

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/

async function acme(hub: TestHub): Promise<TestUser> {
  const jane = await hub.user('jane')
  await hub.org('acme', jane)
  return jane
}

const SEED_BODY = {
  name: 'training-pipeline',
  description: 'End-to-end model training pipeline with checkpointing',
  visibility: 'private',
  default_branch: 'main',
  auto_init: true,
  content_addressed: true,
  gitignore_template: 'Python',
}

test('the seed’s create request gives the seed’s answer', async () => {
  const hub = await startTestHub()
  const jane = await acme(hub)
  const reply = await hub.api('/auth/v1/acme/repositories', { as: jane, body: SEED_BODY })
  expect(reply.status).toBe(201)
  const { id, created_at, updated_at, clone_url, ssh_url, ...rest } = reply.json
  expect(id).toMatch(/^repo_[0-9a-f]{12}$/)
  expect([created_at, updated_at].every((it) => RFC3339.test(it))).toBe(true)
  expect(clone_url).toBe(`${hub.url}/acme/training-pipeline.git`)
  expect(ssh_url).toBe('git@127.0.0.1:acme/training-pipeline.git')
  expect(rest).toEqual({
    name: 'training-pipeline',
    namespace: 'acme',
    full_name: 'acme/training-pipeline',
    description: SEED_BODY.description,
    visibility: 'private',
    default_branch: 'main',
    size_bytes: 0,
    language: null,
    content_addressed: true,
    branch_protection: false,
    secret_scanning: false,
    collaborators: 1,
    branches: 1,
    tags: 0,
    pushed_at: null,
  })
  const dir = await tempDir()
  await gitOk(dir, ['clone', hub.gitUrl('acme/training-pipeline.git', jane), 'clone'])
  expect(await gitOk(join(dir, 'clone'), ['ls-files'])).toBe('.gitignore')
})

test('defaults: private, main, one empty commit; without auto_init no branch and no tree', async () => {
  const hub = await startTestHub()
  const jane = await acme(hub)
  const plain = (await hub.api('/auth/v1/repository/acme', { as: jane, body: { name: 'plain' } }))
    .json
  expect([plain.visibility, plain.default_branch, plain.branches]).toEqual(['private', 'main', 1])
  const dir = await tempDir()
  await gitOk(dir, ['clone', hub.gitUrl('acme/plain', jane), 'clone'])
  expect(await gitOk(join(dir, 'clone'), ['ls-tree', '-r', 'HEAD'])).toBe('')
  const bare = (
    await hub.api('/auth/v1/repository/acme', {
      as: jane,
      body: { name: 'bare', auto_init: false },
    })
  ).json
  expect(bare.branches).toBe(0)
  const tree = await hub.api(`/auth/v1/repository/acme/${bare.id}/tree/`, { as: jane })
  expect([tree.status, tree.json.error.code]).toEqual([404, 'not_found'])
})

test('list: pages, sort, order, visibility, both path forms', async () => {
  const hub = await startTestHub()
  const jane = await acme(hub)
  for (const [name, visibility] of [
    ['b', 'private'],
    ['a', 'public'],
    ['c', 'internal'],
  ])
    await hub.api('/auth/v1/acme/repositories', { as: jane, body: { name, visibility } })
  const names = async (query: string) => {
    const { json } = await hub.api(`/auth/v1/acme/repositories?${query}`, { as: jane })
    return json.data.map((it: { name: string }) => it.name)
  }
  const page = await hub.api('/auth/v1/acme/repositories?per_page=2&sort=name&order=asc', {
    as: jane,
  })
  expect(page.json.pagination).toEqual({ page: 1, per_page: 2, total: 3, total_pages: 2 })
  expect(Object.keys(page.json.data[0])).toEqual([
    'id',
    'name',
    'namespace',
    'full_name',
    'description',
    'visibility',
    'default_branch',
    'size_bytes',
    'language',
    'created_at',
    'updated_at',
    'pushed_at',
  ])
  expect(await names('sort=name&order=asc&per_page=2')).toEqual(['a', 'b'])
  expect(await names('sort=name&order=asc&per_page=2&page=2')).toEqual(['c'])
  expect(await names('sort=name&page=9')).toEqual([])
  expect(await names('sort=created_at&order=asc')).toEqual(['b', 'a', 'c'])
  expect(await names('visibility=internal')).toEqual(['c'])
  const heading = await hub.api('/auth/v1/repository/acme?sort=name', { as: jane })
  expect(heading.json.data.map((it: { name: string }) => it.name)).toEqual(['c', 'b', 'a'])
})

test('a stranger sees public and internal repositories only, and cannot tell a hidden one from none', async () => {
  const hub = await startTestHub()
  const jane = await acme(hub)
  const eve = await hub.user('eve')
  const ids: Record<string, string> = {}
  for (const visibility of ['public', 'internal', 'private']) {
    const body = { name: `r-${visibility}`, visibility }
    ids[visibility] = (await hub.api('/auth/v1/acme/repositories', { as: jane, body })).json.id
  }
  const list = await hub.api('/auth/v1/acme/repositories?sort=name', { as: eve })
  expect(list.json.data.map((it: { name: string }) => it.name)).toEqual(['r-public', 'r-internal'])
  expect(list.json.pagination.total).toBe(2)
  const hidden = await hub.api(`/auth/v1/acme/repositories/${ids.private}`, { as: eve })
  const absent = await hub.api('/auth/v1/acme/repositories/repo_000000000000', { as: eve })
  expect([hidden.status, absent.status]).toEqual([404, 404])
  expect(hidden.json.error.message).toBe(
    `Repository '${ids.private}' not found in namespace 'acme'.`,
  )
  const write = await hub.api('/auth/v1/acme/repositories', { as: eve, body: { name: 'x' } })
  expect([write.status, write.json.error.code]).toEqual([403, 'forbidden'])
  const drop = await hub.api(`/auth/v1/acme/repositories/${ids.public}`, {
    as: eve,
    method: 'DELETE',
  })
  expect(drop.status).toBe(403)
  const anonymous = await hub.api(`/auth/v1/acme/repositories/${ids.public}`)
  expect([anonymous.status, anonymous.json.error.code]).toEqual([401, 'unauthorized'])
  expect(anonymous.json.error.request_id).toMatch(/^req_[0-9a-f]{12}$/)
})

test('rename breaks the old clone URL; transfer keeps the id; delete frees the name', async () => {
  const hub = await startTestHub()
  const jane = await acme(hub)
  await hub.org('acme-research', jane)
  const { id } = (await hub.api('/auth/v1/acme/repositories', { as: jane, body: { name: 'one' } }))
    .json
  const at = `/auth/v1/acme/repositories/${id}`
  const renamed = await hub.api(`${at}/name`, { as: jane, method: 'PUT', body: { name: 'two' } })
  expect(renamed.json).toEqual({
    id,
    name: 'two',
    namespace: 'acme',
    full_name: 'acme/two',
    updated_at: expect.stringMatching(RFC3339),
  })
  const dir = await tempDir()
  await expect(gitOk(dir, ['ls-remote', hub.gitUrl('acme/one.git', jane)])).rejects.toThrow(
    'not found',
  )
  await gitOk(dir, ['ls-remote', hub.gitUrl('acme/two.git', jane)])

  const visible = await hub.api(`${at}/visibility`, { as: jane, body: { visibility: 'public' } })
  expect(Object.keys(visible.json)).toEqual(['id', 'name', 'namespace', 'visibility', 'updated_at'])
  expect(visible.json.visibility).toBe('public')

  const moved = await hub.api(`${at}/transfer`, {
    as: jane,
    body: { new_namespace: 'acme-research' },
  })
  expect([moved.json.id, moved.json.full_name]).toEqual([id, 'acme-research/two'])
  expect((await hub.api(at, { as: jane })).status).toBe(404)
  const there = `/auth/v1/repository/acme-research/${id}`
  expect((await hub.api(there, { as: jane })).json.namespace).toBe('acme-research')

  const gone = await hub.api(there, { as: jane, method: 'DELETE' })
  expect([gone.status, gone.text]).toEqual([204, ''])
  expect((await hub.api(there, { as: jane })).status).toBe(404)
  const again = await hub.api('/auth/v1/acme-research/repositories', {
    as: jane,
    body: { name: 'two' },
  })
  expect(again.status).toBe(201)
})

test('transfer needs admin rights in the target', async () => {
  const hub = await startTestHub()
  const jane = await acme(hub)
  const max = await hub.user('max')
  await hub.org('other', max, { jane: 'contributor' })
  const { id } = (await hub.api('/auth/v1/acme/repositories', { as: jane, body: { name: 'one' } }))
    .json
  const body = { new_namespace: 'other' }
  const reply = await hub.api(`/auth/v1/acme/repositories/${id}/transfer`, { as: jane, body })
  expect(reply.status).toBe(403)
})

test('tree, file and commits of a pushed repository; language and size follow', async () => {
  const hub = await startTestHub()
  const jane = await acme(hub)
  const { id } = (await hub.api('/auth/v1/acme/repositories', { as: jane, body: { name: 'code' } }))
    .json
  const at = `/auth/v1/acme/repositories/${id}`
  const dir = await tempDir()
  await gitOk(dir, ['clone', hub.gitUrl('acme/code', jane), 'clone'])
  const clone = join(dir, 'clone')
  const source = 'import torch\nfrom models import LLaMAModel\n'
  await gitOk(clone, ['lfs', 'install', '--local'])
  await gitOk(clone, ['lfs', 'track', '*.bin'])
  for (const [name, content] of [
    ['main.py', source],
    ['größe ü.txt', 'ü'.repeat(10)],
    ['big.txt', 'x'.repeat(1_200_000)],
    ['image.png', Buffer.from([0x89, 0x50, 0, 1, 2])],
    ['w.bin', Buffer.alloc(5_000, 0xfe)],
  ] as const)
    await writeFile(join(clone, name), content)
  await gitOk(clone, ['add', '.'])
  await gitOk(clone, ['commit', '-m', 'feat: add batched inference support\n\nWith a body.'])
  await gitOk(clone, ['push'])

  const tree = (await hub.api(`${at}/tree/?ref=main`, { as: jane })).json
  expect([tree.path, tree.ref]).toEqual(['', 'main'])
  const entry = (name: string) => tree.entries.find((it: { name: string }) => it.name === name)
  expect(entry('main.py')).toEqual({
    name: 'main.py',
    type: 'file',
    size_bytes: source.length,
    mode: '100644',
  })
  expect(entry('w.bin').size_bytes).toBe(5_000)

  const file = (await hub.api(`${at}/file/main.py?ref=main`, { as: jane })).json
  expect(file).toEqual({
    path: 'main.py',
    ref: 'main',
    size_bytes: source.length,
    encoding: 'utf-8',
    content: source,
  })
  const umlaut = (await hub.api(`${at}/file/${encodeURIComponent('größe ü.txt')}`, { as: jane }))
    .json
  expect(umlaut.content).toBe('ü'.repeat(10))
  for (const [name, size] of [
    ['big.txt', 1_200_000],
    ['image.png', 5],
    ['w.bin', 5_000],
  ] as const) {
    const { content, download_url, size_bytes } = (
      await hub.api(`${at}/file/${name}`, { as: jane })
    ).json
    expect([content, size_bytes]).toEqual([undefined, size])
    const bytes = await fetch(download_url) // no credentials: the link is the right
    expect((await bytes.arrayBuffer()).byteLength).toBe(size)
    const part = await fetch(download_url, { headers: { Range: 'bytes=1-3' } })
    expect([part.status, (await part.arrayBuffer()).byteLength]).toEqual([206, 3])
    expect((await fetch(`${download_url}x`)).status).toBe(401)
  }

  const commits = (await hub.api(`${at}/commits/main?per_page=1`, { as: jane })).json
  expect(commits.data).toEqual([
    {
      sha: await gitOk(clone, ['rev-parse', 'HEAD']),
      message: 'feat: add batched inference support\n\nWith a body.',
      author: { name: 'Test', email: 'test@example.org', date: expect.stringMatching(RFC3339) },
      committer: { name: 'Test', email: 'test@example.org', date: expect.stringMatching(RFC3339) },
    },
  ])
  expect(commits.pagination).toEqual({ page: 1, per_page: 1, total: 2, total_pages: 2 })

  // counted by a job that leaves the moment after a push to others
  const show = async () => (await hub.api(at, { as: jane })).json
  await expect.poll(async () => (await show()).language, { timeout: 30_000 }).toBe('Python')
  const info = await show()
  expect(info.size_bytes).toBeGreaterThan(5_000)
  expect(info.pushed_at).toMatch(RFC3339)
})

test('errors: syntax 400, values 422, conflict 409, unknown 404', async () => {
  const hub = await startTestHub()
  const jane = await acme(hub)
  const create = (body: unknown) => hub.api('/auth/v1/acme/repositories', { as: jane, body })
  await create({ name: 'one' })
  const cases: [reply: Awaited<ReturnType<typeof create>>, status: number, code: string][] = [
    [await create('{"name":'), 400, 'bad_request'],
    [await create([]), 400, 'bad_request'],
    [await create({}), 422, 'validation_error'],
    [await create({ name: 'a/b' }), 422, 'validation_error'],
    [await create({ name: '..' }), 422, 'validation_error'],
    [await create({ name: 'x', visibility: 'secret' }), 422, 'validation_error'],
    [await create({ name: 'x', description: 'd'.repeat(513) }), 422, 'validation_error'],
    [await create({ name: 'x', default_branch: '-x' }), 422, 'validation_error'],
    [await create({ name: 'x', gitignore_template: '../../package' }), 422, 'validation_error'],
    [await create({ name: 'One' }), 409, 'conflict'],
    [await hub.api('/auth/v1/nobody/repositories', { as: jane }), 404, 'not_found'],
    [await hub.api('/auth/v1/acme/repositories?page=x', { as: jane }), 400, 'bad_request'],
    [await hub.api('/auth/v1/acme/repositories?page=0', { as: jane }), 422, 'validation_error'],
    [
      await hub.api('/auth/v1/acme/repositories?per_page=101', { as: jane }),
      422,
      'validation_error',
    ],
    [
      await hub.api('/auth/v1/acme/repositories?sort=colour', { as: jane }),
      422,
      'validation_error',
    ],
    [
      await hub.api('/auth/v1/acme/repositories/one/tree/a%2f..%2f..', { as: jane }),
      422,
      'validation_error',
    ],
    [
      await hub.api('/auth/v1/acme/repositories/one/file/x?ref=--help', { as: jane }),
      404,
      'not_found',
    ],
    [
      await hub.api('/auth/v1/acme/repositories/one/commits/HEAD%5E', { as: jane }),
      404,
      'not_found',
    ],
    [await hub.api('/auth/v1/acme/repositories/one/nonsense', { as: jane }), 404, 'not_found'],
  ]
  expect(cases.map(([it]) => [it.status, it.json?.error?.code])).toEqual(
    cases.map(([, status, code]) => [status, code]),
  )
  const list = await hub.api('/auth/v1/acme/repositories', { as: jane })
  expect(list.json.pagination.total).toBe(1)
})

test('personal access tokens and API keys log in; only with a password or admin token they are made', async () => {
  const hub = await startTestHub()
  const jane = await acme(hub)
  const holder = { ...jane, token: await hub.token(jane.user, { role: 'admin' }) }
  const made = await hub.api('/auth/v1/pat', {
    as: holder,
    body: { name: 'ci', expires_in_days: 30 },
  })
  expect([made.status, made.json.token.startsWith('hf_')]).toEqual([201, true])
  const shown = await hub.api('/auth/v1/pat/ci', { as: holder })
  expect([shown.json.name, shown.json.token]).toEqual(['ci', undefined])
  const key = (await hub.api('/auth/v1/api_keys', { as: holder, body: { name: 'bot' } })).json.key
  expect(key).toMatch(/^bot\$hf_/)
  const by = (authorization: string) =>
    hub.api('/auth/v1/acme/repositories', { headers: { Authorization: authorization } })
  expect((await by(`API-Key ${key}`)).status).toBe(200)
  expect((await by(`API-Key wrong$${key.split('$')[1]}`)).status).toBe(401)
  expect((await by(`Bearer ${made.json.token}`)).status).toBe(200)
  expect((await hub.api('/auth/v1/pat/ci', { as: holder, method: 'DELETE' })).status).toBe(204)
  expect((await by(`Bearer ${made.json.token}`)).status).toBe(401)
  for (const role of ['read', 'write'] as const) {
    const other = { ...jane, token: await hub.token(jane.user, { role }) }
    expect((await hub.api('/auth/v1/pat', { as: other, body: { name: 'up' } })).status).toBe(403)
  }
})
