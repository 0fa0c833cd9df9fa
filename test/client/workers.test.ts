import { readdirSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { git, gitOk, tempDir } from '../support/hub.js'
import { packhorse, startProcess } from '../support/process.js'

interface Reply {
  readonly status: number
  readonly text: string
}

/** On a connection of its own, which any of the worker processes may take. */
function ask(
  url: string,
  path: string,
  options: { token?: string; body?: string; type?: string } = {},
): Promise<Reply> {
  const { token, body, type = 'application/json' } = options
  return new Promise((resolve, reject) => {
    const headers = {
      ...(token ? { Authorization: `Bearer ${token}` } : {}),
      ...(body === undefined ? {} : { 'Content-Type': type }),
    }
    const method = body === undefined ? 'GET' : 'POST'
    const req = request(new URL(path, url), { method, headers, agent: false }, (res) => {
      let text = ''
      res.setEncoding('utf8').on('data', (piece: string) => {
        text += piece
      })
      res.on('end', () => resolve({ status: res.statusCode ?? 0, text }))
      res.on('error', reject)
    })
    req.on('error', reject)
    req.end(body)
  })
}

const commitBody = (path: string, text: string) =>
  [
    { key: 'header', value: { summary: path, description: '' } },
    {
      key: 'file',
      value: { path, content: Buffer.from(text).toString('base64'), encoding: 'base64' },
    },
  ]
    .map((it) => JSON.stringify(it))
    .join('\n')

/** Node processes directly below this one. */
function workersOf(pid: number): number[] {
  const tasks = readdirSync(`/proc/${pid}/task`)
  return tasks
    .flatMap((task) => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' '))
    .filter(Boolean)
    .map(Number)
    .filter((it) => readFileSync(`/proc/${it}/cmdline`, 'utf8').includes('serve'))
}

async function start(...flags: string[]) {
  const data = await tempDir()
  await packhorse(['user', 'create', 'ada', '--password', 'correct horse', '--data', data])
  const made = await packhorse(['token', 'create', 'ada', '--role', 'write', '--data', data])
  const token = made.stdout.trim()
  const hub = await startProcess(['--port', '0', '--data', data, '--workers', '2', ...flags])
  const body = JSON.stringify({ type: 'model', name: 'm' })
  expect((await ask(hub.url, '/api/repos/create', { token, body })).status).toBe(200)
  return { hub, token, data }
}

const commitTo = (url: string, token: string, path: string) =>
  ask(url, '/api/models/ada/m/commit/main', {
    token,
    body: commitBody(path, `text of ${path}`),
    type: 'application/x-ndjson',
  })

test('two workers take pushes and commits; one is killed, nothing is lost and the other goes on', async () => {
  const { hub, token } = await start()
  const before = workersOf(hub.pid)
  expect(before).toHaveLength(2)
  const remote = `${hub.url.replace('://', `://ada:${token}@`)}/ada/m.git`
  const dir = await tempDir()
  await gitOk(dir, ['init', '-q', '-b', 'side', 'work'])
  const work = join(dir, 'work')
  const as = ['-c', 'user.name=ada', '-c', 'user.email=ada@localhost']

  const acknowledged: string[] = []
  const pushed: string[] = []
  const refused: string[] = []
  let over = false
  const commits = Promise.all(
    [0, 1, 2].map(async (line) => {
      for (let n = 0; !over; n += 1) {
        const path = `by-api/${line}-${n}.txt`
        // a request that the killed process had is lost to its client, and only that
        const reply = await commitTo(hub.url, token, path).catch(() => undefined)
        if (reply?.status === 200) acknowledged.push(path)
      }
    }),
  )
  const pushes = (async () => {
    for (let n = 0; n < 6; n += 1) {
      await writeFile(join(work, `${n}.txt`), `pushed ${n}`)
      await gitOk(work, ['add', '.'])
      await gitOk(work, [...as, 'commit', '-q', '-m', `push ${n}`])
      const sent = await git(work, ['push', '-q', remote, 'side'])
      if (sent.code === 0) pushed.push(`${n}.txt`)
      else refused.push(sent.stderr)
      if (n === 2) process.kill(before[0] as number, 'SIGKILL')
    }
  })()
  await pushes
  over = true
  await commits
  expect(acknowledged.length).toBeGreaterThan(5)
  expect(pushed.length, `${refused.join('\n')}${hub.stderr()}`).toBeGreaterThan(2)

  // the dead one's place is taken
  let now = workersOf(hub.pid)
  for (let tries = 0; tries < 100 && now.length < 2; tries += 1) {
    await sleep(100)
    now = workersOf(hub.pid)
  }
  expect(now).toHaveLength(2)
  expect(now).toContain(before[1])
  expect(now).not.toContain(before[0])

  const clone = join(dir, 'clone')
  const cloned = await git(dir, ['clone', '-q', remote, clone, '-b', 'main'])
  expect(cloned.code, `${cloned.stderr}\n${hub.stderr()}`).toBe(0)
  const files = (await gitOk(clone, ['ls-files'])).split('\n')
  for (const path of acknowledged) expect(files).toContain(path)
  const side = (await gitOk(clone, ['ls-tree', '--name-only', 'origin/side'])).split('\n')
  for (const path of pushed) expect(side).toContain(path)
  await gitOk(clone, ['fsck', '--full'])
  // both processes answer alike, and as git does
  const head = (await gitOk(clone, ['rev-parse', 'HEAD'])).trim()
  for (let n = 0; n < 4; n += 1) {
    const info = JSON.parse((await ask(hub.url, '/api/models/ada/m', { token })).text)
    expect(info.sha).toBe(head)
  }

  hub.signal('SIGTERM')
  expect(await hub.exited).toBe(0)
  expect(now.every((it) => !isAlive(it))).toBe(true)
}, 120_000)

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test('limits and metrics are those of all workers together', async () => {
  const { hub, token } = await start('--api-calls', '12')
  const statuses: number[] = []
  for (let n = 0; n < 24; n += 1) {
    statuses.push((await ask(hub.url, '/api/models/ada/m', { token })).status)
    await sleep(150) // processes tell each other ten times a second
  }
  // one call made the repository; a process that counted alone would have let 12 of its own through
  expect(statuses.filter((it) => it === 200)).toHaveLength(11)
  expect(statuses.slice(11).every((it) => it === 429)).toBe(true)

  const metrics = (await ask(hub.url, '/metrics')).text
  expect(metrics).toMatch(/^packhorse_serving_processes 2$/m)
  expect(metrics).toMatch(/^packhorse_repositories 1$/m)
  const counted = /^packhorse_http_requests_total\{dialect="huggingface",status="2xx"\} (\d+)$/m
  expect(Number(counted.exec(metrics)?.[1])).toBe(11)
  expect((await ask(hub.url, '/healthz')).status).toBe(200)
  expect((await ask(hub.url, '/readyz')).status).toBe(200)
}, 60_000)

test('workers that cannot start end the whole', async () => {
  const data = await tempDir()
  const ended = await packhorse([
    'serve',
    '--host',
    '203.0.113.1',
    '--data',
    data,
    '--workers',
    '2',
  ])
  expect(ended.code).toBe(1)
  expect(ended.stderr).toContain('EADDRNOTAVAIL')
}, 60_000)
