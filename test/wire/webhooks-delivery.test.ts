import { expect, test } from 'vitest'
import { commit, file, header } from '../support/hf.js'
import { startTestHub, type TestHub, type TestUser } from '../support/hub.js'
import {
  createRepo,
  type Received,
  startReceiver,
  untilLogged,
  WEBHOOKS,
  watch,
} from '../support/webhooks.js'

const ENV = { PACKHORSE_WEBHOOKS_ALLOW_PRIVATE: '1', PACKHORSE_WEBHOOKS_RETRY_MS: '20' }
const ADA = [{ type: 'user', name: 'ada' }]

async function push(hub: TestHub, as: TestUser, id: string, path: string): Promise<void> {
  const lines = [header(path), file(path, 'x')]
  const { status } = await commit(hub, as, lines, `/api/models/${id}/commit/main`)
  expect(status).toBe(200)
}

async function hubWithWebhook(env: Record<string, string> = {}) {
  const hub = await startTestHub({ ...ENV, ...env })
  const ada = await hub.user('ada')
  const receiver = await startReceiver()
  const id = await watch(hub, ada, receiver.url, ADA)
  return { hub, ada, receiver, id }
}

const nameOf = (it: Received) => it.json.repo.name
const shaOf = (it: Received) => it.json.repo.headSha
const gate = () => {
  let open: () => void = () => undefined
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { open, opened }
}

test('a refused delivery comes again and again, holds back its repository and no other, and is logged', async () => {
  const { hub, ada, receiver, id } = await hubWithWebhook()
  let refused = 0
  receiver.answer = (it) => (nameOf(it) === 'ada/bad' && refused++ < 3 ? 503 : 200)
  await createRepo(hub, ada, 'bad')
  await receiver.until(1)
  await push(hub, ada, 'ada/bad', 'a.txt')
  await createRepo(hub, ada, 'good')
  const log = await untilLogged(
    hub,
    ada,
    id,
    (all) => all.length === 3 && all.every((it) => it.status === 'delivered'),
  )
  const bad = receiver.received.filter((it) => nameOf(it) === 'ada/bad')
  expect(bad.map((it) => it.json.event.scope)).toEqual([
    'repo',
    'repo',
    'repo',
    'repo',
    'repo.content',
  ])
  // one delivery keeps its number through its attempts
  expect(new Set(bad.slice(0, 4).map((it) => it.headers['x-webhook-delivery'])).size).toBe(1)
  expect(bad.slice(0, 4).map((it) => it.headers['x-webhook-attempt'])).toEqual(['1', '2', '3', '4'])
  const first = log.at(-1)
  expect(first).toMatchObject({
    event: { action: 'create', scope: 'repo' },
    repo: { type: 'model', name: 'ada/bad' },
    status: 'delivered',
  })
  expect(first.attempts.map((it: { status: number; error?: string }) => [it.status, it.error]))
    // the last one was taken
    .toEqual([
      [503, 'answered 503'],
      [503, 'answered 503'],
      [503, 'answered 503'],
      [200, undefined],
    ])
})

test('a redirect is a refusal, and so is nobody there', async () => {
  const { hub, ada, receiver, id } = await hubWithWebhook({ PACKHORSE_WEBHOOKS_ATTEMPTS: '1' })
  receiver.answer = () => 302
  await createRepo(hub, ada, 'one')
  const failed = ([newest]: { status: string }[]) => newest?.status === 'failed'
  const [first] = await untilLogged(hub, ada, id, failed)
  expect(first.attempts[0]).toMatchObject({
    status: 302,
    error: 'answered 302; redirects are not followed',
  })
  expect(receiver.received).toHaveLength(1)
  await receiver.close()
  await hub.api(`${WEBHOOKS}/${id}/enable`, { as: ada, method: 'POST' })
  await createRepo(hub, ada, 'two')
  const [second] = await untilLogged(
    hub,
    ada,
    id,
    (all) => all.length === 2 && all[0].status === 'failed',
  )
  expect(second.attempts[0].status).toBeUndefined()
  expect(second.attempts[0].error).toMatch(/ECONNREFUSED/)
})

test('without leave no private address is dialled, however it is named', async () => {
  const hub = await startTestHub({ PACKHORSE_WEBHOOKS_ATTEMPTS: '1' })
  const ada = await hub.user('ada')
  const receiver = await startReceiver()
  const id = await watch(hub, ada, `http://localhost:${receiver.port}/hook`, ADA)
  await createRepo(hub, ada, 'one')
  const [only] = await untilLogged(hub, ada, id, ([newest]) => newest?.status === 'failed')
  expect(only.attempts).toHaveLength(1)
  expect(only.attempts[0].status).toBeUndefined()
  expect(receiver.received).toEqual([])
})

