import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { gitOk, startTestHub, tempDir } from '../support/hub.js'
import { HAS_S3, s3Env } from '../support/object-modes.js'
import { packhorse, startProcess } from '../support/process.js'

// runs with `npm run test:clients s3`, which starts an S3 server
test.skipIf(!HAS_S3)(
  'a hub with its objects in S3 is restored beside them',
  async () => {
    const env = s3Env({ proxy: true })
    const words = Object.fromEntries(
      Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
    )
    const hub = await startTestHub(env)
    const ada = await hub.user('ada')
    await hub.api('/api/repos/create', { as: ada, body: { name: 'x' } })
    const dir = await tempDir()
    await gitOk(dir, ['clone', '-q', hub.gitUrl('ada/x', ada), 'w'])
    const work = join(dir, 'w')
    await gitOk(work, ['lfs', 'install', '--local'])
    await gitOk(work, ['lfs', 'track', '*.bin'])
    const bytes = randomBytes(100_000)
    await writeFile(join(work, 'a.bin'), bytes)
    await gitOk(work, ['add', '.'])
    await gitOk(work, ['commit', '-q', '-m', 'bytes'])
    await gitOk(work, ['push', '-q', 'origin', 'HEAD:main'])
    const target = join(await tempDir(), 'backup')
    const made = await packhorse(['backup', target, '--data', hub.dataDir], words)
    expect([made.code, made.stdout]).toEqual([
      0,
      expect.stringContaining('1 repositories, LFS objects stay in S3'),
    ])
    await hub.close()

    const data = join(await tempDir(), 'restored')
    const restored = await packhorse(['restore', target, '--data', data], words)
    expect([restored.code, restored.stderr]).toEqual([0, ''])
    const checked = await packhorse(['fsck', '--lfs', '--data', data], words)
    expect([checked.code, checked.stdout]).toEqual([0, 'clean\n'])
    const again = await startProcess(['--port', '0', '--data', data], words)
    const from = `${again.url.replace('://', `://ada:${ada.token}@`)}/ada/x.git`
    const home = await tempDir()
    await gitOk(home, ['lfs', 'install'], { HOME: home })
    await gitOk(home, ['clone', '-q', from, 'back'], { HOME: home })
    expect(await readFile(join(home, 'back/a.bin'))).toEqual(bytes)
  },
  120_000,
)
