import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { clone } from '../support/hf.js'
import {
  gitOk,
  runCommand,
  startTestHub,
  type TestHub,
  type TestUser,
  tempDir,
} from '../support/hub.js'
import { pythonWith } from '../support/python.js'

/** Runs one command of the client's command line in `work`, as this user. A failure fails the test. */
async function shell(hub: TestHub, as: TestUser, version: string, program: string) {
  const bin = join(dirname(await pythonWith(version)), program)
  const home = await tempDir()
  const work = join(home, 'work')
  await mkdir(work)
  const run = async (...args: string[]) => {
    const done = await runCommand(bin, args, {
      cwd: work,
      env: {
        HOME: home,
        HF_HOME: join(home, 'hf'),
        HF_ENDPOINT: hub.url,
        HF_TOKEN: as.token,
        HF_HUB_DISABLE_XET: '1',
        HF_HUB_DISABLE_TELEMETRY: '1',
        HF_HUB_DISABLE_PROGRESS_BARS: '1',
        NO_COLOR: '1',
      },
    })
    expect(done.code, `${program} ${args.join(' ')}\n${done.stdout}\n${done.stderr}`).toBe(0)
    return `${done.stdout}\n${done.stderr}`
  }
  return { work, run }
}

async function folder(work: string) {
  const weights = randomBytes(50_000)
  await mkdir(join(work, 'model/sub'), { recursive: true })
  await writeFile(join(work, 'model/README.md'), '---\nlicense: mit\n---\n# By hf\n')
  await writeFile(join(work, 'model/sub/a.txt'), 'text')
  await writeFile(join(work, 'model/w.safetensors'), weights)
  await writeFile(join(work, 'model/skip.log'), 'no')
  return weights
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

test('hf makes, fills, changes and deletes repositories', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const { work, run } = await shell(hub, ada, 'latest', 'hf')
  const weights = await folder(work)
  expect(await run('auth', 'whoami')).toContain('ada')
  expect(await run('repos', 'create', 'ada/m')).toContain(`${hub.url}/ada/m`)
  await run('repos', 'create', 'ada/m', '--exist-ok')
  await run('upload', 'ada/m', 'model', '.', '--exclude', '*.log', '--commit-message', 'By hf')
  await run('upload', 'ada/m', 'model/sub/a.txt', 'b/copied.txt')
  const cloned = await clone(hub, ada)
  expect(await gitOk(cloned, ['ls-files'])).toBe(
    '.gitattributes\nREADME.md\nb/copied.txt\nsub/a.txt\nw.safetensors',
  )
  expect(await gitOk(cloned, ['log', '--format=%s'])).toMatch(/\nBy hf\ninitial commit$/)
  await run('download', 'ada/m', '--local-dir', 'got')
  expect(sha256(await readFile(join(work, 'got/w.safetensors')))).toBe(sha256(weights))
  await run('repos', 'tag', 'create', 'ada/m', 'v1', '-m', 'first')
  expect(await run('repos', 'tag', 'list', 'ada/m')).toContain('v1')
  await run('repos', 'tag', 'delete', 'ada/m', 'v1', '-y')
  await run('repos', 'branch', 'create', 'ada/m', 'dev')
  await run('repos', 'delete-files', 'ada/m', 'sub/*', '--revision', 'dev')
  await run('download', 'ada/m', 'b/copied.txt', '--revision', 'dev', '--local-dir', 'dev')
  await run('repos', 'branch', 'delete', 'ada/m', 'dev')
  await run('repos', 'settings', 'ada/m', '--gated', 'auto', '--private')
  const info = await hub.api('/api/models/ada/m', { as: ada })
  expect(info.json).toMatchObject({ gated: 'auto', private: true })
  await run('upload', 'ada/m', 'model/sub/a.txt', 'pr.txt', '--create-pr')
  await run('repos', 'duplicate', 'ada/m', 'ada/twin', '--private')
  await run('repos', 'move', 'ada/twin', 'ada/moved')
  await run('repos', 'delete', 'ada/moved', '-y')
  expect((await hub.api('/api/models/ada/moved', { as: ada })).status).toBe(404)
})

test('huggingface-cli of 0.28 uploads, downloads, tags and deletes files', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const { work, run } = await shell(hub, ada, '0.28.1', 'huggingface-cli')
  const weights = await folder(work)
  expect(await run('whoami')).toContain('ada')
  await run('upload', 'ada/m', 'model', '.', '--exclude', '*.log', '--private')
  await run('download', 'ada/m', 'w.safetensors', '--local-dir', 'got')
  expect(sha256(await readFile(join(work, 'got/w.safetensors')))).toBe(sha256(weights))
  await run('tag', 'ada/m', 'v1', '-m', 'first')
  expect(await run('tag', '-l', 'ada/m')).toContain('v1')
  await run('repo-files', 'ada/m', 'delete', 'sub/*')
  expect(await gitOk(await clone(hub, ada), ['ls-files'])).toBe(
    '.gitattributes\nREADME.md\nw.safetensors',
  )
  await run(
    'upload-large-folder',
    'ada/large',
    'model',
    '--repo-type',
    'dataset',
    '--num-workers',
    '2',
  )
  const large = await hub.api('/api/datasets/ada/large', { as: ada })
  expect(large.json.siblings.map((it: { rfilename: string }) => it.rfilename)).toContain('skip.log')
})

test('hf takes a pull request from its opening to its merge', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const { work, run } = await shell(hub, ada, 'latest', 'hf')
  await run('repos', 'create', 'ada/m')
  await run(
    'discussions',
    'create',
    'ada/m',
    '--title',
    'A change',
    '--body',
    'why?',
    '--pull-request',
  )
  await writeFile(join(work, 'new.txt'), 'new\n')
  await run('upload', 'ada/m', 'new.txt', '--revision', 'refs/pr/1')
  expect(await run('discussions', 'diff', 'ada/m', '1')).toContain('+new')
  await run('discussions', 'reopen', 'ada/m', '1', '--yes')
  await run('discussions', 'merge', 'ada/m', '1', '--yes', '--comment', 'welcome')
  const info = await run('discussions', 'info', 'ada/m', '1')
  expect(info).toContain('merged')
  expect(info).toContain('welcome')
  const main = await clone(hub, ada)
  expect(await readFile(join(main, 'new.txt'), 'utf8')).toBe('new\n')
})
