import { join } from 'node:path'
import { expect, test } from 'vitest'
import { file, header } from '../support/hf.js'
import { gitOk, tempDir } from '../support/hub.js'
import { type HubProcess, packhorse, startProcess } from '../support/process.js'
import { type Received, signatureOf, startReceiver, WEBHOOKS } from '../support/webhooks.js'

/*
 * At least once and in order, whatever dies: the receiver is away for a while, the hub is killed (SIGKILL) while it is,
 * killed in the middle of writes, and killed in the middle of a delivery.
 */
const REPOS = ['ada/a', 'ada/b']

interface Story {
  hub: HubProcess
  readonly data: string
  readonly token: string
}

async function serve(data: string): Promise<HubProcess> {
  return startProcess(['--port', '0', '--data', data], {
    PACKHORSE_WEBHOOKS_ALLOW_PRIVATE: '1',
    PACKHORSE_WEBHOOKS_RETRY_MS: '50',
    PACKHORSE_WEBHOOKS_ATTEMPTS: '1000',
    PACKHORSE_JOB_INTERVAL_MS: '20',
  })
}

async function call(it: Story, path: string, body?: unknown, type = 'application/json') {
  const reply = await fetch(`${it.hub.url}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { Authorization: `Bearer ${it.token}`, 'Content-Type': type },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  if (!reply.ok) throw new Error(`${path}: ${reply.status} ${await reply.text()}`)
  // biome-ignore lint/suspicious/noExplicitAny: whatever the API answers
  return (await reply.json()) as any
}

async function push(it: Story, id: string, path: string): Promise<string> {
  const lines = [header(path), file(path, path)].map((line) => JSON.stringify(line)).join('\n')
  const { commitOid } = await call(
    it,
    `/api/models/${id}/commit/main`,
    lines,
    'application/x-ndjson',
  )
  return commitOid
}

async function crash(it: Story): Promise<void> {
  it.hub.signal('SIGKILL')
  expect(await it.hub.exited).toBe('SIGKILL')
  it.hub = await serve(it.data)
}

// biome-ignore lint/suspicious/noExplicitAny: as the API answers
async function untilLog(it: Story, id: string, holds: (log: any[]) => boolean): Promise<any[]> {
  for (;;) {
    const log = await call(it, `${WEBHOOKS}/${id}/deliveries?limit=200`)
    if (holds(log)) return log
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

test('receiver away, hub killed: every event arrives at least once, in order per repository, signed', async () => {
  const data = await tempDir()
  await packhorse(['user', 'create', 'ada', '--data', data])
  const { stdout } = await packhorse(['token', 'create', 'ada', '--role', 'write', '--data', data])
  const it: Story = { hub: await serve(data), data, token: stdout.trim() }
  const away = await startReceiver()
  await away.close()
  const { webhook } = await call(it, WEBHOOKS, {
    url: away.url,
    watched: [{ type: 'user', name: 'ada' }],
    secret: 'story',
  })
  for (const id of REPOS) await call(it, '/api/repos/create', { name: id.split('/')[1] })

  // nobody is there
  const acknowledged: Record<string, string[]> = { 'ada/a': [], 'ada/b': [] }
  for (const n of [1, 2])
    for (const id of REPOS) acknowledged[id]?.push(await push(it, id, `away-${n}`))
  await untilLog(it, webhook.id, (log) => log.at(-1).attempts.length >= 2)
  await crash(it)
  for (const id of REPOS) acknowledged[id]?.push(await push(it, id, 'after-the-first-crash'))

  // killed while both repositories are being written: one by the API, one by git
  const work = await tempDir()
  const remote = `${it.hub.url.replace('://', `://ada:${it.token}@`)}/ada/b.git`
  await gitOk(work, ['clone', '-q', remote, 'b'])
  const api = (async () => {
    for (let n = 0; n < 50; n += 1)
      acknowledged['ada/a']?.push(await push(it, 'ada/a', `busy-${n}`))
  })().catch(() => 'cut off')
  const git = (async () => {
    for (let n = 0; n < 50; n += 1) {
      await gitOk(join(work, 'b'), ['commit', '-q', '--allow-empty', '-m', `busy ${n}`])
      await gitOk(join(work, 'b'), ['push', '-q'])
      acknowledged['ada/b']?.push(await gitOk(join(work, 'b'), ['rev-parse', 'HEAD']))
    }
  })().catch(() => 'cut off')
  while ((acknowledged['ada/a']?.length ?? 0) < 6 || (acknowledged['ada/b']?.length ?? 0) < 5)
    await new Promise((resolve) => setTimeout(resolve, 10))
  await crash(it)
  await Promise.all([api, git])

  // the receiver is back, and the hub dies with a delivery in its hands
  const receiver = await startReceiver(away.port)
  const taken: Received[] = []
  let held = true
  receiver.answer = async (received) => {
    if (held) await new Promise(() => undefined)
    taken.push(received)
    return 200
  }
  // whoever mends the receiver need not wait for the next attempt, which may be far away by now
  await call(it, `${WEBHOOKS}/${webhook.id}/enable`, {})
  await receiver.until(2)
  held = false
  await crash(it)
  const tips: Record<string, string> = {}
  for (const id of REPOS) {
    tips[id] = await push(it, id, 'last')
    acknowledged[id]?.push(tips[id])
  }
  const log = await untilLog(it, webhook.id, (all) =>
    all.every((entry) => entry.status === 'delivered'),
  )

  for (const id of REPOS) {
    const mine = taken.filter((received) => received.json.repo.name === id)
    expect(mine[0]?.json.event).toEqual({ action: 'create', scope: 'repo' })
    // without repetitions (which come right behind one another) each event begins where the one before it ended
    const distinct = mine.filter(
      (received, n) =>
        received.headers['x-webhook-delivery'] !== mine[n - 1]?.headers['x-webhook-delivery'],
    )
    const numbers = distinct.map((received) => Number(received.headers['x-webhook-delivery']))
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b))
    let tip = distinct[0]?.json.repo.headSha
    const told = [tip]
    for (const { json } of distinct.slice(1))
      for (const { ref, oldSha, newSha } of json.updatedRefs) {
        expect([ref, oldSha]).toEqual(['refs/heads/main', tip])
        tip = newSha
        told.push(newSha)
      }
    expect(tip).toBe(tips[id])
    expect(acknowledged[id]?.filter((oid) => !told.includes(oid))).toEqual([])
  }
  for (const { headers, text } of receiver.received) {
    expect(headers['x-webhook-secret']).toBe('story')
    expect(headers['x-webhook-signature']).toBe(signatureOf(text, 'story'))
  }
  // the log shows the attempts: refused at first, taken in the end
  const first = log.at(-1)
  expect(first.attempts.length).toBeGreaterThan(2)
  expect(first.attempts[0].error).toMatch(/ECONNREFUSED/)
  expect(first.attempts.at(-1).status).toBe(200)
}, 180_000)
