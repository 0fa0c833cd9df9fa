import { expect, test } from 'vitest'
import { startTestHub } from '../support/hub.js'

/* Jobs of several kinds run side by side, those of one kind one after the other. */

function gate() {
  let open: () => void = () => undefined
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}

test('a job that takes long does not keep those of other kinds waiting', async () => {
  const hub = await startTestHub()
  const { jobs, stores } = hub.domain
  const quickRan = gate()
  const order: string[] = []
  jobs.handle('test.long', async () => {
    order.push('long begins')
    // were there one lane, this would wait for ever
    await quickRan.opened
    order.push('long ends')
  })
  jobs.handle('test.quick', async () => {
    order.push('quick')
    quickRan.open()
  })
  await stores.jobs.enqueue({ kind: 'test.long', key: 'a' })
  await stores.jobs.enqueue({ kind: 'test.quick', key: 'a', delayMs: 1 })
  await jobs.drain()
  expect(order).toEqual(['long begins', 'quick', 'long ends'])
})

test('work that comes while others run is begun, and drain waits for all of it', async () => {
  const hub = await startTestHub()
  const { jobs, stores } = hub.domain
  const laterRan = gate()
  const done: string[] = []
  jobs.handle('test.first', async () => {
    await stores.jobs.enqueue({ kind: 'test.later', key: 'a' })
    const again = jobs.drain()
    await laterRan.opened
    done.push('first')
    void again
  })
  jobs.handle('test.later', async () => {
    done.push('later')
    laterRan.open()
  })
  await stores.jobs.enqueue({ kind: 'test.first', key: 'a' })
  await jobs.drain()
  expect(done).toEqual(['later', 'first'])
})

test('jobs of one kind take turns, failed ones come again, and no more than four run at once', async () => {
  const hub = await startTestHub()
  const { jobs, stores } = hub.domain
  const atWork = new Map<string, number>()
  let most = 0
  let mostOfAKind = 0
  const seen: string[] = []
  const handler = async ({ kind, key }: { kind: string; key: string }) => {
    atWork.set(kind, (atWork.get(kind) ?? 0) + 1)
    const all = [...atWork.values()].reduce((sum, it) => sum + it, 0)
    most = Math.max(most, all)
    mostOfAKind = Math.max(mostOfAKind, atWork.get(kind) ?? 0)
    await new Promise((resolve) => setTimeout(resolve, 5))
    seen.push(`${kind} ${key}`)
    atWork.set(kind, (atWork.get(kind) ?? 0) - 1)
    if (key === 'bad') throw new Error('on purpose')
  }
  const kinds = Array.from({ length: 7 }, (_, n) => `test.kind${n}`)
  for (const kind of kinds) jobs.handle(kind, handler)
  for (const key of ['a', 'b', 'bad'])
    for (const kind of kinds) await stores.jobs.enqueue({ kind, key })
  await jobs.drain()
  expect(mostOfAKind).toBe(1)
  expect(most).toBe(4)
  expect(seen.length).toBe(21)
  expect((await stores.jobs.counts()).failing).toBe(7)
})

test('a job that asks to come again later does not come at once', async () => {
  const hub = await startTestHub()
  const { jobs, stores } = hub.domain
  let runs = 0
  jobs.handle('test.again', async () => {
    runs += 1
    if (runs < 5) await stores.jobs.enqueue({ kind: 'test.again', key: 'a', delayMs: 60_000 })
  })
  await stores.jobs.enqueue({ kind: 'test.again', key: 'a' })
  await jobs.drain()
  expect(runs).toBe(1)
  // sooner than it asked for: the sooner time counts
  await stores.jobs.enqueue({ kind: 'test.again', key: 'a' })
  await jobs.drain()
  expect(runs).toBe(2)
})
