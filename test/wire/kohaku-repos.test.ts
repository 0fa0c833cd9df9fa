import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  ADMIN_TOKEN,
  gitOk,
  startTestHub,
  type TestHub,
  type TestUser,
  tempDir,
} from '../support/hub.js'

const ADMIN = { 'X-Admin-Token': ADMIN_TOKEN }

async function create(hub: TestHub, as: TestUser, body: object) {
  return hub.api('/api/repos/create', { as, body })
}
async function move(hub: TestHub, as: TestUser, fromRepo: string, toRepo: string, type = 'model') {
  return hub.api('/api/repos/move', { as, body: { fromRepo, toRepo, type } })
}

test('create answers url and id, in the caller’s namespace or an organisation', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await hub.org('lab', ada)
  const own = await create(hub, ada, { type: 'dataset', name: 'My.Data_1', private: true })
  expect([own.status, own.json]).toMatchObject([
    200,
    { url: `${hub.url}/datasets/ada/My.Data_1`, repo_id: 'ada/My.Data_1' },
  ])
  const org = await create(hub, ada, { name: 'm', organization: 'lab', sdk: null })
  expect(org.json).toMatchObject({ url: `${hub.url}/lab/m`, repo_id: 'lab/m' })
  const whole = await create(hub, ada, { name: 'lab/whole-id' })
  expect(whole.json.repo_id).toBe('lab/whole-id')
})

test('a conflict is 409 with the url, compared without case, hyphens and underscores, per type', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await create(hub, ada, { name: 'My-Model' })
  for (const name of ['My-Model', 'my_model', 'mymodel', 'MYMODEL']) {
    const reply = await create(hub, ada, { name })
    expect([reply.status, reply.headers.get('x-error-code'), reply.json.url]).toEqual([
      409,
      'RepoExists',
      `${hub.url}/ada/My-Model`,
    ])
    expect(reply.json).toMatchObject({ repo_id: 'ada/My-Model', error: expect.any(String) })
  }
  expect((await create(hub, ada, { name: 'my.model' })).status).toBe(200)
  expect((await create(hub, ada, { name: 'My-Model', type: 'dataset' })).status).toBe(200)
})

test('bad names and bodies are 400 and store nothing', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const names = [
    '',
    '.',
    '..',
    '-a',
    'a--b',
    'a..b',
    'a.git',
    'x'.repeat(97),
    'a b',
    'a\u0000b',
    'ä',
  ]
  for (const name of names)
    expect([name, (await create(hub, ada, { name })).status]).toEqual([name, 400])
  for (const body of [
    { name: 'a', type: 'kernel' },
    { name: 'a', organization: 'b', private: 'yes' },
    { name: 'ada/a/b' },
    { name: 7 },
    '{"name":',
    '[]',
    'null',
  ])
    expect([body, (await hub.api('/api/repos/create', { as: ada, body })).status]).toEqual([
      body,
      400,
    ])
  expect((await hub.api('/api/users/ada/repos', { as: ada })).json.models).toEqual([])
})

test('who may create where', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const bob = await hub.user('bob')
  const vera = await hub.user('vera')
  await hub.org('lab', ada, { bob: 'contributor', vera: 'reader' })
  expect((await create(hub, bob, { name: 'ok', organization: 'lab' })).status).toBe(200)
  expect((await create(hub, bob, { name: 'no', organization: 'ada' })).status).toBe(403)
  expect((await create(hub, vera, { name: 'no', organization: 'lab' })).status).toBe(403)
  expect((await create(hub, bob, { name: 'no', organization: 'nowhere' })).status).toBe(404)
  expect((await hub.api('/api/repos/create', { body: { name: 'no' } })).status).toBe(401)
  const nowhere = { name: 'no', organization: 'nowhere' }
  expect((await hub.api('/api/repos/create', { body: nowhere })).status).toBe(401)
  const read = { ...ada, token: await hub.token(ada.user, { role: 'read' }) }
  expect((await create(hub, read, { name: 'no' })).status).toBe(403)
})

