import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { runCommand, tempDir } from '../support/hub.js'
import { packhorse, startProcess } from '../support/process.js'

const json = (token: string, body: unknown) => ({
  method: 'POST',
  headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
  body: JSON.stringify(body),
})

test('changes outlive kill -9 the moment they are acknowledged; the command line is in the log and prints it', async () => {
  const data = await tempDir()
  const run = async (...words: string[]) => {
    const ended = await packhorse([...words, '--data', data])
    expect(ended.code, ended.stderr).toBe(0)
    return ended.stdout
  }
  await run('user', 'create', 'ada', '--password', 'very secret words')
  const token = (await run('token', 'create', 'ada', '--role', 'admin')).trim()
  const hub = await startProcess(['--port', '0', '--data', data, '--log-level', 'silent'])
  const create = await fetch(`${hub.url}/api/repos/create`, json(token, { name: '=one' }))
  expect(create.status).toBe(400)
  await fetch(`${hub.url}/api/repos/create`, json(token, { name: 'one' }))
  const move = { fromRepo: 'ada/one', toRepo: 'ada/two', type: 'model' }
  const moved = await fetch(`${hub.url}/api/repos/move`, json(token, move))
  expect(moved.status).toBe(200)
  hub.signal('SIGKILL')
  await hub.exited

  const lines = (await run('audit'))
    .trim()
    .split('\n')
    .map((it) => JSON.parse(it))
  const actions = lines.map((it) => it.action)
  for (const it of ['cli.user.create', 'cli.token.create', 'repo.create', 'repo.move'])
    expect(actions).toContain(it)
  expect(lines.find((it) => it.action === 'cli.user.create')).toMatchObject({
    outcome: 'done',
    dialect: 'cli',
    data: { arguments: ['ada'], options: { password: '***' } },
  })
  expect(JSON.stringify(lines)).not.toMatch(/very secret|hf_/)
  expect(lines.map((it) => it.id)).toEqual(lines.map((it) => it.id).sort((a, b) => a - b))

  const csv = await run('audit', '--format', 'csv', '--action', 'repo', '--since', '1h')
  const [head, ...rows] = csv.trim().split('\r\n')
  expect(head?.split(',').slice(0, 5)).toEqual(['id', 'at', 'action', 'outcome', 'actor'])
  expect(rows.length).toBeGreaterThanOrEqual(2)
  for (const row of rows) expect(row).toMatch(/,repo\.(create|refs|move),done,ada,token:/)
  // a reader that has enough ends it quietly
  const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
  const piped = `"${process.execPath}" --import tsx "${main}" audit --data "${data}" | head -n 1`
  const first = await runCommand('sh', ['-c', piped], { cwd: process.cwd() })
  expect([first.code, first.stderr]).toEqual([0, ''])
  expect(JSON.parse(first.stdout).action).toBe('cli.user.create')
  expect(await run('audit', '--until', '2020-01-01T00:00:00Z')).toBe('')
  const wrong = await packhorse(['audit', '--since', 'soon', '--data', data])
  expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('ISO 8601')])
}, 120_000)
