import { request } from 'node:http'
import { expect, test } from 'vitest'
import { type CommitLine, commit, file, header, hubWithRepo } from '../support/hf.js'
import type { TestHub, TestUser } from '../support/hub.js'

const API = '/api/models/ada/m'

async function headOf(hub: TestHub): Promise<string> {
  return (await hub.api(`${API}/refs`)).json.branches[0].targetCommit
}

function raw(hub: TestHub, as: TestUser, body: string, type = 'application/x-ndjson') {
  return hub.api(`${API}/commit/main`, { as, body, headers: { 'Content-Type': type } })
}

test('a body that is no commit is refused and changes nothing', async () => {
  const { hub, ada } = await hubWithRepo()
  const before = await headOf(hub)
  const line = (it: unknown) => JSON.stringify(it)
  const head = line(header())
  const bodies: [string, number][] = [
    ['', 400],
    ['\n\n', 400],
    ['not json', 400],
    [line(file('a', 'b')), 400],
    [`${line(file('a', 'b'))}\n${head}`, 400],
    [`${head}\n{"key":"file","value":`, 400],
    [`${head}\n[]`, 400],
    [`${head}\n"text"`, 400],
    [`${head}\nnull`, 400],
    [`${head}\n${line({ key: 'unknownThing', value: { path: 'a' } })}`, 400],
    [`${head}\n${line({ key: 'file', value: { path: 'a' } })}`, 400],
    [`${head}\n${line({ key: 'file', value: { content: 'YQ==', encoding: 'base64' } })}`, 400],
    [`${head}\n${line({ key: 'file', value: { path: 'a', content: 5 } })}`, 400],
    [`${head}\n${line({ key: 'file', value: { path: 'a', content: 'x', encoding: 'hex' } })}`, 400],
    [`${head}\n{"key":"file","value":{"path":"a","content":"YQ==","content":"x"}}`, 400],
    [`${head}\n${line(file('a', 'b'))}\n${line({ key: 'header', value: { summary: 'x' } })}`, 400],
    [line({ key: 'header', value: {} }), 400],
    [line({ key: 'header', value: { summary: 'x', parentCommit: '--upload-pack=x' } }), 400],
    [`${head}\n${line({ key: 'lfsFile', value: { path: 'a', oid: 'zz' } })}`, 400],
    [
      `${head}\n${line({ key: 'lfsFile', value: { path: 'a', oid: 'a'.repeat(64), size: -1 } })}`,
      400,
    ],
    [
      `${head}\n${line({ key: 'lfsFile', value: { path: 'a', oid: 'a'.repeat(64), algo: 'md5' } })}`,
      400,
    ],
    [`${head}\n${line({ key: 'deletedFile', value: {} })}`, 400],
    [`${head}\n${line({ key: 'copyFile', value: { path: 'a' } })}`, 400],
  ]
  for (const content of ['YQ', 'Y Q==', '!!!!', 'YQ==YQ==', '====', 'YQ==\n'])
    bodies.push([
      `${head}\n${line({ key: 'file', value: { path: 'a', content, encoding: 'base64' } })}`,
      400,
    ])
  for (const [body, status] of bodies) {
    const reply = await raw(hub, ada, body)
    expect([body.slice(0, 200), reply.status]).toEqual([body.slice(0, 200), status])
    expect(typeof reply.json.error).toBe('string')
    expect(reply.headers.get('x-error-message')).toBeTruthy()
  }
  for (const type of ['application/json', 'text/plain', 'application/x-www-form-urlencoded'])
    expect((await raw(hub, ada, head, type)).status).toBe(415)
  expect(await headOf(hub)).toBe(before)
})

