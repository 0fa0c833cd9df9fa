import { execFileSync } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { Launcher } from '../../../src/git/launcher.js'
import { tempDir } from '../../support/hub.js'

const env = { PATH: process.env.PATH ?? '', LC_ALL: 'C', GIT_CONFIG_NOSYSTEM: '1' }
let launcher: Launcher
let cwd: string

beforeEach(async () => {
  cwd = await tempDir()
  execFileSync('git', ['init', '-q', '--bare', cwd])
  launcher = new Launcher(env)
  await expect.poll(() => launcher.ready, { timeout: 20_000 }).toBe(true)
})

afterEach(() => launcher.close())

test('one that is closed at once leaves nothing in the temporary directory', async () => {
  const own = await tempDir()
  vi.stubEnv('TMPDIR', own)
  onTestFinished(() => void vi.unstubAllEnvs())
  const brief = new Launcher(env)
  expect(await readdir(own)).toHaveLength(1)
  brief.close()
  expect(await readdir(own)).toEqual([])
})

const start = (args: string[], channel = false) =>
  launcher.start({ args, cwd, env, channel, background: false })

test('input, output, exit code and the end of stderr', async () => {
  const good = await start(['hash-object', '--stdin'])
  good.stdin.end('hello\n')
  const said = await good.stdout.toArray()
  expect(Buffer.concat(said).toString()).toBe('ce013625030ba8dba906f756967f9e9ca394464a\n')
  expect(await good.ended).toEqual({ code: 0, stderr: '' })
  const bad = await start(['cat-file', '-p', 'nothing'])
  expect(await bad.ended).toEqual({
    code: 128,
    stderr: 'fatal: Not a valid object name nothing\n',
  })
})

test('megabytes both ways, many at once, none mixed up', async () => {
  const sizes = Array.from({ length: 20 }, (_, n) => 300_000 + n)
  const counted = await Promise.all(
    sizes.map(async (size) => {
      const store = await start(['hash-object', '-w', '--stdin'])
      store.stdin.end(Buffer.alloc(size, 'x'))
      const oid = Buffer.concat(await store.stdout.toArray())
        .toString()
        .trim()
      const read = await start(['cat-file', 'blob', oid])
      return Buffer.concat(await read.stdout.toArray()).length
    }),
  )
  expect(counted).toEqual(sizes)
})

test('processes that say nothing, or nothing is read of, end too', async () => {
  const ends = Array.from({ length: 60 }, async (_, n) => {
    const it = await start(n % 2 ? ['log', '--all'] : ['rev-parse', '--git-dir'])
    it.stdin.end()
    return (await it.ended).code
  })
  expect(new Set(await Promise.all(ends))).toEqual(new Set([0]))
})

test('one that waits for input is killed', async () => {
  const it = await start(['cat-file', '--batch-command'])
  it.kill()
  expect((await it.ended).code).toBe(-1)
})

test('a launcher that dies fails what it had started, and is begun again', async () => {
  const it = await start(['cat-file', '--batch-command'])
  // proc_pid_stat(5): number, name in parentheses, state, parent
  const [, parent] = /\) \S (\d+) /.exec(await readFile(`/proc/${it.pid}/stat`, 'utf8')) ?? []
  expect(Number(parent)).toBeGreaterThan(1)
  process.kill(Number(parent), 'SIGKILL')
  await expect(it.ended).rejects.toMatchObject({ code: 'git_failed' })
  await expect(start(['version'])).rejects.toMatchObject({ code: 'git_failed' })
  await expect.poll(() => launcher.ready, { timeout: 20_000 }).toBe(true)
  const again = await start(['rev-parse', '--is-bare-repository'])
  expect(Buffer.concat(await again.stdout.toArray()).toString()).toBe('true\n')
})
