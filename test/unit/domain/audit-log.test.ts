import { expect, test } from 'vitest'
import { AuditLog, BY_THE_HUB } from '../../../src/domain/audit/audit-log.js'
import type { AuditEntry, AuditStore } from '../../../src/domain/audit/ports.js'

/** Keeps what it is given; refuses while `down`. */
function store() {
  const it = { down: false, batches: [] as string[][] }
  const audit: AuditStore = {
    async append(entries) {
      if (it.down) throw new Error('no room')
      it.batches.push(entries.map(({ action }) => action))
    },
    page: async () => [],
    deleteBefore: async () => 0,
  }
  return { it, audit }
}

const entry = (action: string): AuditEntry => ({ ...BY_THE_HUB, action, data: {} })

function start() {
  const { it, audit } = store()
  const errors: [unknown, number][] = []
  const onError = (err: unknown, lost: number) => void errors.push([err, lost])
  const log = new AuditLog({ audit, onError, refusalsPerMinute: 60, keepDays: 1 })
  return { it, log, errors }
}

test('entries go to the store in batches, in order', async () => {
  const { it, log } = start()
  for (const action of ['a', 'b', 'c']) log.record(entry(action))
  expect(it.batches).toEqual([])
  await log.close()
  expect(it.batches).toEqual([['a', 'b', 'c']])
})

test('what a database would not take is tried again, and told', async () => {
  const { it, log, errors } = start()
  it.down = true
  log.record(entry('a'))
  await log.flush()
  log.record(entry('b'))
  expect([it.batches, errors]).toEqual([[], [[new Error('no room'), 0]]])
  it.down = false
  await log.close()
  expect(it.batches).toEqual([['a', 'b']])
})

test('memory is bounded: the oldest are lost, and how many is told', async () => {
  const { it, log, errors } = start()
  it.down = true
  for (let n = 0; n < 20_003; n += 1) log.record(entry(String(n)))
  expect(errors.reduce((sum, [, lost]) => sum + lost, 0)).toBe(3)
  it.down = false
  await log.close()
  const kept = it.batches.flat()
  expect([kept.length, kept[0], kept.at(-1)]).toEqual([20_000, '3', '20002'])
})