test('paths that could leave the repository or cannot exist are refused with 422', async () => {
  const { hub, ada } = await hubWithRepo()
  const before = await headOf(hub)
  const paths = [
    '../x',
    'a/../b',
    'a/..',
    '..',
    '..\\x',
    'a\\..\\b',
    '/etc/passwd',
    '\\x',
    'C:\\x',
    'C:/x',
    '',
    '.',
    './a',
    'a/./b',
    'a//b',
    'a/',
    '.git',
    '.git/config',
    '.GIT/hooks/x',
    'a/.git/config',
    '.git./x',
    '.git /x',
    'git~1/x',
    'GIT~1',
    '.git::$INDEX_ALLOCATION/x',
    '.g\u200cit/config',
    '.git\\config',
    'a\0b',
    'a\nb',
    'a\x7fb',
    'a\x01',
    `${'x'.repeat(256)}`,
    'x/'.repeat(2500).concat('x'),
    '\ud800',
  ]
  const operations = (path: string): CommitLine[] => [
    file(path, 'x'),
    { key: 'lfsFile', value: { path, oid: 'a'.repeat(64) } },
    { key: 'deletedFile', value: { path } },
    { key: 'copyFile', value: { path, srcPath: '.gitattributes' } },
    { key: 'copyFile', value: { path: 'ok', srcPath: path } },
    file('ok', 'x', { oldPath: path }),
  ]
  for (const path of paths)
    for (const operation of operations(path)) {
      // a folder may be named with its slash when it is deleted; an empty oldPath is none
      if (path === 'a/' && operation.key === 'deletedFile') continue
      if (path === '' && 'oldPath' in operation.value) continue
      const reply = await commit(hub, ada, [header(), operation])
      expect([path.slice(0, 60), operation.key, reply.status]).toEqual([
        path.slice(0, 60),
        operation.key,
        422,
      ])
    }
  const long = await commit(hub, ada, [header(), file('x'.repeat(10_000_000), 'x')])
  expect(long.status).toBe(413)
  const preupload = await hub.api(`${API}/preupload/main`, {
    as: ada,
    body: { files: [{ path: '../x', size: 1, sample: '' }] },
  })
  expect(preupload.status).toBe(422)
  expect(await headOf(hub)).toBe(before)
})

test('patterns made to take long are given up, and usual ones are not', async () => {
  const { hub, ada } = await hubWithRepo()
  const ask = (paths: readonly string[], gitIgnore: string) =>
    hub.api(`${API}/preupload/main`, {
      as: ada,
      body: { files: paths.map((path) => ({ path, size: 1, sample: '' })), gitIgnore },
    })
  const slow = `**/${'a*'.repeat(900)}b\n`.repeat(60)
  const path = `${'a'.repeat(250)}/`.repeat(15)
  const given = await ask(
    Array.from({ length: 1_000 }, (_, n) => `${path}${n}`),
    slow,
  )
  expect([given.status, given.json.error]).toEqual([422, expect.stringContaining('too long')])
  const deep = await ask([`${'a/'.repeat(2_000)}b`], '**/c')
  expect([deep.status, deep.json.error]).toEqual([422, expect.stringContaining('folders')])
  const usual = '*.log\nbuild/\n**/node_modules/**\n!keep.log\n/dist\n[Tt]mp*/\ndoc/**/*.tmp\n'
  const many = Array.from(
    { length: 5_000 },
    (_, n) => `src/part-${n % 50}/doc/deep/er/file-${n}.tmp`,
  )
  const fine = await ask([...many, 'x.log'], usual.repeat(10))
  expect([fine.status, fine.json.files.at(-1).shouldIgnore]).toEqual([200, true])
})

test('a file does not swallow a folder, nor a folder a file; what is not there cannot go', async () => {
  const { hub, ada } = await hubWithRepo()
  await commit(hub, ada, [header(), file('dir/a.txt', '1'), file('plain', '2')])
  const status = async (...lines: CommitLine[]) => {
    const reply = await commit(hub, ada, [header(), ...lines])
    return [reply.status, reply.headers.get('x-error-code'), reply.json.error]
  }
  expect((await status(file('dir', 'x')))[0]).toBe(422)
  expect((await status(file('plain/x', 'x')))[0]).toBe(422)
  expect(await status({ key: 'deletedFile', value: { path: 'nope' } })).toEqual([
    404,
    'EntryNotFound',
    expect.stringContaining("A file with this name doesn't exist"),
  ])
  expect((await status({ key: 'deletedFolder', value: { path: 'plain/x/' } }))[0]).toBe(404)
  expect((await status({ key: 'copyFile', value: { path: 'b', srcPath: 'dir' } }))[0]).toBe(404)
  const copy = { key: 'copyFile', value: { path: 'b', srcPath: 'plain', srcRevision: 'nope' } }
  expect((await status(copy))[1]).toBe('RevisionNotFound')
  expect(
    (await status({ key: 'deletedFolder', value: { path: 'dir' } }, file('dir', 'x')))[0],
  ).toBe(200)
})