test('auto_init false makes a repository without commits, into which a history is pushed as it is', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const dir = await tempDir()
  await create(hub, ada, { name: 'usual' })
  await create(hub, ada, { name: 'bare', auto_init: false })
  const work = join(dir, 'work')
  await gitOk(dir, ['clone', hub.gitUrl('ada/bare', ada), work])
  expect((await gitOk(work, ['log', '--all', '--format=%H'])).length).toBe(0)
  await gitOk(work, ['commit', '--allow-empty', '-m', 'mine'])
  await gitOk(work, ['push', 'origin', 'HEAD:main'])
  const heads = await gitOk(dir, ['ls-remote', hub.gitUrl('ada/bare', ada)])
  expect(heads).toContain(await gitOk(work, ['rev-parse', 'HEAD']))
  await gitOk(dir, ['clone', hub.gitUrl('ada/usual', ada), 'usual'])
  expect(await gitOk(join(dir, 'usual'), ['ls-files'])).toBe('.gitattributes')
})

test('a license and files that a client sends are in the first commit', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const dir = await tempDir()
  const content = Buffer.from('print(1)\n').toString('base64')
  const files = [{ encoding: 'base64', path: 'src/app.py', content }]
  expect((await create(hub, ada, { name: 'm', license: 'mit', files })).status).toBe(200)
  await gitOk(dir, ['clone', hub.gitUrl('ada/m', ada), 'work'])
  const work = join(dir, 'work')
  expect((await gitOk(work, ['ls-files'])).split('\n')).toEqual([
    '.gitattributes',
    'README.md',
    'src/app.py',
  ])
  expect(await gitOk(work, ['show', 'HEAD:src/app.py'])).toBe('print(1)')
  expect(await gitOk(work, ['show', 'HEAD:README.md'])).toBe('---\nlicense: mit\n---')
  expect(await gitOk(work, ['rev-list', '--count', 'HEAD'])).toBe('1')
  for (const path of ['../x', '.git/config', '/etc/passwd', ''])
    expect((await create(hub, ada, { name: 'bad', files: [{ path, content }] })).status).toBe(422)
  for (const body of [{ license: 'a\nb: c' }, { sdk: 'x\ny' }, { files, auto_init: false }])
    expect((await create(hub, ada, { name: 'bad', ...body })).status).toBe(400)
  expect((await create(hub, ada, { name: 'bad' })).status).toBe(200)
})

test('delete frees the name at once, needs the right, and the admin token must name the namespace', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const bob = await hub.user('bob')
  const del = (body: object, options: object) =>
    hub.api('/api/repos/delete', { method: 'DELETE', body, ...options })
  for (const name of ['one', 'two', 'three']) await create(hub, ada, { name })
  await create(hub, ada, { name: 'secret', private: true })
  expect((await del({ name: 'one', organization: 'ada' }, { as: bob })).status).toBe(403)
  const hidden = await del({ name: 'secret', organization: 'ada' }, { as: bob })
  const absent = await del({ name: 'nothing', organization: 'ada' }, { as: bob })
  expect([hidden.status, hidden.text]).toEqual([absent.status, absent.text])
  expect([absent.status, absent.headers.get('x-error-code')]).toEqual([404, 'RepoNotFound'])
  expect((await del({ name: 'one' }, {})).status).toBe(401)
  const done = await del({ type: 'model', name: 'one', organization: null, sdk: null }, { as: ada })
  expect(done.json.message).toBe("Repository 'ada/one' of type 'model' deleted.")
  expect((await create(hub, ada, { name: 'one' })).status).toBe(200)
  expect((await del({ name: 'two' }, { headers: ADMIN })).status).toBe(400)
  expect((await del({ name: 'two', organization: 'ada' }, { headers: ADMIN })).status).toBe(200)
  expect((await del({ name: 'two', organization: 'ada' }, { headers: ADMIN })).status).toBe(404)
  await hub.domain.jobs.drain()
  const kept: string[] = []
  for await (const id of hub.domain.git.listDirectories()) kept.push(id)
  expect(kept.sort()).toEqual((await hub.domain.stores.repos.scan(0, 10)).map((it) => it.id).sort())
})

