import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { DELIM, FLUSH, packetText, parsePackets, pktLine } from '../../src/protocol/pkt-line.js'
import { bareDir, commitFiles, createRepo, initWork } from '../support/git-work.js'
import { gitOk, startTestHub, type TestHub, type TestUser, tempDir } from '../support/hub.js'

const FLAGS = [
  [],
  ['peel'],
  ['symrefs'],
  ['unborn'],
  ['peel', 'symrefs'],
  ['symrefs', 'unborn'],
  ['peel', 'symrefs', 'unborn'],
]
const PREFIXES = [
  [],
  ['HEAD'],
  ['refs/heads/'],
  ['refs/heads/main'],
  ['HEAD', 'refs/heads/', 'refs/tags/'],
  ['refs/tags/', 'refs/heads/', 'refs/tags/v'],
  ['refs/'],
  ['H'],
  [''],
  ['refs/heads/nothing', 'refs/pull/'],
  ['refs/heads/\u{1f40e}'],
  ['refs/heads/\ue000'],
]

function requestOf(flags: string[], prefixes: string[], objectFormat: string): Buffer {
  const args = [...flags, ...prefixes.map((it) => `ref-prefix ${it}`)]
  return Buffer.concat([
    pktLine('command=ls-refs\n'),
    pktLine(`agent=test`),
    pktLine(`object-format=${objectFormat}`),
    DELIM,
    ...args.map((it) => pktLine(`${it}\n`)),
    FLUSH,
  ])
}

function askGit(dir: string, request: Buffer): string[] {
  const { stdout, status, stderr } = spawnSync(
    'git',
    ['-c', 'transfer.hideRefs=refs/packhorse', 'upload-pack', '--stateless-rpc', dir],
    { input: request, env: { PATH: process.env.PATH, GIT_PROTOCOL: 'version=2' } },
  )
  if (status !== 0) throw new Error(stderr.toString())
  return parsePackets(stdout).map((it) => (it.type === 'data' ? packetText(it) : it.type))
}

async function askHub(hub: TestHub, user: TestUser, path: string, request: Buffer) {
  const reply = await fetch(`${hub.url}/${path}/git-upload-pack`, {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${user.token}`,
      'Content-Type': 'application/x-git-upload-pack-request',
      'Git-Protocol': 'version=2',
    },
    body: new Uint8Array(request),
  })
  expect(reply.status).toBe(200)
  const packets = parsePackets(Buffer.from(await reply.arrayBuffer()))
  return packets.map((it) => (it.type === 'data' ? packetText(it) : it.type))
}

async function expectEqual(hub: TestHub, user: TestUser, name: string, format = 'sha1') {
  const dir = await bareDir(hub, user.name, name)
  for (const flags of FLAGS)
    for (const prefixes of PREFIXES) {
      const request = requestOf(flags, prefixes, format)
      expect(await askHub(hub, user, `${user.name}/${name}`, request)).toEqual(askGit(dir, request))
    }
}

test('ls-refs answers as git upload-pack does', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const dir = await tempDir()
  await createRepo(hub, ada, 'repo')
  await createRepo(hub, ada, 'empty', { defaultBranch: 'trunk' })
  await expectEqual(hub, ada, 'empty')
  const work = await initWork(dir, 'work')
  await gitOk(work, ['tag', '-a', 'v1', '-m', 'v1'])
  await gitOk(work, ['tag', '-a', 'v1-of-v1', '-m', 'nested', 'v1'])
  await gitOk(work, ['tag', '-a', 'tree', '-m', 'tree', 'main^{tree}'])
  await gitOk(work, ['tag', 'light'])
  await gitOk(work, ['tag', 'blob', 'main:hello.txt'])
  // above U+FFFF and just below it: UTF-16 and byte order differ
  const odd = ['\u{1f40e}/horse', '\ue000x', '\uff5ewide', 'ä', 'a/b/c/d', 'a.b', 'a-b', 'A']
  for (const it of odd) await gitOk(work, ['branch', it])
  const url = hub.gitUrl('ada/repo', ada)
  await gitOk(work, ['push', '-q', '--mirror', url])
  const bare = await bareDir(hub, 'ada', 'repo')
  await gitOk(bare, ['symbolic-ref', 'refs/heads/alias', 'refs/heads/main'])
  await gitOk(bare, ['symbolic-ref', 'refs/heads/alias2', 'refs/heads/alias'])
  await gitOk(bare, ['symbolic-ref', 'refs/heads/dangling', 'refs/heads/gone'])
  await gitOk(bare, ['update-ref', 'refs/packhorse/secret', 'main'])
  await gitOk(bare, ['update-ref', 'refs/pull/1/head', 'main'])
  await expectEqual(hub, ada, 'repo')

  await gitOk(bare, ['pack-refs', '--all'])
  await expectEqual(hub, ada, 'repo')
  await commitFiles(work, { 'x.txt': 'x\n' })
  await gitOk(work, ['tag', '-f', '-a', 'v1', '-m', 'again'])
  await gitOk(work, ['push', '-q', '-f', url, 'main', 'v1', ':ä'])
  await expectEqual(hub, ada, 'repo')
  // HEAD names a branch that is not born
  await gitOk(bare, ['symbolic-ref', 'HEAD', 'refs/heads/unborn'])
  await expectEqual(hub, ada, 'repo')
})

test('ls-refs of a SHA-256 repository, and of one with another object format than the client takes it for', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const dir = await tempDir()
  await createRepo(hub, ada, 'wide', { objectFormat: 'sha256' })
  await expectEqual(hub, ada, 'wide', 'sha256')
  const work = await initWork(dir, 'work', { objectFormat: 'sha256' })
  await gitOk(work, ['tag', '-a', 'v1', '-m', 'v1'])
  await gitOk(work, ['push', '-q', '--mirror', hub.gitUrl('ada/wide', ada)])
  await expectEqual(hub, ada, 'wide', 'sha256')

  const reply = await fetch(`${hub.url}/ada/wide/git-upload-pack`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/x-git-upload-pack-request',
      'Git-Protocol': 'version=2',
    },
    body: new Uint8Array(requestOf([], [], 'sha1')),
  })
  expect([reply.status, await reply.text()]).toEqual([
    400,
    'mismatched object format: server sha256; client sha1\n',
  ])
})
