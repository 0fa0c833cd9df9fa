import { expect, test } from 'vitest'
import { WorkerPool } from '../../../src/lib/worker-pool.js'

/** Echoes with a count per session; dies or throws on demand. */
const ENTRY = new URL(
  `data:text/javascript,${encodeURIComponent(`
  import { parentPort } from 'node:worker_threads'
  const calls = new Map()
  parentPort.on('message', ({ id, session, call }) => {
    if (!call) return calls.delete(session)
    const { body } = call
    if (body === 'die') process.exit(3)
    if (body === 'throw') throw new Error('thrown in the worker')
    if (body === 'fail') return parentPort.postMessage({ id, error: { name: 'Sour', message: 'fails' } })
    calls.set(session, (calls.get(session) ?? 0) + 1)
    parentPort.postMessage({ id, body: [session, calls.get(session), calls.size, body] })
  })`)}`,
)

async function withPool(
  options: { size: number; maxSessions?: number },
  use: (pool: WorkerPool) => Promise<void>,
): Promise<void> {
  const pool = new WorkerPool({
    entry: ENTRY,
    ...options,
    reviveError: ({ name, message }) => Object.assign(new Error(message), { name }),
  })
  try {
    await use(pool)
  } finally {
    await pool.close()
  }
}

test('one worker carries several sessions, each with a state of its own', () =>
  withPool({ size: 1 }, async (pool) => {
    const first = await pool.session()
    const second = await pool.session()
    expect(await first.call('a')).toEqual([1, 1, 1, 'a'])
    expect(await second.call('b')).toEqual([2, 1, 2, 'b'])
    expect(await first.call('c')).toEqual([1, 2, 2, 'c'])
    await expect(first.call('fail')).rejects.toMatchObject({ name: 'Sour', message: 'fails' })
    first.release()
    await expect(first.call('late')).rejects.toThrow('ended')
    expect(await second.call('d')).toEqual([2, 2, 1, 'd'])
    second.release()
  }))

test('a session past the limit waits for another to end, or for its own abort', () =>
  withPool({ size: 1, maxSessions: 1 }, async (pool) => {
    const first = await pool.session()
    const abort = new AbortController()
    const given = expect(pool.session(abort.signal)).rejects.toThrow('gone')
    const second = pool.session()
    abort.abort(new Error('gone'))
    await given
    first.release()
    expect(await (await second).call('x')).toEqual([2, 1, 1, 'x'])
  }))

test.each([
  ['die', 'the worker stopped'],
  ['throw', 'thrown in the worker'],
])(
  'a worker that is told to %s fails its sessions only, and another takes its place',
  (how, message) =>
    withPool({ size: 1 }, async (pool) => {
      const doomed = await pool.session()
      await expect(doomed.call(how)).rejects.toThrow(message)
      await expect(doomed.call('again')).rejects.toThrow(message)
      doomed.release()
      const next = await pool.session()
      expect(await next.call('x')).toEqual([2, 1, 1, 'x'])
      next.release()
    }),
)

test('closing rejects who works and who waits', async () => {
  const pool = new WorkerPool({ entry: ENTRY, size: 1, maxSessions: 1 })
  const session = await pool.session()
  await session.call('warm')
  const waiting = expect(pool.session()).rejects.toThrow('closed')
  const working = expect(session.call('die')).rejects.toThrow()
  await pool.close()
  await Promise.all([waiting, working])
  await expect(pool.session()).rejects.toThrow('closed')
})
