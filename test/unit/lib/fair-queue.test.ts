import { describe, expect, test } from 'vitest'
import { FairQueue, QueueBusy } from '../../../src/lib/fair-queue.js'

const never = new AbortController().signal
const LIMITS = {
  slots: 2,
  slotsPerThing: 1,
  maxWaiting: 6,
  maxWaitingPerUser: 4,
  maxWaitMs: 60_000,
}

/** Asks for a turn and tells when it comes. */
function ask(queue: FairQueue, came: string[], user: string, thing: string, signal = never) {
  const label = `${user} ${thing}`
  return queue.take(user, thing, signal).then((giveBack) => {
    came.push(label)
    return giveBack
  })
}

const soon = () => new Promise((resolve) => setImmediate(resolve))

describe('turns', () => {
  test('as many at once as there are slots, and one thing never has them all', async () => {
    const queue = new FairQueue(LIMITS)
    const came: string[] = []
    const first = await ask(queue, came, 'a', 'big')
    const second = ask(queue, came, 'b', 'big')
    await ask(queue, came, 'c', 'other')
    expect([came, queue.running, queue.length]).toEqual([['a big', 'c other'], 2, 1])
    first()
    first()
    await second
    expect(came).toEqual(['a big', 'c other', 'b big'])
    expect([queue.running, queue.length]).toEqual([2, 0])
  })

  test('users one after the other, their things one after the other', async () => {
    const queue = new FairQueue({ ...LIMITS, slots: 1 })
    const came: string[] = []
    const turns: (() => void)[] = [await queue.take('x', 'x', never)]
    for (const [user, thing] of ['a1', 'a1', 'a2', 'b1', 'c3'])
      void ask(queue, came, user as string, thing as string).then((it) => turns.push(it))
    for (let turn = turns.shift(); turn; turn = turns.shift()) {
      turn()
      await soon()
    }
    expect(came).toEqual(['a 1', 'b 1', 'c 3', 'a 2', 'a 1'])
    expect([queue.running, queue.length]).toEqual([0, 0])
  })
})

describe('limits', () => {
  test('a full queue refuses at once, and one user cannot fill it', async () => {
    const queue = new FairQueue({ ...LIMITS, slots: 1 })
    await queue.take('x', 'x', never)
    for (let n = 0; n < 4; n += 1) void queue.take('a', `${n}`, never)
    await expect(queue.take('a', 'more', never)).rejects.toThrow(QueueBusy)
    void queue.take('b', '1', never)
    void queue.take('c', '1', never)
    await expect(queue.take('d', '1', never)).rejects.toThrow(QueueBusy)
  })

  test('who waits too long, or goes, makes room', async () => {
    const queue = new FairQueue({ ...LIMITS, slots: 1, maxWaitMs: 20 })
    const giveBack = await queue.take('x', 'x', never)
    await expect(queue.take('a', '1', never)).rejects.toThrow(QueueBusy)
    const gone = new AbortController()
    const waiting = queue.take('b', '1', gone.signal)
    gone.abort(new Error('gone'))
    await expect(waiting).rejects.toThrow('gone')
    expect(queue.length).toBe(0)
    giveBack()
    expect(queue.running).toBe(0)
    expect(await queue.take('c', '1', never)).toBeTypeOf('function')
  })
})
