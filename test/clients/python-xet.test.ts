import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { countingProxy } from '../support/counting-proxy.js'
import {
  gitOk,
  runCommand,
  startTestHub,
  type TestHub,
  type TestUser,
  tempDir,
} from '../support/hub.js'
import { pythonWith, runPython } from '../support/python.js'
import { cloneRepo } from '../support/repos.js'

const MB = 1_000_000
/** The newest, the last line that asks the LFS batch first, and one in between; all with the newest hf_xet. */
const VERSIONS = ['latest', '1.33.0', '0.36.0'] as const

async function run(
  hub: TestHub,
  as: TestUser,
  facts: Record<string, unknown>,
  version = 'latest',
): Promise<string> {
  const env = { HF_XET_LOG_LEVEL: 'error' }
  return (await runPython(hub, { version, script: 'python-xet.py', as, facts, env })).trim()
}

async function createRepo(hub: TestHub, as: TestUser, name: string, isPrivate = false) {
  const body = { name, private: isPrivate }
  expect((await hub.api('/api/repos/create', { as, body })).status).toBe(200)
}

test.each(VERSIONS)('huggingface_hub %s uploads and downloads through Xet', async (version) => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const out = await run(hub, ada, { do: 'story', repo: 'ada/story' }, version)
  expect(out.split('\n').filter((it) => it.startsWith('ok'))).toEqual([
    'ok upload_file',
    'ok upload_folder',
    'ok create_pr',
    'ok upload_large_folder',
    'ok copy',
  ])
  // it was Xet indeed: of all LFS objects none is stored raw
  const objects = await hub.domain.stores.lfs.scanObjects('', 100)
  expect(objects.length).toBeGreaterThan(8)
  expect(objects.filter((it) => it.storage !== 'xet')).toEqual([])
})

test('a changed file costs its changed chunks, also for another user and in another repository', async () => {
  const hub = await startTestHub()
  const [ada, bob] = [await hub.user('ada'), await hub.user('bob')]
  await createRepo(hub, ada, 'open')
  await createRepo(hub, ada, 'hidden', true)
  await createRepo(hub, bob, 'own')
  const proxy = await countingProxy(hub.url)
  const through = { ...hub, url: proxy.url }
  const size = 60 * MB
  const file = { do: 'upload', seed: 5, size }
  const patch = [size / 2, size / 100]
  const stored = async () => (await hub.domain.stores.xet.totals()).bytes
  const cost = async (as: TestUser, facts: Record<string, unknown>) => {
    const before = await stored()
    proxy.takeSent()
    await run(through, as, facts)
    return { sent: proxy.takeSent() / size, stored: ((await stored()) - before) / size }
  }

  const whole = await cost(ada, { ...file, repo: 'ada/open' })
  expect(whole.sent).toBeGreaterThan(0.99)
  const changed = await cost(ada, { ...file, patch, repo: 'ada/open' })
  expect(changed.sent).toBeLessThan(0.05)
  expect(changed.stored).toBeLessThan(0.05)
  const others = await cost(bob, { ...file, patch, repo: 'bob/own' })
  expect(others.sent).toBeLessThan(0.05)
  expect(others.stored).toBeLessThan(0.05)

  // what bob may not read helps him nothing, but the disk keeps it once
  await cost(ada, { ...file, seed: 9, repo: 'ada/hidden' })
  const secret = await cost(bob, { ...file, seed: 9, repo: 'bob/own' })
  expect(secret.sent).toBeGreaterThan(0.99)
  expect(secret.stored).toBeLessThan(0.05)
})

test('every client reads the same bytes', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await createRepo(hub, ada, 'all')
  const size = 20 * MB
  const facts = { repo: 'ada/all', seed: 3, size }
  const sha256 = await run(hub, ada, { do: 'upload', ...facts })
  expect(await run(hub, ada, { do: 'download', ...facts })).toBe(sha256)
  expect(await run(hub, ada, { do: 'download', ...facts }, '0.36.0')).toBe(sha256)
  const plain = await runPython(hub, {
    version: 'latest',
    script: 'python-xet.py',
    as: ada,
    facts: { do: 'download', ...facts },
    env: { HF_HUB_DISABLE_XET: '1' },
  })
  expect(plain.trim()).toBe(sha256)

  const work = await cloneRepo(hub, ada, 'ada/all')
  await gitOk(work, ['lfs', 'pull'])
  const cloned = await readFile(join(work, 'upload.bin'))
  expect(createHash('sha256').update(cloned).digest('hex')).toBe(sha256)

  const url = `${hub.url}/ada/all/resolve/main/upload.bin`
  for (const range of ['0-99', '65530-200000', `${size - 10}-`, '-77777']) {
    const out = join(work, 'part')
    const curl = await runCommand('curl', ['-sSf', '-r', range, '-o', out, url], { cwd: work })
    expect(curl.code, curl.stderr).toBe(0)
    const [from = '', to = ''] = range.split('-')
    const wanted =
      from === ''
        ? cloned.subarray(-Number(to))
        : cloned.subarray(Number(from), to === '' ? size : Number(to) + 1)
    expect((await readFile(out)).equals(wanted), range).toBe(true)
  }
})

test('an upload that is killed goes on where it was', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await createRepo(hub, ada, 'big')
  const size = 200 * MB
  const home = await tempDir()
  const facts = { do: 'upload', repo: 'ada/big', seed: 8, size }
  await writeFile(join(home, 'facts.json'), JSON.stringify(facts))
  const script = fileURLToPath(new URL('python-xet.py', import.meta.url))
  const python = await pythonWith('latest')
  const start = () => {
    const child = spawn(python, [script], {
      cwd: home,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        PATH: process.env.PATH ?? '',
        HOME: home,
        HF_HOME: join(home, 'hf'),
        HF_ENDPOINT: hub.url,
        HF_TOKEN: ada.token,
        HF_HUB_DISABLE_PROGRESS_BARS: '1',
        FACTS: join(home, 'facts.json'),
      },
    })
    let said = ''
    child.stderr.on('data', (text) => {
      said += text
    })
    const exited = once(child, 'exit').then(([code]) => ({ code, said }))
    return { child, exited }
  }
  const totals = () => hub.domain.stores.xet.totals()
  const first = start()
  while ((await totals()).xorbs < 2 && first.child.exitCode === null)
    await new Promise((resolve) => setTimeout(resolve, 20))
  first.child.kill('SIGKILL')
  expect(await first.exited).toMatchObject({ code: null })
  // half of it is there, and nothing can be read
  expect(await totals()).toMatchObject({ files: 0 })

  const before = (await totals()).xorbs
  expect(await start().exited).toMatchObject({ code: 0 })
  expect(before).toBeGreaterThan(1)
  expect(await totals()).toMatchObject({ files: 1 })
  expect(await run(hub, ada, { ...facts, do: 'download' })).toMatch(/^[0-9a-f]{64}$/)
})
