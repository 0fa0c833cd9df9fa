import { readFileSync } from 'node:fs'
import { chmod, readdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test, vi } from 'vitest'
import { sha256Hex } from '../../src/lib/ids.js'
import { commit, file, header } from '../support/hf.js'
import { runCommand, startTestHub, type TestHub, type TestUser, tempDir } from '../support/hub.js'
import { startProcess } from '../support/process.js'

const SCRIPT = fileURLToPath(new URL('../../scripts/example-runner.sh', import.meta.url))
const S = '/api/spaces/ada/app'
const PATIENCE = { timeout: 45_000, interval: 100 }

/** Says what it was given, and runs until it is told to end. */
const APP = `echo "pid $$ color=$COLOR token=$TOKEN path=$PATH"
echo http://127.0.0.1:9/app > "$STATE/url"
while [ ! -f stop ]; do sleep 0.2; done
exit 7
`

interface Place {
  readonly env: Record<string, string>
  readonly state: string
}

/** Settings for a hub with the example runner; what that still runs is ended with the test. */
async function place(): Promise<Place> {
  const state = await tempDir()
  onTestFinished(async () => {
    for (const id of await readdir(state))
      await runCommand(SCRIPT, [state, 'stop', id], { cwd: tmpdir() })
  })
  const env = {
    PACKHORSE_DATA: await tempDir(),
    PACKHORSE_SPACE_RUNNER: JSON.stringify([SCRIPT, state]),
  }
  return { env, state }
}

async function runtime(hub: TestHub, as: TestUser) {
  return (await hub.api(`${S}/runtime`, { as })).json
}

const reach = (hub: TestHub, as: TestUser, stage: string) =>
  vi.waitFor(async () => {
    const now = await runtime(hub, as)
    expect(now.stage).toBe(stage)
    return now
  }, PATIENCE)

async function push(hub: TestHub, as: TestUser, files: Record<string, string>): Promise<void> {
  const lines = [header(), ...Object.entries(files).map(([path, text]) => file(path, text))]
  const done = await commit(hub, as, lines, `${S}/commit/main`)
  expect(done.status, done.text).toBe(200)
}

async function create(hub: TestHub, as: TestUser): Promise<void> {
  const body = {
    type: 'space',
    name: 'app',
    sdk: 'gradio',
    secrets: [{ key: 'TOKEN', value: "it's\nhidden" }],
    variables: [
      { key: 'COLOR', value: 'red $(exit 1)' },
      // the runner's own settings are not theirs to make
      { key: 'PATH', value: '/nowhere:/usr/bin:/bin' },
    ],
  }
  expect((await hub.api('/api/repos/create', { as, body })).status).toBe(200)
}

const README = '---\nsdk: gradio\napp_file: app.sh\n---\n'