test('revisions are names, never options or expressions of git', async () => {
  const { hub, ada } = await hubWithRepo()
  const revisions = [
    '--upload-pack=touch',
    '-x',
    'HEAD^',
    'HEAD~1',
    'HEAD^{/initial}',
    'main@{1}',
    'main..main',
    'refs/../config',
    'main:x',
    '@',
    'main\0',
    'a b',
    '..',
    '.',
    'refs/heads/',
    'refs/pr/0',
    'refs/pr/-1',
    'refs/pr/99',
    'x'.repeat(5000),
    '%',
    'ref\nx',
  ]
  for (const revision of revisions) {
    const rev = revision === '%' ? '%' : encodeURIComponent(revision)
    for (const path of [`commit/${rev}`, `commit/${rev}?create_pr=1`, `preupload/${rev}`]) {
      const isCommit = path.startsWith('commit')
      const reply = isCommit
        ? await commit(hub, ada, [header(), file('a', 'b')], `${API}/${path}`)
        : await hub.api(`${API}/${path}`, { as: ada, body: { files: [] } })
      expect([
        revision.slice(0, 40),
        path.slice(0, 9),
        reply.status >= 400 && reply.status < 500,
      ]).toEqual([revision.slice(0, 40), path.slice(0, 9), true])
    }
    const calls = [
      hub.api(`${API}/branch/b`, { as: ada, body: { startingPoint: revision } }),
      hub.api(`${API}/tag/${rev}`, { as: ada, body: { tag: 't' } }),
      hub.api(`${API}/super-squash/${rev}`, { as: ada, body: {} }),
      hub.api(`${API}/branch/${rev}`, { as: ada, method: 'DELETE' }),
      hub.api(`${API}/tag/${rev}`, { as: ada, method: 'DELETE' }),
    ]
    for (const [n, reply] of (await Promise.all(calls)).entries())
      expect([revision.slice(0, 40), n, reply.status >= 400 && reply.status < 500]).toEqual([
        revision.slice(0, 40),
        n,
        true,
      ])
  }
  const { branches, tags } = (await hub.api(`${API}/refs`)).json
  expect([branches.length, tags.length]).toEqual([1, 0])
})

test('a commit above the limit is refused, and the client hears it', async () => {
  const { hub, ada } = await hubWithRepo({ PACKHORSE_MAX_COMMIT_BYTES: '2MB' })
  const before = await headOf(hub)
  const reply = await commit(hub, ada, [header(), file('big', Buffer.alloc(3_000_000))])
  expect([reply.status, reply.json.error]).toEqual([413, expect.stringContaining('2000000 bytes')])
  const fits = await commit(hub, ada, [header(), file('fits', Buffer.alloc(1_400_000))])
  expect(fits.status).toBe(200)
  expect(fits.json.commitOid).not.toBe(before)
})

test('a commit of endless paths is refused before they fill the memory', async () => {
  const { hub, ada } = await hubWithRepo()
  const lines = Array.from({ length: 40 }, () => file('p'.repeat(900_000), 'x'))
  const reply = await commit(hub, ada, [header(), ...lines])
  expect([reply.status, reply.json.error]).toEqual([413, expect.stringContaining('paths')])
})

test('a client that leaves in the middle leaves nothing, and the branch stays usable', async () => {
  const { hub, ada } = await hubWithRepo()
  const before = await headOf(hub)
  await new Promise<void>((resolve) => {
    const req = request(`${hub.url}${API}/commit/main`, {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${ada.token}`,
        'Content-Type': 'application/x-ndjson',
        'Content-Length': '5000000',
      },
    })
    req.on('error', () => resolve())
    req.write(`${JSON.stringify(header())}\n{"key":"file","value":{"path":"a","content":"`)
    req.write('A'.repeat(2_000_000), () => setTimeout(() => req.destroy(), 50))
  })
  expect(await headOf(hub)).toBe(before)
  expect((await commit(hub, ada, [header(), file('a', 'b')])).status).toBe(200)
})
