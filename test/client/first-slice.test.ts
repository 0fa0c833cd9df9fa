import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { gitOk, startTestHub, tempDir } from '../support/hub.js'

test('a repository is created, cloned, pushed to with LFS, moved, squashed and deleted', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const dir = await tempDir()
  const created = await hub.api('/api/repos/create', { as: ada, body: { name: 'first' } })
  expect([created.status, created.json.repo_id]).toEqual([200, 'ada/first'])

  const url = hub.gitUrl('ada/first.git', ada)
  await gitOk(dir, ['clone', url, 'one'])
  const one = join(dir, 'one')
  expect(await gitOk(one, ['log', '--format=%s'])).toBe('initial commit')
  const weights = randomBytes(2_000_000)
  await writeFile(join(one, 'hello.txt'), 'hello\n')
  await writeFile(join(one, 'w.safetensors'), weights)
  await gitOk(one, ['lfs', 'install', '--local'])
  await gitOk(one, ['add', '.'])
  await gitOk(one, ['commit', '-m', 'weights'])
  await gitOk(one, ['push'])

  await gitOk(dir, ['lfs', 'install'], { HOME: dir })
  await gitOk(dir, ['clone', url, 'two'], { HOME: dir })
  expect(weights.equals(await readFile(join(dir, 'two/w.safetensors')))).toBe(true)

  const body = { fromRepo: 'ada/first', toRepo: 'ada/second', type: 'model' }
  expect((await hub.api('/api/repos/move', { as: ada, body })).status).toBe(200)
  await gitOk(join(dir, 'two'), ['pull'])
  expect(
    (await hub.api('/api/repos/squash', { as: ada, body: { repo: 'ada/second', type: 'model' } }))
      .status,
  ).toBe(200)
  await gitOk(dir, ['clone', hub.gitUrl('ada/second', ada), 'three'], { HOME: dir })
  expect(await gitOk(join(dir, 'three'), ['rev-list', '--count', '--all'])).toBe('1')
  expect(weights.equals(await readFile(join(dir, 'three/w.safetensors')))).toBe(true)

  const gone = await hub.api('/api/repos/delete', {
    method: 'DELETE',
    as: ada,
    body: { name: 'second' },
  })
  expect(gone.json.message).toBe("Repository 'ada/second' of type 'model' deleted.")
})