/** The text of a log, as far as it has come, of a stream that may go on. */
async function readLog(hub: TestHub, as: TestUser, which: string, until: RegExp): Promise<string> {
  const abort = new AbortController()
  const reply = await fetch(`${hub.url}${S}/logs/${which}`, {
    headers: { Authorization: `Bearer ${as.token}` },
    signal: abort.signal,
  })
  expect(reply.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
  let text = ''
  for await (const chunk of reply.body as unknown as AsyncIterable<Uint8Array>) {
    text += Buffer.from(chunk).toString()
    if (until.test(text)) break
  }
  abort.abort()
  const events = text.split('\n\n').filter((it) => it.startsWith('data: {') && it.endsWith('}'))
  return events.map((it) => JSON.parse(it.slice(6)).data).join('')
}

test('a Space runs when it is pushed, with its secrets, and its stage and log tell of it', async () => {
  const { env } = await place()
  const hub = await startTestHub(env)
  const ada = await hub.user('ada')
  const eve = await hub.user('eve')
  await create(hub, ada)
  expect((await runtime(hub, ada)).stage).toBe('NO_APP_FILE')
  await push(hub, ada, { 'README.md': README, 'app.sh': APP })
  const running = await reach(hub, ada, 'RUNNING')
  expect(running.hardware).toEqual({ current: 'cpu-basic', requested: 'cpu-basic' })
  const log = await readLog(hub, ada, 'run', /path=/)
  expect(log).toContain("color=red $(exit 1) token=it's\nhidden path=/nowhere:/usr/bin:/bin\n")
  expect(await readLog(hub, ada, 'build', /built/)).toMatch(/^built [0-9a-f]{40}, factory 0\n$/)
  expect((await hub.api(`${S}/logs/run`, { as: eve })).status).toBe(403)
  // its page is where the app says, and nowhere else
  const page = await hub.api('/spaces/ada/app/https://evil.example/x?y=1')
  expect([page.status, page.headers.get('location')]).toEqual([
    302,
    'http://127.0.0.1:9/app/https://evil.example/x',
  ])
})

test('a volume that who attached it may not read any more goes from the Space that runs', async () => {
  const { env, state } = await place()
  const told = join(await tempDir(), 'volumes')
  const runner = join(await tempDir(), 'runner.sh')
  const note = `[ "$2" != start ] || echo "$PACKHORSE_APP_VOLUMES" >>"${told}"`
  await writeFile(runner, `#!/bin/sh\n${note}\nexec "${SCRIPT}" "$@"\n`, { mode: 0o755 })
  const hub = await startTestHub({
    ...env,
    PACKHORSE_SPACE_RUNNER: JSON.stringify([runner, state]),
  })
  const ada = await hub.user('ada')
  const eve = await hub.user('eve')
  const body = { type: 'dataset', name: 'theirs' }
  expect((await hub.api('/api/repos/create', { as: eve, body })).status).toBe(200)
  await create(hub, ada)
  const theirs = { type: 'dataset', source: 'eve/theirs', mountPath: '/theirs', readOnly: true }
  const own = { type: 'space', source: 'ada/app', mountPath: '/own', readOnly: true }
  const volumes = [theirs, own]
  const put = await hub.api(`${S}/volumes`, { as: ada, method: 'PUT', body: { volumes } })
  expect([put.status, put.json.volumes]).toEqual([200, volumes])
  await push(hub, ada, { 'README.md': README, 'app.sh': APP })
  await reach(hub, ada, 'RUNNING')
  const starts = () =>
    readFileSync(told, 'utf8')
      .trim()
      .split('\n')
      .map((it) => JSON.parse(it))
  expect(starts()).toEqual([volumes])
  const settings = { method: 'PUT', as: eve, body: { private: true } }
  expect((await hub.api('/api/datasets/eve/theirs/settings', settings)).status).toBe(200)
  // the look that comes every 15 seconds by itself; nobody asked for a restart
  const address = { kind: 'space', namespace: 'ada', name: 'app' } as const
  await hub.domain.appRuns.order((await hub.domain.stores.repos.findByAddress(address))?.id ?? '')
  await vi.waitFor(() => expect(starts()).toEqual([volumes, [own]]), PATIENCE)
  await reach(hub, ada, 'RUNNING')
})

test('who follows a log hears no more of it when the right, or the token, has gone', async () => {
  const { env } = await place()
  const hub = await startTestHub(env)
  const ada = await hub.user('ada')
  const eve = await hub.user('eve')
  await hub.org('team', ada, { eve: 'contributor' })
  const path = '/api/spaces/team/app'
  const body = { type: 'space', name: 'app', organization: 'team', sdk: 'gradio' }
  expect((await hub.api('/api/repos/create', { as: ada, body })).status).toBe(200)
  const files = [header(), file('README.md', README), file('app.sh', APP)]
  expect((await commit(hub, ada, files, `${path}/commit/main`)).status).toBe(200)
  await vi.waitFor(async () => {
    expect((await hub.api(`${path}/runtime`, { as: ada })).json.stage).toBe('RUNNING')
  }, PATIENCE)
  const over: string[] = []
  const follow = async (name: string, token: string) => {
    const headers = { Authorization: `Bearer ${token}` }
    const abort = new AbortController()
    onTestFinished(() => abort.abort())
    const url = `${hub.url}${path}/logs/run`
    const reply = await fetch(url, { headers, signal: abort.signal })
    reply.text().then(
      (text) => over.push(text.includes('pid ') ? name : text),
      () => undefined,
    )
  }
  const spare = await hub.token(ada.user, { role: 'write' })
  await follow('eve', eve.token)
  await follow('spare', spare)
  await follow('ada', ada.token)
  const { accounts } = hub.domain.stores
  const org = await accounts.findNamespace('team')
  await accounts.setMember(org?.id ?? 0, eve.user.id, null)
  await vi.waitFor(() => expect(over).toEqual(['eve']), PATIENCE)
  const token = await accounts.findTokenByHash(sha256Hex(spare))
  await accounts.deleteToken(ada.user.id, token?.id ?? '')
  await vi.waitFor(() => expect(over).toEqual(['eve', 'spare']), PATIENCE)
})

test('pause stops the process, restart starts another, an end by itself is an error', async () => {
  const { env } = await place()
  const hub = await startTestHub(env)
  const ada = await hub.user('ada')
  await create(hub, ada)
  await push(hub, ada, { 'README.md': README, 'app.sh': APP })
  await reach(hub, ada, 'RUNNING')
  const pidOf = async () => Number(/pid (\d+)/.exec(await readLog(hub, ada, 'run', /path=/))?.[1])
  const first = await pidOf()
  expect(isAlive(first)).toBe(true)
  const paused = await hub.api(`${S}/pause`, { as: ada, method: 'POST' })
  expect(paused.json.stage).toBe('PAUSED')
  await vi.waitFor(() => expect(isAlive(first)).toBe(false), PATIENCE)
  const restarted = await hub.api(`${S}/restart?factory=true`, { as: ada, method: 'POST' })
  expect(restarted.json.stage).toBe('BUILDING')
  await reach(hub, ada, 'RUNNING')
  expect(await readLog(hub, ada, 'build', /built/)).toContain('factory 1')
  const second = await pidOf()
  expect(second).not.toBe(first)
  // a file of the checkout: this app ends by itself when it is there
  await push(hub, ada, { stop: '' })
  const failed = await reach(hub, ada, 'RUNTIME_ERROR')
  expect([failed.errorMessage, isAlive(second)]).toEqual(['exit code 7', false])
  await push(hub, ada, { 'README.md': README.replace('app.sh', 'app.txt'), 'app.txt': '' })
  await reach(hub, ada, 'BUILD_ERROR')
  await hub.api('/api/repos/delete', {
    as: ada,
    method: 'DELETE',
    body: { type: 'space', name: 'app' },
  })
  await vi.waitFor(async () => expect(await hub.domain.stores.appRuns.list()).toEqual([]), PATIENCE)
})

test('what runs outlives the hub, sleeps when nobody uses it, and starts again', async () => {
  const { env } = await place()
  const first = await startTestHub(env)
  const ada = await first.user('ada')
  await create(first, ada)
  await push(first, ada, { 'README.md': README, 'app.sh': APP })
  await reach(first, ada, 'RUNNING')
  const log = await readLog(first, ada, 'run', /path=/)
  await first.close()
  const hub = await startTestHub(env)
  expect((await runtime(hub, ada)).stage).toBe('RUNNING')
  expect(await readLog(hub, ada, 'run', /path=/)).toBe(log)
  await hub.api(`${S}/sleeptime`, { as: ada, body: { seconds: 1 } })
  const asleep = await reach(hub, ada, 'SLEEPING')
  expect([asleep.hardware.current, asleep.url]).toEqual([null, undefined])
  const pid = Number(/pid (\d+)/.exec(log)?.[1])
  expect(isAlive(pid)).toBe(false)
  await hub.api(`${S}/sleeptime`, { as: ada, body: { seconds: 3_600 } })
  expect((await runtime(hub, ada)).stage).toBe('SLEEPING')
  await hub.api(`${S}/restart`, { as: ada, method: 'POST' })
  await reach(hub, ada, 'RUNNING')
}, 120_000)

test('a hub that is killed over a start begins it again', async () => {
  const { env } = await place()
  const first = await startTestHub(env)
  const ada = await first.user('ada')
  await create(first, ada)
  await first.close()
  const killed = await startProcess(['--port', '0'], { ...env, PACKHORSE_JOB_INTERVAL_MS: '50' })
  const lines = [header(), file('README.md', README), file('app.sh', APP)]
  const pushed = await fetch(`${killed.url}${S}/commit/main`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${ada.token}`, 'Content-Type': 'application/x-ndjson' },
    body: lines.map((it) => JSON.stringify(it)).join('\n'),
  })
  expect(pushed.status).toBe(200)
  killed.signal('SIGKILL')
  await killed.exited
  const hub = await startTestHub(env)
  await reach(hub, ada, 'RUNNING')
  expect(await readLog(hub, ada, 'run', /path=/)).toContain('color=red')
}, 120_000)

test('a visitor wakes a Space that sleeps', async () => {
  const { env } = await place()
  const hub = await startTestHub(env)
  const ada = await hub.user('ada')
  await create(hub, ada)
  await hub.api(`${S}/sleeptime`, { as: ada, body: { seconds: 2 } })
  await push(hub, ada, { 'README.md': README, 'app.sh': APP })
  await reach(hub, ada, 'SLEEPING')
  const visit = await hub.api('/spaces/ada/app/')
  expect([visit.status, visit.headers.get('retry-after')]).toEqual([503, '5'])
  await reach(hub, ada, 'RUNNING')
}, 120_000)

test('a runner that fails, lies or is not there makes an error of the Space, not of the hub', async () => {
  const dir = await tempDir()
  const script = join(dir, 'runner.sh')
  const hub = await startTestHub({ PACKHORSE_SPACE_RUNNER: script })
  const ada = await hub.user('ada')
  await create(hub, ada)
  await push(hub, ada, { 'README.md': README, 'app.sh': APP })
  const missing = await reach(hub, ada, 'RUNTIME_ERROR')
  expect(missing.errorMessage).toBe('The runner cannot be started (ENOENT).')
  const answers: [string, string][] = [
    ['echo no json', 'The runner did not answer with JSON.'],
    ['echo \'{"stage":"DANCING"}\'', "The runner's answer is wrong: stage "],
    ['echo \'{"stage":"RUNNING","url":"file:///etc"}\'', "The runner's answer is wrong: url "],
    ['echo a secret >&2; exit 3', 'The runner failed to start: exit code 3.'],
    ['kill -9 $$', 'The runner failed to start: it was killed.'],
  ]
  for (const [start, message] of answers) {
    await writeFile(script, `#!/bin/sh\n[ "$1" = stop ] && exit 0\n${start}\n`)
    await chmod(script, 0o755)
    await hub.api(`${S}/restart`, { as: ada, method: 'POST' })
    await vi.waitFor(async () => {
      const now = await runtime(hub, ada)
      expect(now.errorMessage).toContain(message)
      expect(now.stage).toBe('RUNTIME_ERROR')
    }, PATIENCE)
  }
  expect((await hub.api('/healthz')).status).toBe(200)
})

/** One that ended and that nobody has asked about yet is not. */
function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}