test('move keeps id, history, branches and tags, and leads the old address to the new one', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await hub.org('lab', ada)
  const dir = await tempDir()
  await create(hub, ada, { name: 'old', private: true })
  await gitOk(dir, ['clone', hub.gitUrl('ada/old', ada), 'work'])
  const work = join(dir, 'work')
  await gitOk(work, ['checkout', '-b', 'side'])
  await gitOk(work, ['commit', '--allow-empty', '-m', 'side'])
  await gitOk(work, ['tag', 'v1'])
  await gitOk(work, ['push', 'origin', 'side', 'v1'])
  const before = await gitOk(dir, ['ls-remote', hub.gitUrl('ada/old', ada)])
  const reply = await move(hub, ada, 'ada/old', 'lab/new')
  expect([reply.status, reply.json]).toEqual([
    200,
    {
      success: true,
      url: `${hub.url}/lab/new`,
      message: 'Repository moved from ada/old to lab/new',
    },
  ])
  expect(await gitOk(dir, ['ls-remote', hub.gitUrl('lab/new', ada)])).toBe(before)
  expect(await gitOk(dir, ['ls-remote', hub.gitUrl('ada/old', ada)])).toBe(before)
  await gitOk(work, ['commit', '--allow-empty', '-m', 'through the old address'])
  await gitOk(work, ['push', 'origin', 'side'])
  const stats = await hub.api('/api/models/ada/old/stats?x=1', { as: ada })
  expect([stats.status, stats.headers.get('location')]).toEqual([
    307,
    '/api/models/lab/new/stats?x=1',
  ])
  const batch = await hub.api('/ada/old.git/info/lfs/objects/batch', {
    as: ada,
    body: { operation: 'download', objects: [] },
  })
  expect([batch.status, batch.headers.get('location')]).toEqual([
    308,
    '/lab/new.git/info/lfs/objects/batch',
  ])
  // what cannot be undone wants the address of today
  const gone = await hub.api('/api/repos/delete', {
    method: 'DELETE',
    as: ada,
    body: { name: 'old' },
  })
  expect(gone.status).toBe(404)
})

test('an old address never reveals a hidden repository', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const eve = await hub.user('eve')
  await create(hub, ada, { name: 'old', private: true })
  await move(hub, ada, 'ada/old', 'ada/new')
  const paths = ['/api/models/ada/NAME/stats', '/ada/NAME.git/info/refs?service=git-upload-pack']
  for (const path of paths)
    for (const as of [eve, undefined]) {
      const old = await hub.api(path.replace('NAME', 'old'), as ? { as } : {})
      const none = await hub.api(path.replace('NAME', 'never'), as ? { as } : {})
      expect([old.status, old.text]).toEqual([none.status, none.text])
      expect(old.headers.get('location')).toBeNull()
    }
})

test('chains of moves, moving back, and taking an old name again', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const bob = await hub.user('bob')
  const sha = async (path: string, as = ada) =>
    (await gitOk('/', ['ls-remote', hub.gitUrl(path, as), 'HEAD'])).split('\t')[0]
  await create(hub, ada, { name: 'a' })
  const first = await sha('ada/a')
  await move(hub, ada, 'ada/a', 'ada/b')
  await move(hub, ada, 'ada/b', 'ada/c')
  expect([await sha('ada/a'), await sha('ada/b'), await sha('ada/c')]).toEqual([
    first,
    first,
    first,
  ])
  expect((await move(hub, ada, 'ada/c', 'ada/a')).status).toBe(200)
  expect([await sha('ada/a'), await sha('ada/b'), await sha('ada/c')]).toEqual([
    first,
    first,
    first,
  ])

  // somebody takes an old name: from then on it is theirs alone, also after they gave it up
  expect((await move(hub, ada, 'ada/a', 'bob/x')).status).toBe(403)
  await create(hub, ada, { name: 'b', private: true, auto_init: false })
  expect(await sha('ada/b')).toBe('')
  const push = await hub.api('/ada/b.git/info/refs?service=git-receive-pack', { as: bob })
  expect([push.status, push.headers.get('location')]).toEqual([404, null])
  await hub.api('/api/repos/delete', { method: 'DELETE', as: ada, body: { name: 'b' } })
  expect((await hub.api('/api/models/ada/b/stats', { as: ada })).status).toBe(404)
  expect(await sha('ada/c')).toBe(first)
  await hub.api('/api/repos/delete', { method: 'DELETE', as: ada, body: { name: 'a' } })
  for (const name of ['a', 'b', 'c'])
    expect((await hub.api(`/api/models/ada/${name}/stats`, { as: ada })).status).toBe(404)
  await create(hub, ada, { name: 'a' })
  expect((await hub.api('/api/models/ada/c/stats', { as: ada })).status).toBe(404)
})