test('a webhook that takes nothing for long is suspended; enabled, it goes on with what is left', async () => {
  const { hub, ada, receiver, id } = await hubWithWebhook({ PACKHORSE_WEBHOOKS_ATTEMPTS: '3' })
  const { open, opened } = gate()
  receiver.answer = async () => {
    await opened
    return 500
  }
  await createRepo(hub, ada, 'one')
  await push(hub, ada, 'ada/one', 'a.txt')
  open()
  await untilLogged(hub, ada, id, (all) => all.at(-1)?.status === 'failed')
  const read = async () => (await hub.api(`${WEBHOOKS}/${id}`, { as: ada })).json.webhook.disabled
  expect(await read()).toBe('suspended-after-failure')
  // nothing is queued for it meanwhile
  await push(hub, ada, 'ada/one', 'b.txt')
  receiver.answer = () => 200
  const before = receiver.received.length
  await hub.api(`${WEBHOOKS}/${id}/enable`, { as: ada, method: 'POST' })
  expect(await read()).toBe(false)
  await push(hub, ada, 'ada/one', 'c.txt')
  const log = await untilLogged(
    hub,
    ada,
    id,
    (all) => all.length === 3 && all[0].status === 'delivered',
  )
  expect(log.map((it) => it.status)).toEqual(['delivered', 'delivered', 'failed'])
  expect(receiver.received.length - before).toBe(2)
})

test('one hopeless delivery among others suspends nothing', async () => {
  const { hub, ada, receiver, id } = await hubWithWebhook({ PACKHORSE_WEBHOOKS_ATTEMPTS: '4' })
  const { open, opened } = gate()
  receiver.answer = async (it) => {
    if (nameOf(it) !== 'ada/bad') return 200
    await opened
    return 500
  }
  await createRepo(hub, ada, 'bad')
  await receiver.until(1)
  await createRepo(hub, ada, 'good')
  await untilLogged(hub, ada, id, ([newest]) => newest.status === 'delivered')
  open()
  await untilLogged(hub, ada, id, (all) => all.at(-1).status === 'failed')
  const log = await untilLogged(hub, ada, id, ([newest]) => newest.status === 'delivered')
  expect(log.at(-1).attempts).toHaveLength(4)
  const { json } = await hub.api(`${WEBHOOKS}/${id}`, { as: ada })
  expect(json.webhook.disabled).toBe(false)
})

test('disabled by its owner it hears nothing', async () => {
  const { hub, ada, receiver, id } = await hubWithWebhook()
  await hub.api(`${WEBHOOKS}/${id}/disable`, { as: ada, method: 'POST' })
  await createRepo(hub, ada, 'one')
  await hub.api(`${WEBHOOKS}/${id}/enable`, { as: ada, method: 'POST' })
  await createRepo(hub, ada, 'two')
  const [first] = await receiver.until(1)
  expect(first?.json.repo.name).toBe('ada/two')
})

test('replay sends the same event again; not to a disabled webhook', async () => {
  const { hub, ada, receiver, id } = await hubWithWebhook()
  await createRepo(hub, ada, 'one')
  const [sent] = await untilLogged(hub, ada, id, ([newest]) => newest?.status === 'delivered')
  const path = `${WEBHOOKS}/${id}/deliveries/${sent.id}`
  expect((await hub.api(path, { as: ada })).json).toEqual(sent)
  const again = await hub.api(`${path}/replay`, { as: ada, method: 'POST' })
  expect(again.json).toMatchObject({ event: sent.event, repo: sent.repo, attempts: [] })
  expect(again.json.id).not.toBe(sent.id)
  const [first, second] = await receiver.until(2)
  expect(second?.text).toBe(first?.text)
  await hub.api(`${WEBHOOKS}/${id}/disable`, { as: ada, method: 'POST' })
  expect((await hub.api(`${path}/replay`, { as: ada, method: 'POST' })).status).toBe(409)
})

test('the log comes in pages, newest first', async () => {
  const { hub, ada, receiver, id } = await hubWithWebhook()
  for (const name of ['a', 'b', 'c']) await createRepo(hub, ada, name)
  await receiver.until(3)
  const first = await hub.api(`${WEBHOOKS}/${id}/deliveries?limit=2`, { as: ada })
  const next = /<([^>]+)>; rel="next"/.exec(first.headers.get('link') ?? '')?.[1] ?? ''
  const { json, headers } = await hub.api(next.slice(hub.url.length), { as: ada })
  expect([...first.json, ...json].map((it) => it.repo.name)).toEqual(['ada/c', 'ada/b', 'ada/a'])
  expect(headers.get('link')).toBeNull()
  const bad = await hub.api(`${WEBHOOKS}/${id}/deliveries?limit=none`, { as: ada })
  expect(bad.status).toBe(400)
})

