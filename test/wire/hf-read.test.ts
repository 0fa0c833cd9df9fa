import { expect, test } from 'vitest'
import { gitOk, startTestHub } from '../support/hub.js'
import { cloneRepo, pushFiles } from '../support/repos.js'

const CARD = '---\nlicense: mit\npipeline_tag: text-generation\ntags: [a, b]\n---\n# Hello\n'

async function hubWithModel(files: Record<string, string | Buffer> = {}) {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await hub.api('/api/repos/create', { as: ada, body: { name: 'm' } })
  const work = await cloneRepo(hub, ada, 'ada/m')
  const head = await pushFiles(work, { 'README.md': CARD, 'dir/a b.txt': 'a b', ...files })
  return { hub, ada, work, head }
}

test('siblings and tree agree with git ls-tree', async () => {
  const { hub, work, head } = await hubWithModel({
    'w.safetensors': Buffer.alloc(3000, 7),
    'a/b/c.txt': 'c',
    'a.txt': 'before a/ in git, after it in the alphabet of paths',
    'é/ü.txt': 'ü',
  })
  const paths = (await gitOk(work, ['ls-tree', '-r', '-z', '--name-only', 'HEAD']))
    .split('\0')
    .filter(Boolean)
  const nodes = (await gitOk(work, ['ls-tree', '-r', '-t', '-z', 'HEAD']))
    .split('\0')
    .filter(Boolean)
  const oids = nodes.map((it) => `${it.slice(12, 52)} ${it.slice(53)}`)
  for (const rev of ['main', head, 'HEAD', 'refs%2Fheads%2Fmain']) {
    const info = await hub.api(`/api/models/ada/m/revision/${rev}`)
    expect(info.json.sha).toBe(head)
    expect(info.json.siblings.map((it: { rfilename: string }) => it.rfilename)).toEqual(paths)
    const tree = await hub.api(`/api/models/ada/m/tree/${rev}?recursive=true`)
    expect(tree.json.map((it: { oid: string; path: string }) => `${it.oid} ${it.path}`)).toEqual(
      oids,
    )
  }
  // and page by page, whatever the size of the page
  for (const limit of [1, 2, 5]) {
    const found: string[] = []
    let url: string | undefined = `/api/models/ada/m/tree/main?recursive=True&limit=${limit}`
    while (url) {
      const page = await hub.api(url)
      found.push(...page.json.map((it: { oid: string; path: string }) => `${it.oid} ${it.path}`))
      expect(page.json.length).toBeLessThanOrEqual(limit)
      url = /<(.*)>; rel="next"/.exec(page.headers.get('link') ?? '')?.[1]?.slice(hub.url.length)
    }
    expect(found).toEqual(oids)
  }
})

test('the storage block is for callers who are logged in', async () => {
  const { hub, ada } = await hubWithModel()
  expect((await hub.api('/api/models/ada/m')).json.storage).toBeUndefined()
  const { storage } = (await hub.api('/api/models/ada/m', { as: ada })).json
  expect(Object.keys(storage).sort()).toEqual([
    'available_bytes',
    'effective_quota_bytes',
    'is_inheriting',
    'percentage_used',
    'quota_bytes',
    'used_bytes',
  ])
})

test('a push changes the card, and taking the README away takes its tags away', async () => {
  const { hub, work } = await hubWithModel()
  const tags = async () => (await hub.api('/api/models/ada/m')).json.tags
  const listed = async (filter: string) =>
    (await hub.api(`/api/models?filter=${filter}`)).json.length
  expect(await tags()).toEqual(['text-generation', 'a', 'b', 'license:mit'])
  expect(await listed('license:mit&filter=a')).toBe(1)
  await pushFiles(work, {
    'README.md': CARD.replace('mit', 'gpl').replace('[a, b]', '[b, c]'),
    'x.gguf': 'x',
  })
  expect(await tags()).toEqual(['gguf', 'text-generation', 'b', 'c', 'license:gpl'])
  expect([await listed('license:mit'), await listed('license:gpl,c,gguf')]).toEqual([0, 1])
  await gitOk(work, ['rm', '-q', 'README.md', 'x.gguf'])
  await pushFiles(work, { 'y.txt': 'y' })
  expect(await tags()).toEqual([])
  expect(await listed('license:gpl')).toBe(0)
  expect((await hub.api('/api/models/ada/m')).json.cardData).toBeUndefined()
  // the card of an old commit is read off that commit
  const old = await hub.api('/api/models/ada/m/revision/main~1')
  expect(old.headers.get('x-error-code')).toBe('RevisionNotFound')
  const before = await gitOk(work, ['rev-parse', 'HEAD~1'])
  expect((await hub.api(`/api/models/ada/m/revision/${before}`)).json.tags).toContain('license:gpl')
})

