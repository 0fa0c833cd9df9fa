import { expect, test } from 'vitest'
import { ByteBudget } from '../../../src/lib/byte-budget.js'

const never = new AbortController().signal

test('who comes when the bytes are spent waits, in order', async () => {
  const budget = new ByteBudget(10)
  const order: string[] = []
  const first = await budget.take(8, never)
  const second = budget.take(5, never).then((back) => {
    order.push('second')
    return back
  })
  const third = budget.take(1, never).then((back) => {
    order.push('third')
    return back
  })
  await new Promise(setImmediate)
  expect(order).toEqual([])
  first()
  first()
  const giveBack = [await second, await third]
  expect(order).toEqual(['second', 'third'])
  for (const back of giveBack)
    back()
    // more than all counts as all
  ;(await budget.take(1_000, never))()
})

test('who gives up makes room for those behind', async () => {
  const budget = new ByteBudget(10)
  const first = await budget.take(5, never)
  const abort = new AbortController()
  const given = expect(budget.take(9, abort.signal)).rejects.toThrow('gone')
  const behind = budget.take(5, never)
  abort.abort(new Error('gone'))
  await given
  ;(await behind)()
  first()
})
