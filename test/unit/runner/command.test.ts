import { existsSync, readFileSync } from 'node:fs'
import { expect, test, vi } from 'vitest'
import { runCommand } from '../../../src/runner/command.js'

/** A shell has begun and said its number by then, on a busy machine too. */
const BEGUN_MS = 3_000

const sh = (script: string, more: Partial<Parameters<typeof runCommand>[1]> = {}) =>
  runCommand(['/bin/sh', '-c', script], {
    env: { PATH: '/usr/bin:/bin' },
    timeoutMs: 10_000,
    maxBytes: 1_000,
    signal: new AbortController().signal,
    ...more,
  })

test('what it says and how it ends', async () => {
  const { code, stdout, stderr, why } = await sh('echo out; echo err >&2; exit 3')
  expect([code, stdout.toString(), stderr, why]).toEqual([3, 'out\n', 'err\n', 'ended'])
})

test('nothing of the environment but what is given, and nothing to read', async () => {
  const { stdout } = await sh('cat; env | cut -d= -f1 | sort', {
    env: { PATH: '/usr/bin:/bin', A: '1' },
  })
  expect(stdout.toString().split('\n')).toEqual(expect.arrayContaining(['A', 'PATH']))
  expect(stdout.toString()).not.toMatch(/HOME|NODE|VITEST/)
})

test('too slow: it and what it started end', async () => {
  const { why, code, stdout } = await sh('sleep 1000 & echo $!; wait', { timeoutMs: BEGUN_MS })
  expect([why, code]).toEqual(['too slow', null])
  await ended(Number(stdout.toString()))
})

test.each(['too slow', 'aborted'] as const)('%s: also what refuses to end ends', async (why) => {
  const abort = new AbortController()
  if (why === 'aborted') setTimeout(() => abort.abort(), BEGUN_MS)
  const stubborn = `(trap '' TERM; echo "$(exec sh -c 'echo $PPID')"; while :; do sleep 1; done) & wait`
  const result = await sh(stubborn, {
    timeoutMs: why === 'aborted' ? 60_000 : BEGUN_MS,
    signal: abort.signal,
  })
  expect([result.why, result.code]).toEqual([why, null])
  await ended(Number(result.stdout.toString()))
})

/** Gone, or ended and not asked about yet. */
async function ended(pid: number): Promise<void> {
  expect(pid).toBeGreaterThan(1)
  const stat = `/proc/${pid}/stat`
  await vi.waitFor(() =>
    expect(existsSync(stat) ? readFileSync(stat, 'utf8') : ') Z ').toMatch(/\) [ZX] /),
  )
}

test('too much output: the newest is kept, and endless output ends', async () => {
  const much = await sh('i=0; while [ $i -lt 5000 ]; do echo $i; i=$((i+1)); done')
  expect(much.stdout.length).toBe(1_000)
  expect(much.stdout.toString()).toMatch(/\n4998\n4999\n$/)
  expect((await sh('exec yes')).why).toBe('too much output')
})

test('what it leaves running does not hold up the answer', async () => {
  const { stdout, why } = await sh('sleep 60 & echo $!')
  expect(why).toBe('ended')
  process.kill(Number(stdout.toString()))
})

test('told to end, or not there', async () => {
  const abort = new AbortController()
  const running = sh('sleep 1000', { signal: abort.signal })
  abort.abort()
  expect((await running).why).toBe('aborted')
  await expect(
    runCommand(['/nowhere/at/all'], {
      env: {},
      timeoutMs: 1_000,
      maxBytes: 10,
      signal: new AbortController().signal,
    }),
  ).rejects.toThrow('ENOENT')
})