test('rebuilding and recovery derive the same card', async () => {
  const { hub } = await hubWithModel({ 'x.onnx': 'x' })
  const before = (await hub.api('/api/models/ada/m')).json
  const address = { kind: 'model', namespace: 'ada', name: 'm' } as const
  const repo = await hub.domain.stores.repos.findByAddress(address)
  if (!repo) throw new Error('no repository')
  await hub.domain.recorder.rebuild(repo)
  const after = (await hub.api('/api/models/ada/m')).json
  expect({ ...after, usedStorage: 0 }).toEqual({ ...before, usedStorage: 0 })
  expect((await hub.api('/api/models?filter=onnx')).json.length).toBe(1)
  // a change that git has and the database missed, as after a crash between the two
  const one = (await hub.domain.git.snapshot(repo.id)).refs.find(
    (it) => it.name === 'refs/heads/main',
  )
  const parent = (await hub.domain.git.readCommit(repo.id, one?.oid ?? '')).parents[0] ?? ''
  await hub.domain.git.updateRefs(repo.id, [
    { name: 'refs/heads/main', oldOid: one?.oid ?? '', newOid: parent },
  ])
  const repaired = (await hub.api('/api/models/ada/m')).json
  expect([repaired.sha, repaired.tags]).toEqual([parent, []])
  expect((await hub.api('/api/models?filter=onnx')).json.length).toBe(0)
})

test('a README that is hostile or no YAML costs its card, not the push', async () => {
  const { hub, work } = await hubWithModel()
  const bomb = `a: &a [x,x]\n${Array.from({ length: 30 }, (_, n) => `b${n}: &b${n} [*${n ? `b${n - 1}` : 'a'},*${n ? `b${n - 1}` : 'a'}]`).join('\n')}`
  for (const yaml of [
    bomb,
    '? '.repeat(50_000),
    '['.repeat(50_000),
    '- '.repeat(50_000),
    'a: b: c',
    'a: "unclosed',
    '- just\n- a list',
    '!!js/function "x"',
    `a: ${'x'.repeat(300_000)}`,
  ]) {
    await pushFiles(work, { 'README.md': `---\n${yaml}\n---\n` })
    const info = await hub.api('/api/models/ada/m')
    expect([info.status, info.json.tags]).toEqual([200, []])
  }
})

test('an empty repository reads as an empty one', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await hub.api('/api/repos/create', { as: ada, body: { name: 'e', auto_init: false } })
  const info = await hub.api('/api/models/ada/e')
  expect([info.status, info.json.siblings, info.json.sha]).toEqual([200, [], undefined])
  expect((await hub.api('/api/models/ada/e/revision/main')).status).toBe(200)
  expect((await hub.api('/api/models/ada/e/tree/main')).json).toEqual([])
  const commits = await hub.api('/api/models/ada/e/commits/main')
  expect([commits.json, commits.headers.get('x-total-count')]).toEqual([[], '0'])
  expect((await hub.api('/api/models/ada/e/refs')).json).toEqual({
    branches: [],
    converts: [],
    tags: [],
  })
  const other = await hub.api('/api/models/ada/e/tree/other')
  expect([other.status, other.headers.get('x-error-code')]).toEqual([404, 'RevisionNotFound'])
})

test('commits come in pages that fit together while the branch moves', async () => {
  const { hub, work } = await hubWithModel()
  for (const n of [1, 2, 3]) await pushFiles(work, { 'n.txt': `${n}` }, `commit ${n}`)
  const first = await hub.api('/api/models/ada/m/commits/main?limit=2')
  expect(first.headers.get('x-total-count')).toBe('5')
  await pushFiles(work, { 'n.txt': 'more' }, 'more')
  const titles = first.json.map((it: { title: string }) => it.title)
  let next = /<(.*)>; rel="next"/.exec(first.headers.get('link') ?? '')?.[1]
  while (next) {
    const page = await hub.api(next.slice(hub.url.length))
    titles.push(...page.json.map((it: { title: string }) => it.title))
    next = /<(.*)>; rel="next"/.exec(page.headers.get('link') ?? '')?.[1]
  }
  expect(titles).toEqual(['commit 3', 'commit 2', 'commit 1', 'add files', 'initial commit'])
})

test('paths-info takes forms and JSON, and at most a thousand paths', async () => {
  const { hub, head } = await hubWithModel()
  const url = '/api/models/ada/m/paths-info/main'
  const json = await hub.api(url, { body: { paths: ['dir', 'dir/a b.txt', 'nope', '../x', ''] } })
  expect(json.json.map((it: { path: string }) => it.path)).toEqual(['dir', 'dir/a b.txt'])
  const form = await hub.api(url, {
    body: 'paths=dir%2Fa+b.txt&paths=README.md&expand=True',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
  })
  expect(form.json.map((it: { lastCommit: { id: string } }) => it.lastCommit.id)).toEqual([
    head,
    head,
  ])
  const many = Array.from({ length: 1_001 }, (_, n) => `${n}`)
  expect((await hub.api(url, { body: { paths: many } })).status).toBe(413)
  expect((await hub.api(url, { body: '{"paths":' })).status).toBe(400)
  expect((await hub.api(url, { body: { paths: [1] } })).status).toBe(400)
})
