import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import isomorphic from 'isomorphic-git'
import http from 'isomorphic-git/http/node'
import { Inflate } from 'pako'
import { expect, test } from 'vitest'
import {
  bareDir,
  commitFiles,
  createRepo,
  expectClean,
  initWork,
  readRepo,
} from '../support/git-work.js'
import { gitOk, startTestHub, tempDir } from '../support/hub.js'

const author = { name: 'Iso', email: 'iso@example.org' }
const TYPES = ['', 'commit', 'tree', 'blob', 'tag', '', 'ofs-delta', 'ref-delta']

test('a second implementation clones and pushes, and real git reads what it pushed', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await createRepo(hub, ada, 'repo')
  const dir = await tempDir()
  const work = await initWork(dir, 'work', { files: { 'a.txt': 'a\n', 'd/b.txt': 'b\n' } })
  await gitOk(work, ['tag', '-a', 'v1', '-m', 'v1'])
  await gitOk(work, ['push', '-q', hub.gitUrl('ada/repo', ada), 'main', 'v1'])

  const url = hub.gitUrl('ada/repo.git')
  const onAuth = () => ({ username: 'ada', password: ada.token })
  const iso = join(dir, 'iso')
  await isomorphic.clone({ fs, http, dir: iso, url, onAuth })
  expect(await isomorphic.resolveRef({ fs, dir: iso, ref: 'HEAD' })).toBe(
    await gitOk(work, ['rev-parse', 'main']),
  )
  expect(await isomorphic.listTags({ fs, dir: iso })).toEqual(['v1'])
  await expectClean(iso)

  await mkdir(join(iso, 'iso'))
  await writeFile(join(iso, 'iso/c.txt'), 'from isomorphic-git\n')
  await isomorphic.add({ fs, dir: iso, filepath: 'iso/c.txt' })
  const tip = await isomorphic.commit({ fs, dir: iso, author, message: 'iso' })
  const pushed = await isomorphic.push({ fs, http, dir: iso, url, ref: 'main', onAuth })
  expect([pushed.ok, pushed.refs['refs/heads/main']?.ok]).toEqual([true, true])
  expect((await readRepo(hub, 'ada', 'repo')).headOid).toBe(tip)
  await gitOk(work, ['pull', '-q', hub.gitUrl('ada/repo', ada), 'main'])
  expect(await readFile(join(work, 'iso/c.txt'), 'utf8')).toBe('from isomorphic-git\n')
  await expectClean(await bareDir(hub, 'ada', 'repo'))

  const next = await commitFiles(work, { 'more.txt': 'more\n' })
  await gitOk(work, ['push', '-q', hub.gitUrl('ada/repo', ada), 'main'])
  await isomorphic.fetch({ fs, http, dir: iso, url, onAuth })
  expect(await isomorphic.resolveRef({ fs, dir: iso, ref: 'refs/remotes/origin/main' })).toBe(next)
  const shallow = join(dir, 'shallow')
  await isomorphic.clone({ fs, http, dir: shallow, url, onAuth, depth: 1, singleBranch: true })
  expect(await isomorphic.log({ fs, dir: shallow })).toHaveLength(1)

  const oid = createHash('sha256').update('nothing').digest('hex')
  await writeFile(
    join(iso, 'lfs.bin'),
    `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize 7\n`,
  )
  await isomorphic.add({ fs, dir: iso, filepath: 'lfs.bin' })
  await isomorphic.commit({ fs, dir: iso, author, message: 'pointer', parent: [next] })
  const messages: string[] = []
  const onMessage = (text: string) => void messages.push(text)
  const refused = isomorphic.push({ fs, http, dir: iso, url, ref: 'main', onAuth, onMessage })
  await expect(refused).rejects.toThrow(/pre-receive hook declined/)
  expect(messages.join('')).toContain(oid)
})

test('the packs that the hub sends inflate with pako to the objects that they promise', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await createRepo(hub, ada, 'repo')
  const dir = await tempDir()
  const work = await initWork(dir, 'work')
  for (let n = 0; n < 5; n += 1)
    await commitFiles(work, { 'long.txt': `${'line\n'.repeat(400)}${n}\n`, [`${n}.txt`]: `${n}\n` })
  await gitOk(work, ['push', '-q', hub.gitUrl('ada/repo', ada), 'main'])
  const iso = join(dir, 'iso')
  await isomorphic.clone({ fs, http, dir: iso, url: hub.gitUrl('ada/repo'), noCheckout: true })
  const packs = join(iso, '.git/objects/pack')
  const name = (await readdir(packs)).find((it) => it.endsWith('.pack')) ?? ''
  const pack = await readFile(join(packs, name))
  const kinds = readPack(pack)
  const objects = (await gitOk(work, ['rev-list', '--objects', '--all'])).split('\n').length
  expect(kinds).toHaveLength(objects)
  expect(kinds.filter((it) => it === 'commit')).toHaveLength(6)
})

/** gitformat-pack(5): header, entries (type and size, base of a delta, zlib stream), SHA-1 of it all. Answers the types. */
function readPack(pack: Buffer): string[] {
  expect(pack.toString('latin1', 0, 4)).toBe('PACK')
  expect(createHash('sha1').update(pack.subarray(0, -20)).digest()).toEqual(pack.subarray(-20))
  const kinds: string[] = []
  let at = 12
  for (let count = pack.readUInt32BE(8); count > 0; count -= 1) {
    let byte = pack[at++] ?? 0
    const type = TYPES[(byte >> 4) & 7] ?? ''
    let size = byte & 15
    for (let shift = 4; byte & 0x80; shift += 7) {
      byte = pack[at++] ?? 0
      size += (byte & 0x7f) * 2 ** shift
    }
    if (type === 'ref-delta') at += 20
    if (type === 'ofs-delta') while ((pack[at++] ?? 0) & 0x80);
    const inflate = new Inflate()
    inflate.push(new Uint8Array(pack.subarray(at)))
    expect([inflate.err, (inflate.result as Uint8Array).length]).toEqual([0, size])
    const { strm } = inflate as unknown as { strm: { avail_in: number } }
    at = pack.length - strm.avail_in
    kinds.push(type)
  }
  expect(at).toBe(pack.length - 20)
  return kinds
}