test('move refuses bad ids, bad names, taken names and missing rights', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const bob = await hub.user('bob')
  const vera = await hub.user('vera')
  await hub.org('lab', bob, { ada: 'contributor', vera: 'reader' })
  for (const name of ['one', 'two', 'three']) await create(hub, ada, { name })
  await create(hub, vera, { name: 'hers' })
  const code = async (from: string, to: string, as = ada) => {
    const reply = await move(hub, as, from, to)
    return [reply.status, reply.headers.get('x-error-code')]
  }
  expect(await code('one', 'ada/x')).toEqual([400, 'InvalidRepoId'])
  expect(await code('ada/one', 'ada/x/y')).toEqual([400, 'InvalidRepoId'])
  expect(await code('ada/one', 'ada/..')).toEqual([400, 'BadRequest'])
  expect(await code('ada/one', 'ada/TWO')).toEqual([409, 'RepoExists'])
  expect(await code('ada/one', 'ada/t-w_o')).toEqual([409, 'RepoExists'])
  expect(await code('ada/none', 'ada/x')).toEqual([404, 'RepoNotFound'])
  expect(await code('ada/one', 'bob/x')).toEqual([403, 'Forbidden'])
  expect(await code('ada/one', 'bob/x', bob)).toEqual([403, 'Forbidden'])
  expect(await code('vera/hers', 'lab/hers', vera)).toEqual([403, 'Forbidden'])
  expect(await code('ada/one', 'lab/one')).toEqual([200, null])
  // a contributor gives in, but does not take out again
  expect(await code('lab/one', 'ada/one')).toEqual([403, 'Forbidden'])
  expect(await code('ada/two', 'ada/Two')).toEqual([200, null])
  const byAdmin = await hub.api('/api/repos/move', {
    headers: ADMIN,
    body: { fromRepo: 'ada/three', toRepo: 'bob/three', type: 'model' },
  })
  expect(byAdmin.status).toBe(200)
})

test('squash leaves one commit with the same tree and nothing else', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const bob = await hub.user('bob')
  const dir = await tempDir()
  await create(hub, ada, { name: 'm' })
  await gitOk(dir, ['clone', hub.gitUrl('ada/m', ada), 'work'])
  const work = join(dir, 'work')
  await gitOk(work, ['commit', '--allow-empty', '-m', 'second'])
  await gitOk(work, ['tag', '-a', 'v1', '-m', 'v1'])
  await gitOk(work, ['branch', 'side'])
  await gitOk(work, ['push', 'origin', 'main', 'side', 'v1'])
  const tree = await gitOk(work, ['rev-parse', 'HEAD^{tree}'])
  const squash = (as: TestUser, repo = 'ada/m') =>
    hub.api('/api/repos/squash', { as, body: { repo, type: 'model' } })
  expect((await squash(bob)).status).toBe(403)
  expect((await squash(ada, 'ada/none')).status).toBe(404)
  expect((await squash(ada)).json).toEqual({
    success: true,
    message: 'Repository ada/m squashed successfully. All commit history has been cleared.',
  })
  await gitOk(dir, ['clone', hub.gitUrl('ada/m', ada), 'after'])
  const after = join(dir, 'after')
  expect(await gitOk(after, ['rev-parse', 'HEAD^{tree}'])).toBe(tree)
  expect(await gitOk(after, ['rev-list', '--count', '--all'])).toBe('1')
  expect((await gitOk(dir, ['ls-remote', hub.gitUrl('ada/m', ada)])).split('\n')).toHaveLength(2)
  const repo = await hub.domain.stores.repos.findByAddress({
    kind: 'model',
    namespace: 'ada',
    name: 'm',
  })
  expect(repo?.commitCount).toBe(1)
})