test('a slow receiver holds up neither other receivers nor background work, and gets few at once', async () => {
  const { hub, ada, receiver: slow } = await hubWithWebhook()
  const other = await startReceiver()
  await watch(hub, ada, other.url, ADA)
  const { open, opened } = gate()
  let atOnce = 0
  let most = 0
  slow.answer = async () => {
    atOnce += 1
    most = Math.max(most, atOnce)
    await opened
    atOnce -= 1
    return 200
  }
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
  for (const name of names) await createRepo(hub, ada, name)
  await other.until(names.length)
  await slow.until(4)
  let ran = false
  hub.domain.jobs.handle('test.job', async () => {
    ran = true
  })
  await hub.domain.stores.jobs.enqueue({ kind: 'test.job', key: 'x' })
  while (!ran) await new Promise((resolve) => setTimeout(resolve, 20))
  expect([slow.received.length, most]).toEqual([4, 4])
  open()
  await slow.until(names.length)
  expect(new Set(slow.received.map(nameOf)).size).toBe(names.length)
})

test('two processes over one data directory deliver each event once and in order', async () => {
  const first = await startTestHub(ENV)
  const second = await startTestHub({ ...ENV, PACKHORSE_DATA: first.dataDir })
  const ada = await first.user('ada')
  const receiver = await startReceiver()
  await watch(first, ada, receiver.url, ADA)
  const shas: Record<string, string[]> = { 'ada/a': [], 'ada/b': [] }
  for (const name of ['a', 'b']) await createRepo(first, ada, name)
  for (let n = 0; n < 6; n += 1)
    await Promise.all(
      ['ada/a', 'ada/b'].map(async (name, at) => {
        const lines = [header(`${n}`), file(`${n}.txt`, 'x')]
        const hub = (n + at) % 2 ? first : second
        const { json } = await commit(hub, ada, lines, `/api/models/${name}/commit/main`)
        shas[name]?.push(json.commitOid)
      }),
    )
  const all = await receiver.until(14)
  for (const name of ['ada/a', 'ada/b']) {
    const [, ...pushed] = all.filter((it) => nameOf(it) === name).map(shaOf)
    expect(pushed).toEqual(shas[name])
  }
  expect(new Set(all.map((it) => it.headers['x-webhook-delivery'])).size).toBe(14)
})

test('a stop puts back what is under way, and the next process sends it at once', async () => {
  const { hub, ada, receiver, id } = await hubWithWebhook()
  receiver.answer = () => new Promise<number>(() => undefined)
  await createRepo(hub, ada, 'one')
  await receiver.until(1)
  await hub.close()
  receiver.answer = () => 200
  const next = await startTestHub({ ...ENV, PACKHORSE_DATA: hub.dataDir })
  const [only] = await untilLogged(next, ada, id, ([newest]) => newest.status === 'delivered')
  // what was cut off counts as no attempt of the receiver's
  expect(only.attempts).toHaveLength(1)
  expect(receiver.received).toHaveLength(2)
})

test('a webhook that is deleted while it is being delivered to leaves nothing behind', async () => {
  const { hub, ada, receiver, id } = await hubWithWebhook()
  const { open, opened } = gate()
  receiver.answer = async () => {
    await opened
    return 200
  }
  await createRepo(hub, ada, 'one')
  await receiver.until(1)
  expect((await hub.api(`${WEBHOOKS}/${id}`, { as: ada, method: 'DELETE' })).status).toBe(200)
  open()
  const other = await startReceiver()
  await watch(hub, ada, other.url, ADA)
  await createRepo(hub, ada, 'two')
  await other.until(1)
  expect(receiver.received).toHaveLength(1)
})

test('what is older than the log reaches back is forgotten', async () => {
  const { hub, ada, receiver, id } = await hubWithWebhook()
  await createRepo(hub, ada, 'one')
  await untilLogged(hub, ada, id, ([newest]) => newest?.status === 'delivered')
  const { deliveries } = hub.domain.stores
  expect(await deliveries.deleteBefore(new Date(0).toISOString(), 10)).toBe(0)
  expect(await deliveries.deleteBefore(new Date(Date.now() + 1_000).toISOString(), 10)).toBe(1)
  expect((await hub.api(`${WEBHOOKS}/${id}/deliveries`, { as: ada })).json).toEqual([])
  await createRepo(hub, ada, 'two')
  await receiver.until(2)
})
