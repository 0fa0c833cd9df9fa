import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { SharedCounts } from '../../../src/lib/shared-counts.js'
import type { Siblings } from '../../../src/lib/siblings.js'

/** Processes that hear each other. */
function processes(count: number): Siblings[] {
  const hearers: Map<string, (body: never) => void>[] = []
  return Array.from({ length: count }, () => {
    const mine = new Map<string, (body: never) => void>()
    hearers.push(mine)
    return {
      relay(topic, body) {
        for (const other of hearers) if (other !== mine) other.get(topic)?.(body as never)
      },
      onRelay: (topic, hear) => void mine.set(topic, hear),
      gather: async () => [],
      onQuestion: () => undefined,
    }
  })
}

const counts = (siblings?: Siblings) => new SharedCounts({ topic: 't', maxKeys: 100, siblings })

test('what one process counts the others know a moment later', async () => {
  const [a, b] = processes(2).map((it) => counts(it)) as [SharedCounts, SharedCounts]
  const endsAt = Date.now() + 60_000
  for (let n = 1; n <= 5; n += 1) expect(a.take('ada', endsAt).used).toBe(n)
  await sleep(300)
  expect(b.take('ada', endsAt + 5_000).used).toBe(6)
  // the window that was open first is the one
  expect(b.take('ada', endsAt + 5_000).endsAt).toBe(endsAt)
  expect(b.take('bob', endsAt).used).toBe(1)
  await sleep(300)
  expect(a.take('ada', endsAt).used).toBe(8)
})

test('a window that is over begins anew', async () => {
  const one = counts()
  expect(one.take('ada', Date.now() + 20).used).toBe(1)
  expect(one.take('ada', Date.now() + 20).used).toBe(2)
  await sleep(40)
  expect(one.take('ada', Date.now() + 20).used).toBe(1)
})
