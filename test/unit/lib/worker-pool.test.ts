import { expect, test } from 'vitest'
import { WorkerPool } from '../../../src/lib/worker-pool.js'

/** Echoes; dies or throws on demand. */
const ENTRY = new URL(
  `data:text/javascript,${encodeURIComponent(`
  import { parentPort } from 'node:worker_threads'
  let calls = 0
  parentPort.on('message', ({ session, body }) => {
    if (body === 'die') process.exit(3)
    if (body === 'throw') throw new Error('thrown in the worker')
    if (body === 'fail') parentPort.postMessage({ error: { name: 'Sour', message: 'fails' } })
    else parentPort.postMessage({ body: [session, ++calls, body] })
  })`)}`,
)

async function withPool(size: number, use: (pool: WorkerPool) => Promise<void>): Promise<void> {
  const pool = new WorkerPool({
    entry: ENTRY,
    size,
    reviveError: ({ name, message }) => Object.assign(new Error(message), { name }),
  })
  try {
    await use(pool)
  } finally {
    await pool.close()
  }
}

test('a worker serves one lease after the other, each in a session of its own', () =>
  withPool(1, async (pool) => {
    const first = await pool.lease()
    const second = pool.lease()
    expect(await first.call('a')).toEqual([1, 1, 'a'])
    await expect(first.call('fail')).rejects.toMatchObject({ name: 'Sour', message: 'fails' })
    first.release()
    await expect(first.call('late')).rejects.toThrow('released')
    expect(await (await second).call('b')).toEqual([2, 2, 'b'])
  }))

test.each([
  ['die', 'the worker stopped'],
  ['throw', 'thrown in the worker'],
])('a worker that is told to %s fails its job only, and another takes its place', (how, message) =>
  withPool(1, async (pool) => {
    const doomed = await pool.lease()
    const next = pool.lease()
    await expect(doomed.call(how)).rejects.toThrow(message)
    await expect(doomed.call('again')).rejects.toThrow(message)
    doomed.release()
    expect(await (await next).call('x')).toEqual([2, 1, 'x'])
  }),
)

test('closing rejects who works and who waits', async () => {
  const pool = new WorkerPool({ entry: ENTRY, size: 1 })
  const lease = await pool.lease()
  await lease.call('warm')
  const waiting = expect(pool.lease()).rejects.toThrow('closed')
  const working = expect(lease.call('die')).rejects.toThrow()
  await pool.close()
  await Promise.all([waiting, working])
  await expect(pool.lease()).rejects.toThrow('closed')
})