test('an empty repository has nothing to squash, and says so', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await create(hub, ada, { name: 'empty', auto_init: false })
  const reply = await hub.api('/api/repos/squash', {
    as: ada,
    body: { repo: 'ada/empty', type: 'model' },
  })
  expect([reply.status, reply.json.error]).toEqual([
    409,
    'The repository has no commit yet: there is nothing to squash.',
  ])
})

test('check-name tells conflicts apart and nothing about hidden repositories', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const eve = await hub.user('eve')
  await create(hub, ada, { name: 'open-one' })
  await create(hub, ada, { name: 'secret', private: true })
  const ask = async (body: object, as?: TestUser) =>
    (await hub.api('/api/validate/check-name', { body, ...(as ? { as } : {}) })).json
  expect(await ask({ name: 'Open_One', namespace: 'ada' })).toMatchObject({
    available: false,
    normalized_name: 'openone',
    conflict_with: 'ada/open-one',
  })
  expect(await ask({ name: 'secret', namespace: 'ada' }, ada)).toMatchObject({ available: false })
  for (const as of [eve, undefined])
    expect(await ask({ name: 'secret', namespace: 'ada' }, as)).toEqual({
      ...(await ask({ name: 'secrex', namespace: 'ada' }, as)),
      normalized_name: 'secret',
    })
  expect(await ask({ name: 'A-D-A' })).toMatchObject({ available: false, conflict_with: 'ada' })
  expect(await ask({ name: 'free' })).toMatchObject({ available: true, conflict_with: null })
  expect(await ask({ name: 'datasets' })).toMatchObject({ available: false })
  expect(await ask({ name: 'a..b', namespace: 'ada' })).toMatchObject({ available: false })
})

test('a user’s repositories: per type, limited, sorted, only what the caller may see', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const eve = await hub.user('eve')
  for (const name of ['m1', 'm2', 'm3']) await create(hub, ada, { name })
  await create(hub, ada, { name: 'd', type: 'dataset', private: true })
  await create(hub, ada, { name: 's', type: 'space', sdk: 'static', visibility: 'internal' })
  const list = async (query = '', as?: TestUser) =>
    (await hub.api(`/api/users/ada/repos${query}`, as ? { as } : {})).json
  const mine = await list('', ada)
  expect([mine.models.length, mine.datasets.length, mine.spaces.length]).toEqual([3, 1, 1])
  expect(mine.models[0]).toMatchObject({
    id: 'ada/m3',
    author: 'ada',
    private: false,
    sha: expect.stringMatching(/^[0-9a-f]{40}$/),
    downloads: 0,
    likes: 0,
    lastModified: expect.stringMatching(/Z$/),
    createdAt: expect.stringMatching(/Z$/),
  })
  const hers = await list('?limit=2', eve)
  expect([hers.models.length, hers.datasets.length, hers.spaces.length]).toEqual([2, 0, 1])
  const anybody = await list()
  expect([anybody.datasets.length, anybody.spaces.length]).toEqual([0, 0])
  const { id } = (await hub.domain.stores.repos.findByAddress({
    kind: 'model',
    namespace: 'ada',
    name: 'm1',
  })) as { id: string }
  await hub.domain.stores.repos.addLike(id, eve.user.id)
  expect((await list('?sort=likes')).models[0].id).toBe('ada/m1')
  for (const query of ['?limit=0', '?limit=100001', '?limit=x', '?sort=size'])
    expect((await hub.api(`/api/users/ada/repos${query}`)).status).toBe(422)
  expect((await hub.api('/api/users/nobody/repos')).status).toBe(404)
})

test('a repository token lists what is public and its own repositories', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await create(hub, ada, { name: 'open' })
  const { json } = await create(hub, ada, { name: 'mine', private: true })
  await create(hub, ada, { name: 'other', private: true })
  const scoped = { ...ada, token: await hub.token(ada.user, { repoIds: [json.id] }) }
  const list = await hub.api('/api/users/ada/repos', { as: scoped })
  expect(list.json.models.map((it: { id: string }) => it.id).sort()).toEqual([
    'ada/mine',
    'ada/open',
  ])
})
