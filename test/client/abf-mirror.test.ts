import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { type AbfHub, startAbfHub } from '../support/abf.js'
import { gitOk, type RunResult, runCommand, type TestUser, tempDir } from '../support/hub.js'

const SCRIPT = fileURLToPath(new URL('../../scripts/mirror.sh', import.meta.url))

async function mirror(hub: AbfHub, as: TestUser, into: string): Promise<RunResult> {
  return runCommand('sh', [SCRIPT, hub.url, String(hub.repositoryId), into], {
    cwd: into,
    env: {
      HOME: into,
      PACKHORSE_USER: as.name,
      PACKHORSE_PASSWORD: `${as.name}-password`,
      PACKHORSE_RENEW_SECONDS: '1',
    },
  })
}

async function pushFile(work: string, name: string, content: Buffer | string): Promise<void> {
  await writeFile(join(work, name), content)
  await gitOk(work, ['add', '.'])
  await gitOk(work, ['commit', '-m', name])
  await gitOk(work, ['push', 'origin', 'HEAD'])
}

const lfsFile = (into: string, project: string, bytes: Buffer) => {
  const oid = createHash('sha256').update(bytes).digest('hex')
  return join(into, project, 'lfs/objects', oid.slice(0, 2), oid.slice(2, 4), oid)
}

test('a repository is mirrored under its lock, again incrementally, and unlocked even when it fails', async () => {
  const hub = await startAbfHub()
  const machine = await hub.user('mirror')
  await hub.domain.packages.stores.systemUsers.set(machine.user.id, true)
  const dir = await tempDir()
  const into = await tempDir()
  const works: Record<string, string> = {}
  for (const name of ['tools', 'acl', 'empty']) {
    const project_id = await hub.project(hub.ivan, name)
    const link = `repositories/${hub.repositoryId}/add_project.json`
    await hub.abf(hub.ivan, 'PUT', link, { project_id })
    await gitOk(dir, ['clone', hub.gitUrl(`ivan/${name}.git`, hub.ivan), name])
    works[name] = join(dir, name)
    await gitOk(join(dir, name), ['lfs', 'install', '--local'])
    await gitOk(join(dir, name), ['lfs', 'track', '*.bin'])
  }
  const { tools = '', acl = '' } = works
  const [first, second, third] = [randomBytes(3_000), randomBytes(4_000), randomBytes(5_000)]
  await pushFile(tools, 'w.bin', first)
  await pushFile(acl, 'a.txt', 'a')
  await gitOk(acl, ['push', 'origin', 'HEAD:gone'])
  await gitOk(tools, ['checkout', '-b', 'side'])
  await pushFile(tools, 'w.bin', second)

  const one = await mirror(hub, machine, into)
  expect([one.code, one.stdout]).toEqual([
    0,
    expect.stringContaining('3 projects copied, 0 failed'),
  ])
  const copy = join(into, 'ivan/tools.git')
  expect(await gitOk(copy, ['rev-parse', 'side'])).toBe(await gitOk(tools, ['rev-parse', 'side']))
  for (const bytes of [first, second])
    expect((await readFile(lfsFile(into, 'ivan/tools.git', bytes))).equals(bytes)).toBe(true)
  expect(await gitOk(copy, ['config', 'remote.origin.url'])).not.toContain('password')
  const locks = () => hub.domain.packages.mirrorLocks.list(hub.repositoryId)
  expect(await locks()).toEqual([])

  // one branch moves on, one goes; what is there already is not fetched again
  await gitOk(acl, ['push', 'origin', ':gone'])
  await gitOk(copy, ['config', 'test.marker', 'kept'])
  const before = await stat(lfsFile(into, 'ivan/tools.git', first))
  await pushFile(tools, 'v.bin', third)
  const two = await mirror(hub, machine, into)
  expect([two.code, two.stderr]).toEqual([0, expect.not.stringContaining('FAILED')])
  expect(two.stdout).toContain('3 projects copied, 0 failed')
  expect(await gitOk(copy, ['rev-parse', 'side'])).toBe(await gitOk(tools, ['rev-parse', 'side']))
  expect((await readFile(lfsFile(into, 'ivan/tools.git', third))).equals(third)).toBe(true)
  expect(await gitOk(copy, ['config', 'test.marker'])).toBe('kept')
  expect(await stat(lfsFile(into, 'ivan/tools.git', first))).toMatchObject({
    ino: before.ino,
    mtimeMs: before.mtimeMs,
  })
  expect(await gitOk(join(into, 'ivan/acl.git'), ['for-each-ref', '--format=%(refname)'])).toBe(
    'refs/heads/master',
  )

  // a damaged copy is a failure, the others are still done and the lock is given back
  await rm(lfsFile(into, 'ivan/tools.git', third))
  await writeFile(lfsFile(into, 'ivan/tools.git', third), Buffer.alloc(third.length))
  const three = await mirror(hub, machine, into)
  expect([three.code, three.stdout]).toEqual([
    1,
    expect.stringContaining('2 projects copied, 1 failed'),
  ])
  expect(three.stderr).toContain('is missing or damaged')
  expect(await locks()).toEqual([])
})

test('while it runs nobody pushes, and being killed gives the lock back', async () => {
  const hub = await startAbfHub()
  const dir = await tempDir()
  const project_id = await hub.project(hub.ivan, 'tools')
  const link = `repositories/${hub.repositoryId}/add_project.json`
  await hub.abf(hub.ivan, 'PUT', link, { project_id })
  await gitOk(dir, ['clone', hub.gitUrl('ivan/tools.git', hub.ivan), 'tools'])
  await pushFile(join(dir, 'tools'), 'a.txt', 'a')

  // a git that takes its time, so that there is a while to look at
  const bin = join(dir, 'git')
  await writeFile(bin, '#!/bin/sh\nsleep 30\n', { mode: 0o755 })
  const script = spawn('sh', [SCRIPT, hub.url, String(hub.repositoryId), dir], {
    env: {
      PATH: `${dir}:${process.env.PATH}`,
      PACKHORSE_USER: 'ivan',
      PACKHORSE_PASSWORD: 'ivan-password',
    },
    stdio: 'ignore',
    detached: true,
  })
  const ended = once(script, 'exit')
  try {
    await expect
      .poll(async () => (await hub.domain.packages.mirrorLocks.list(hub.repositoryId)).length, {
        timeout: 20_000,
      })
      .toBe(1)
    await expect(pushFile(join(dir, 'tools'), 'b.txt', 'b')).rejects.toThrow(
      /locked for mirroring by ivan\/[\w.-]+-\d+ \(\.repo\.lock of rosa2012\/main\)/,
    )
  } finally {
    // as a terminal does: the script and what it runs
    process.kill(-(script.pid ?? 0), 'SIGTERM')
    await ended
  }
  expect(await hub.domain.packages.mirrorLocks.list(hub.repositoryId)).toEqual([])
  await gitOk(join(dir, 'tools'), ['push', 'origin', 'HEAD'])
})

test('without the right there is no lock and no copy', async () => {
  const hub = await startAbfHub()
  const into = await tempDir()
  const { code, stderr } = await mirror(hub, hub.eve, into)
  expect([code, stderr]).toEqual([2, expect.stringContaining('no lock, nothing was copied')])
})
