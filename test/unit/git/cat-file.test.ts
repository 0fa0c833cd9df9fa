import { spawn } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { CatFilePool } from '../../../src/git/cat-file.js'
import { PushObjects } from '../../../src/git/push-objects.js'
import { gitOk, tempDir } from '../../support/hub.js'

const MIB = 1024 * 1024

async function hashObject(dir: string, type: string, pieces: Iterable<string | Buffer>) {
  const git = spawn('git', ['hash-object', '-w', '-t', type, '--stdin'], { cwd: dir })
  for (const it of pieces) git.stdin.write(it)
  git.stdin.end()
  return Buffer.concat(await git.stdout.toArray())
    .toString()
    .trim()
}

const HEAD = 'author A <a@example.org> 1 +0000\ncommitter A <a@example.org> 1 +0000\n\n'

test('objects that are small as a file and huge in memory are not read whole', async () => {
  const dir = await tempDir()
  await gitOk(dir, ['init', '-q', '--bare', '.'])
  const tree = await gitOk(dir, ['hash-object', '-w', '-t', 'tree', '/dev/null'])
  const header = `tree ${tree}\n${HEAD}`
  const commit = await hashObject(dir, 'commit', [header, Buffer.alloc(20 * MIB, 'm')])
  const blob = await hashObject(dir, 'blob', Array(129).fill(Buffer.alloc(MIB)))
  const pool = new CatFilePool(1)
  const reader = pool.get(dir)
  const [long, refused, after] = await Promise.allSettled([
    reader.contents(commit),
    reader.contents(blob),
    reader.contents(tree),
  ])
  expect(long).toMatchObject({ value: { info: { size: header.length + 20 * MIB } } })
  const { content } = (long as PromiseFulfilledResult<{ content: Buffer }>).value
  expect([content.length, content.toString('utf8', 0, header.length)]).toEqual([MIB, header])
  expect(refused).toMatchObject({ reason: { code: 'too_large' } })
  expect(after).toMatchObject({ value: { content: Buffer.alloc(0) } })
  expect(await reader.info(blob)).toMatchObject({ size: 129 * MIB })
  // as the object of a push, which is read from its file
  await mkdir(join(dir, 'objects/info'), { recursive: true })
  const pushed = PushObjects.open(
    { objectDirectory: join(dir, 'objects'), alternates: join(dir, 'objects') },
    reader,
  )
  expect(await pushed?.read(commit)).toEqual({
    type: 'commit',
    size: header.length + 20 * MIB,
    content: undefined,
  })
  expect(await pushed?.read(blob)).toEqual({ type: 'blob', size: 129 * MIB, content: undefined })
  const usual = await hashObject(dir, 'commit', [header, Buffer.alloc(MIB / 4, 'm')])
  const again = PushObjects.open(
    { objectDirectory: join(dir, 'objects'), alternates: join(dir, 'objects') },
    reader,
  )
  expect((await again?.read(usual))?.content?.length).toBe(header.length + MIB / 4)
  pool.close()
})
