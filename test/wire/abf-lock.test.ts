import { createHash, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { MirrorLocks } from '../../src/domain/packages/mirror-locks.js'
import { type AbfHub, startAbfHub } from '../support/abf.js'
import { git, gitOk, startTestHub, type TestUser, tempDir } from '../support/hub.js'

const LOCKED =
  /locked for mirroring by ivan \(\.repo\.lock of rosa2012\/main\) until \d{4}-[\d:TZ.-]+ at the latest/

async function lockedProject(): Promise<{
  hub: AbfHub
  work: string
  seq: number
  unlock(): Promise<unknown>
}> {
  const hub = await startAbfHub()
  const { abf, ivan, repositoryId } = hub
  const seq = await hub.project(ivan, 'tools')
  await abf(ivan, 'PUT', `repositories/${repositoryId}/add_project.json`, { project_id: seq })
  const dir = await tempDir()
  await gitOk(dir, ['init', '-b', 'master', 'work'])
  const work = join(dir, 'work')
  await writeFile(join(work, 'a.txt'), 'a')
  await gitOk(work, ['add', '.'])
  await gitOk(work, ['commit', '-m', 'one'])
  await gitOk(work, ['remote', 'add', 'origin', hub.gitUrl('ivan/tools.git', ivan)])
  await gitOk(work, ['push', 'origin', 'master', 'master:other', 'master:next'])
  await abf(ivan, 'PUT', `repositories/${repositoryId}/add_repo_lock_file.json`)
  const off = `repositories/${repositoryId}/remove_repo_lock_file.json`
  return { hub, work, seq, unlock: () => abf(ivan, 'DELETE', off) }
}

test('while it is there every kind of write is refused and named, reads go on; after it all go through', async () => {
  const { hub, work, seq, unlock } = await lockedProject()
  const { abf, ivan } = hub
  await writeFile(join(work, 'b.txt'), 'b')
  await gitOk(work, ['add', '.'])
  await gitOk(work, ['commit', '-m', 'two'])
  const repo = await hub.domain.stores.repos.findBySeq(seq)
  const id = repo?.id ?? ''
  const bytes = randomBytes(1_000)
  const oid = createHash('sha256').update(bytes).digest('hex')
  const api = (method: string, path: string, body?: unknown) =>
    hub.api(path, { as: ivan, method, ...(body === undefined ? {} : { body }) })
  const commit = [
    JSON.stringify({ key: 'header', value: { summary: 's', description: '' } }),
    JSON.stringify({ key: 'file', value: { path: 'c.txt', content: 'Yw==', encoding: 'base64' } }),
  ].join('\n')
  const writes: Record<string, () => Promise<{ status: number; text: string }>> = {
    commit: () =>
      hub.api('/api/models/ivan/tools/commit/master', {
        as: ivan,
        body: `${commit}\n`,
        headers: { 'Content-Type': 'application/x-ndjson' },
      }),
    branch: () => api('POST', '/api/models/ivan/tools/branch/third', { startingPoint: 'master' }),
    'branch away': () => api('DELETE', '/api/models/ivan/tools/branch/other'),
    tag: () => api('POST', '/api/models/ivan/tools/tag/master', { tag: 'v1' }),
    'default branch': () =>
      abf(ivan, 'PUT', `projects/${seq}.json`, { project: { default_branch: 'next' } }),
    'super squash': () =>
      api('POST', '/api/models/ivan/tools/super-squash/master', { message: 'm' }),
    squash: () => api('POST', '/api/repos/squash', { repo: 'ivan/tools', type: 'model' }),
    move: () =>
      api('POST', '/api/repos/move', { fromRepo: 'ivan/tools', toRepo: 'ivan/x', type: 'model' }),
    rename: () => api('PUT', `/auth/v1/ivan/repositories/${id}/name`, { name: 'x' }),
    'delete by HF': () => api('DELETE', '/api/repos/delete', { name: 'tools' }),
    'delete by Outpost': () => api('DELETE', `/auth/v1/ivan/repositories/${id}`),
    'delete by ABF': () => abf(ivan, 'DELETE', `projects/${seq}.json`),
  }
  for (const [name, write] of Object.entries(writes)) {
    const reply = await write()
    expect([name, reply.status, reply.text]).toEqual([name, 423, expect.stringMatching(LOCKED)])
  }
  const batch = () =>
    hub.api('/ivan/tools.git/info/lfs/objects/batch', {
      as: ivan,
      body: { operation: 'upload', transfers: ['basic'], objects: [{ oid, size: bytes.length }] },
      headers: {
        Accept: 'application/vnd.git-lfs+json',
        'Content-Type': 'application/vnd.git-lfs+json',
      },
    })
  const upload = await batch()
  expect([upload.status, upload.text]).toEqual([423, expect.stringMatching(LOCKED)])
  const push = await git(work, ['push', 'origin', 'master'])
  expect(push.code).not.toBe(0)
  expect(push.stderr).toMatch(new RegExp(`remote: .*${LOCKED.source}`))
  const local = await git(work, ['push', hub.domain.git.directory(id), 'master'])
  expect([local.code !== 0, local.stderr]).toEqual([true, expect.stringMatching(LOCKED)])
  await expect(hub.domain.squash.prune(id, async () => undefined)).rejects.toThrow(LOCKED)

  await gitOk(work, ['fetch', 'origin'])
  expect((await hub.api('/api/models/ivan/tools', { as: ivan })).status).toBe(200)
  expect((await hub.domain.git.snapshot(id)).refs).toHaveLength(3)

  await unlock()
  expect((await batch()).status).toBe(200)
  await gitOk(work, ['push', 'origin', 'master'])
  const first = Object.entries(writes).filter(([name]) => !/^(delete|rename|move)/.test(name))
  for (const [name, write] of first) {
    const { status } = await write()
    expect([name, status]).toEqual([name, 200])
  }
  expect((await writes['delete by ABF']?.())?.status).toBe(200)
})

test('several mirrors share it, each has its own end; administrators may end all', async () => {
  const { hub, unlock } = await lockedProject()
  const { abf, root, repositoryId: id } = hub
  const machine = await hub.user('mirror')
  await hub.domain.packages.stores.systemUsers.set(machine.user.id, true)
  const add = (who: TestUser, query = '') =>
    abf(who, 'PUT', `repositories/${id}/add_repo_lock_file.json${query}`)
  const remove = (who: TestUser, query = '') =>
    abf(who, 'DELETE', `repositories/${id}/remove_repo_lock_file.json${query}`)
  const file = () => hub.api('/downloads/rosa2012/repository/SRPMS/main/.repo.lock')
  const holders = async () =>
    (await abf(hub.eve, 'GET', `repositories/${id}/projects.json`)).json.repository.repo_lock.map(
      (it: { holder: string }) => it.holder,
    )
  const taken = await add(machine, '?holder=eu-1')
  expect(Date.parse(taken.headers.get('x-lock-expires') ?? '')).toBeGreaterThan(Date.now())
  await add(machine, '?holder=eu-2')
  await add(machine)
  expect(await holders()).toEqual(['ivan', 'mirror/eu-1', 'mirror/eu-2', 'mirror'])
  const seen = await file()
  expect([seen.status, seen.text, seen.headers.get('x-lock-holders')]).toEqual([200, '', '4'])

  await unlock()
  await remove(machine, '?holder=eu-1')
  await remove(machine, '?holder=never')
  expect(await holders()).toEqual(['mirror/eu-2', 'mirror'])
  expect((await file()).status).toBe(200)
  expect((await remove(machine, '?holder=*')).status).toBe(403)
  expect((await remove(root, '?holder=*')).status).toBe(200)
  expect(await holders()).toEqual([])
  const gone = await file()
  expect([gone.status, gone.text]).toEqual([404, 'Not Found\n'])
  const events = await hub.domain.stores.events.list({ limit: 100 })
  expect(events.filter((it) => it.type === 'repo.lock').map((it) => it.data.holder)).toEqual(
    expect.arrayContaining(['ivan', 'mirror/eu-1', 'mirror/eu-2', 'mirror']),
  )
})

test('it outlives the hub, and ends by itself unless renewed', async () => {
  const { hub } = await lockedProject()
  const { repositoryId: id } = hub
  await hub.close()
  const again = await startTestHub({ PACKHORSE_DATA: hub.dataDir })
  const locks = () => again.domain.packages.mirrorLocks.list(id)
  const [lock] = await locks()
  expect(lock?.holder).toBe('ivan')
  const { mirrorLocks, shelves, platforms } = again.domain.packages.stores
  const shelf = await shelves.find(id)
  const platform = shelf && (await platforms.find(shelf.platformId))
  expect(platform?.name).toBe('rosa2012')
  const renewed = await mirrorLocks.acquire(id, 'ivan', 7_200)
  expect(renewed?.createdAt).toBe(lock?.createdAt)
  expect(Date.parse(renewed?.expiresAt ?? '')).toBeGreaterThan(Date.parse(lock?.expiresAt ?? ''))
  await mirrorLocks.acquire(id, 'ivan', 0)
  expect(await locks()).toEqual([])
})

test('it waits for a squash that is under way, and a squash does not begin under it', async () => {
  const { hub, seq, unlock } = await lockedProject()
  const { abf, ivan, repositoryId: id } = hub
  await unlock()
  const repo = await hub.domain.stores.repos.findBySeq(seq)
  if (!repo) throw new Error('no repository')
  const order: string[] = []
  let lock: Promise<unknown> | undefined
  await hub.domain.holds.run(repo, 'squash', 'ivan', async () => {
    lock = abf(ivan, 'PUT', `repositories/${id}/add_repo_lock_file.json`).then((it) =>
      order.push(`lock ${it.status}`),
    )
    await new Promise((resolve) => setTimeout(resolve, 300))
    order.push('squashed')
  })
  await lock
  expect(order).toEqual(['squashed', 'lock 200'])
  await expect(hub.domain.holds.run(repo, 'squash', 'ivan', async () => undefined)).rejects.toThrow(
    LOCKED,
  )
})

test('a slow writer does not keep the lock away, and is refused in the end', async () => {
  const { hub, seq, unlock } = await lockedProject()
  const { ivan, repositoryId: id, domain } = hub
  await unlock()
  const repo = await domain.stores.repos.findBySeq(seq)
  const unmark = await domain.git.markWriter(repo?.id ?? '')
  const { stores } = domain.packages
  const locks = new MirrorLocks({
    ...stores,
    ...domain.stores,
    git: domain.git,
    seconds: 60,
    patienceMs: 200,
  })
  const caller = { ...domain.login.anonymous(''), isSiteAdmin: true, role: 'admin' } as const
  const opened = await domain.packages.shelves.open(caller, id, 'lock')
  await locks.add({ caller, dialect: 'abf' }, opened, 'ivan')
  const late = await hub.api('/api/models/ivan/tools/branch/late', {
    as: ivan,
    body: { startingPoint: 'master' },
  })
  expect([late.status, late.text]).toEqual([423, expect.stringMatching(LOCKED)])
  await unmark()
})

test('of a hidden platform it is shown to members and platform tokens only', async () => {
  const { hub } = await lockedProject()
  const { abf, ivan, eve, platformId } = hub
  const path = '/downloads/rosa2012/repository/SRPMS/main/.repo.lock'
  await abf(ivan, 'PUT', `platforms/${platformId}.json`, { platform: { visibility: 'hidden' } })
  const status = async (headers: Record<string, string> = {}) =>
    (await hub.api(path, { headers })).status
  const as = (user: string, password = '') => ({
    Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
  })
  expect(await status()).toBe(404)
  expect(await status(as('eve', 'eve-password'))).toBe(404)
  expect(await status(as('ivan', 'ivan-password'))).toBe(200)
  const token = { platform_id: platformId, description: 'mirror' }
  expect((await abf(eve, 'POST', 'tokens.json', { token })).status).toBe(403)
  const made = (await abf(ivan, 'POST', 'tokens.json', { token })).json.token
  expect(await status(as(made.authentication_token))).toBe(200)
  expect(await status(as(`pt_${'0'.repeat(40)}`))).toBe(404)
  const allowed = async (headers = {}) =>
    (await hub.api('/api/v1/platforms/allowed?path=/rosa2012/repository/SRPMS/main', { headers }))
      .status
  expect([await allowed(), await allowed(as(made.authentication_token))]).toEqual([403, 200])
  const shown = (await abf(ivan, 'GET', `tokens/${made.id}.json`)).json.token
  expect([shown.authentication_token, shown.status]).toEqual([null, 'active'])
  await abf(ivan, 'PUT', `tokens/${made.id}/deactivate.json`)
  expect(await status(as(made.authentication_token))).toBe(404)
  await abf(ivan, 'PUT', `tokens/${made.id}/activate.json`)
  expect(await status(as(made.authentication_token))).toBe(200)
  await abf(ivan, 'DELETE', `tokens/${made.id}.json`)
  expect(await status(as(made.authentication_token))).toBe(404)
})
