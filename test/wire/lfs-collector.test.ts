import { access, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { HUB_ACTOR } from '../../src/domain/events/events.js'
import { formatLfsPointer } from '../../src/protocol/lfs-pointer.js'
import { gitOk, startTestHub, type TestHub, type TestUser, tempDir } from '../support/hub.js'
import {
  batch,
  createRepo,
  download,
  pointerOf,
  put,
  randomObject,
  repoOf,
  storedKeys,
  type TestObject,
  uploadAll,
} from '../support/lfs.js'

/* Which LFS objects are freed, and which must not be. Pointers are pushed with git alone: no client helps. */

async function start(env: Record<string, string> = {}) {
  const hub = await startTestHub(env)
  const ada = await hub.user('ada')
  await createRepo(hub, ada, 'r')
  const work = await cloneOf(hub, ada, 'ada/r')
  return { hub, ada, work }
}

async function cloneOf(hub: TestHub, as: TestUser, path: string): Promise<string> {
  const dir = await tempDir()
  await gitOk(dir, ['init', '-q', 'work'])
  const work = join(dir, 'work')
  await gitOk(work, ['remote', 'add', 'origin', hub.gitUrl(path, as)])
  return work
}

async function commit(work: string, path: string, object: TestObject, branch = 'main') {
  await gitOk(work, ['checkout', '-q', '-B', branch])
  await writeFile(join(work, path), formatLfsPointer(object))
  await gitOk(work, ['add', '.'])
  await gitOk(work, ['commit', '-q', '-m', path])
}

const push = (work: string, ...args: string[]) => gitOk(work, ['push', '-q', 'origin', ...args])

async function pushed(
  { hub, ada, work }: Awaited<ReturnType<typeof start>>,
  object: TestObject,
  branch = 'main',
) {
  await uploadAll(hub, 'ada/r', ada, [object])
  await commit(work, object.oid.slice(0, 8), object, branch)
  await push(work, branch)
}

/** Dry run first: it must say what the real one then does, and do nothing. */
async function collect(hub: TestHub, graceSeconds = 0) {
  const before = await storedKeys(hub)
  const planned = await hub.domain.collector.collect({ dryRun: true, graceSeconds })
  expect(await storedKeys(hub)).toEqual(before)
  const report = await hub.domain.collector.collect({ dryRun: false, graceSeconds })
  expect(report).toEqual(planned)
  expect((await storedKeys(hub)).length).toBe(before.length - report.objects)
  return report
}

const NOTHING = { unlinked: 0, objects: 0, bytes: 0, unreadable: 0 }
const has = async (hub: TestHub, as: TestUser, object: TestObject) =>
  Buffer.isBuffer(await download(hub, 'ada/r', as, object))

describe('stays', () => {
  test.each([
    ['a branch', 'other'],
    ['a tag', 'refs/tags/v1'],
    ['an annotated tag', 'refs/tags/v2'],
    ['a pull request', 'refs/pr/1'],
    ['any other ref', 'refs/notes/x'],
  ])('what %s reaches, after the branch moved away', async (_, ref) => {
    const it = await start()
    const [kept, next] = [randomObject(100), randomObject(100)]
    await pushed(it, kept)
    if (ref === 'refs/tags/v2') await gitOk(it.work, ['tag', '-a', '-m', 'x', 'v2'])
    await push(
      it.work,
      ref === 'refs/tags/v2' ? ref : `HEAD:${ref === 'other' ? 'refs/heads/other' : ref}`,
    )
    await gitOk(it.work, ['checkout', '-q', '--orphan', 'fresh'])
    await gitOk(it.work, ['rm', '-q', '-rf', '.'])
    await it.hub.domain.jobs.drain()
    await uploadAll(it.hub, 'ada/r', it.ada, [next])
    await commit(it.work, 'next', next, 'fresh')
    await push(it.work, '-f', 'HEAD:main')
    expect(await collect(it.hub)).toEqual(NOTHING)
    expect(await has(it.hub, it.ada, kept)).toBe(true)
  })

  test('what was uploaded and not pushed yet, and what a batch offered or called stored', async () => {
    const { hub, ada, work } = await start()
    const [one, two] = [randomObject(100), randomObject(100)]
    await uploadAll(hub, 'ada/r', ada, [one])
    const offered = await batch(hub, 'ada/r', 'upload', [pointerOf(two)], { as: ada })
    expect(await collect(hub)).toEqual(NOTHING)
    const upload = offered.objects[0]?.actions?.upload
    if (!upload) throw new Error('no action')
    expect((await put(upload, two.bytes)).status).toBe(200)
    expect(await collect(hub)).toEqual(NOTHING)
    for (const object of [one, two]) await commit(work, object.oid, object)
    await push(work, 'main')
    expect(await collect(hub)).toEqual(NOTHING)
    for (const object of [one, two]) expect(await has(hub, ada, object)).toBe(true)
  })

  test('what a batch called stored while no ref reached it any more', async () => {
    const it = await start()
    const [first, old] = [randomObject(100), randomObject(100)]
    await pushed(it, first)
    await pushed(it, old, 'side')
    await push(it.work, '--delete', 'side')
    const { objects } = await batch(it.hub, 'ada/r', 'upload', [pointerOf(old)], { as: it.ada })
    expect(objects[0]?.actions).toBeUndefined()
    expect(await collect(it.hub)).toEqual(NOTHING)
    await commit(it.work, 'again', old, 'side')
    await push(it.work, 'side')
    expect(await has(it.hub, it.ada, old)).toBe(true)
  })

  test('what is younger than the grace', async () => {
    const it = await start()
    const [kept, object] = [randomObject(100), randomObject(100)]
    await pushed(it, kept)
    await pushed(it, object, 'side')
    await push(it.work, '--delete', 'side')
    expect(await collect(it.hub, 3600)).toEqual({
      unlinked: 1,
      objects: 0,
      bytes: 0,
      unreadable: 0,
    })
    expect(await collect(it.hub)).toEqual({ unlinked: 0, objects: 1, bytes: 100, unreadable: 0 })
  })
})

describe('goes', () => {
  test('what a deleted branch and a force push leave behind; the repository then says it is gone', async () => {
    const it = await start()
    const [kept, forced, branch] = [randomObject(100), randomObject(1000), randomObject(10_000)]
    await pushed(it, kept)
    await pushed(it, branch, 'side')
    await gitOk(it.work, ['checkout', '-q', 'main'])
    await pushed(it, forced)
    await push(it.work, '--delete', 'side')
    await gitOk(it.work, ['reset', '-q', '--hard', 'HEAD~1'])
    await push(it.work, '-f', 'main')
    expect(await collect(it.hub)).toEqual({ unlinked: 2, objects: 2, bytes: 11_000, unreadable: 0 })
    expect(await has(it.hub, it.ada, kept)).toBe(true)
    for (const object of [forced, branch])
      expect(await download(it.hub, 'ada/r', it.ada, object)).toBe(410)
    expect((await repoOf(it.hub, 'ada', 'r')).lfsBytes).toBe(100)
    await uploadAll(it.hub, 'ada/r', it.ada, [forced])
    expect(await has(it.hub, it.ada, forced)).toBe(true)
  })

  test('what a squash leaves behind', async () => {
    const it = await start()
    const [kept, old] = [randomObject(100), randomObject(1000)]
    await pushed(it, old)
    await gitOk(it.work, ['rm', '-q', '-rf', '.'])
    await pushed(it, kept)
    const body = { repo: 'ada/r', type: 'model' }
    expect((await it.hub.api('/api/repos/squash', { as: it.ada, body })).status).toBe(200)
    const freed = async () => (await repoOf(it.hub, 'ada', 'r')).lfsBytes === 100
    while (!(await freed())) await new Promise((resolve) => setTimeout(resolve, 50))
    expect(await collect(it.hub)).toEqual({ unlinked: 0, objects: 1, bytes: 1000, unreadable: 0 })
    expect(await has(it.hub, it.ada, kept)).toBe(true)
  })

  test('what only a deleted repository had; what it shared stays', async () => {
    const it = await start()
    await createRepo(it.hub, it.ada, 'doomed')
    const [shared, own] = [randomObject(100), randomObject(1000)]
    await pushed(it, shared)
    await uploadAll(it.hub, 'ada/doomed', it.ada, [shared, own])
    const { id } = await repoOf(it.hub, 'ada', 'doomed')
    const body = { name: 'doomed' }
    await it.hub.api('/api/repos/delete', { method: 'DELETE', as: it.ada, body })
    while (await it.hub.domain.stores.repos.findById(id))
      await new Promise((resolve) => setTimeout(resolve, 20))
    await it.hub.domain.collector.collect({ dryRun: false, graceSeconds: 0 })
    expect(await it.hub.domain.stores.lfs.findObject(own.oid)).toBeUndefined()
    expect(await storedKeys(it.hub)).toHaveLength(1)
    expect(await has(it.hub, it.ada, shared)).toBe(true)
  })
})

describe('cut off', () => {
  test('between forgetting the object and deleting its bytes: the next start deletes them', async () => {
    const it = await start()
    const object = randomObject(100)
    await uploadAll(it.hub, 'ada/r', it.ada, [object])
    const repo = await repoOf(it.hub, 'ada', 'r')
    const { lfs } = it.hub.domain.stores
    await lfs.release(repo.id, [object.oid])
    await lfs.condemn(repo.id, [object.oid])
    expect(await lfs.unlinkCondemned(repo.id, [object.oid], repo.refsDigest)).toBe(1)
    expect(await lfs.takeOrphan(object.oid)).toBe(true)
    const [key = ''] = await storedKeys(it.hub)
    await it.hub.close()
    const again = await startTestHub({ PACKHORSE_DATA: it.hub.dataDir })
    await expect(access(join(it.hub.dataDir, 'objects', key))).rejects.toThrow('ENOENT')
    expect(await lfsOf(again).listDiscards('', 10)).toEqual([])
  })

  test('after the bytes came and before the object was written down: they expire', async () => {
    const it = await start()
    const object = randomObject(100)
    const repo = await repoOf(it.hub, 'ada', 'r')
    const past = new Date(Date.now() - 1000).toISOString()
    const opened = await lfsOf(it.hub).openUploads(repo.id, [pointerOf(object)], past)
    const key = opened.get(object.oid)?.key ?? ''
    const never = new AbortController().signal
    await it.hub.domain.store.put(key, Readable.from([object.bytes]), {}, never)
    expect(await storedKeys(it.hub)).toEqual([key])
    await it.hub.domain.collector.collect({ dryRun: false, graceSeconds: 86_400 })
    expect(await storedKeys(it.hub)).toEqual([])
  })

  test('an upload begun before its object was collected ends with the object', async () => {
    const it = await start()
    const object = randomObject(100)
    await createRepo(it.hub, it.ada, 'other')
    await uploadAll(it.hub, 'ada/other', it.ada, [object])
    const { lfs } = it.hub.domain.stores
    const other = await repoOf(it.hub, 'ada', 'other')
    const repo = await repoOf(it.hub, 'ada', 'r')
    const opened = await lfs.openUploads(repo.id, [pointerOf(object)], later())
    await lfs.release(other.id, [object.oid])
    await lfs.condemn(other.id, [object.oid])
    await lfs.unlinkCondemned(other.id, [object.oid], other.refsDigest)
    expect(await lfs.takeOrphan(object.oid)).toBe(true)
    const upload = opened.get(object.oid)
    if (!upload) throw new Error('no upload')
    const never = new AbortController().signal
    await it.hub.domain.store.put(upload.key, Readable.from([object.bytes]), {}, never)
    const order = { leaseUntil: later(), writableUntil: null }
    expect(await lfs.finishUpload(upload.id, order)).toBe('stored')
    // whoever deletes the old copy now, and however often, does not hit the new one
    await it.hub.domain.collector.finishDeletions()
    await it.hub.domain.collector.finishDeletions()
    expect(await has(it.hub, it.ada, object)).toBe(true)
  })
})

test('a mark on a link is lifted by whoever needs the object, and by a ref that reaches it again', async () => {
  const it = await start()
  const object = randomObject(100)
  await pushed(it, object)
  const repo = await repoOf(it.hub, 'ada', 'r')
  const lfs = lfsOf(it.hub)
  const marked = async () => (await lfs.listLinks(repo.id, '', 10)).filter((link) => link.condemned)
  expect(await lfs.condemn(repo.id, [object.oid])).toEqual([object.oid])
  expect(await has(it.hub, it.ada, object)).toBe(true)
  expect(await it.hub.domain.collector.releaseUnreachable(repo)).toBe(0)
  expect(await marked()).toEqual([])
  await lfs.condemn(repo.id, [object.oid])
  await it.hub.domain.policy.missingPointers(repo, [pointerOf(object)])
  expect(await marked()).toEqual([])
  expect(await lfs.condemn(repo.id, [object.oid])).toEqual([])
  await lfs.release(repo.id, [object.oid])
  await lfs.condemn(repo.id, [object.oid])
  expect(await lfs.unlinkCondemned(repo.id, [object.oid], 'another digest')).toBe(0)
})

test('links wait while a writer is at work that may have looked before they were marked', async () => {
  const it = await start()
  const [kept, object] = [randomObject(100), randomObject(100)]
  await pushed(it, kept)
  await pushed(it, object, 'side')
  const tip = await gitOk(it.work, ['rev-parse', 'side'])
  await push(it.work, '--delete', 'side')
  const repo = await repoOf(it.hub, 'ada', 'r')
  const { git, recorder, collector } = it.hub.domain
  const unmark = await git.markWriter(repo.id)
  const collecting = collector.releaseUnreachable(repo)
  const { lfs } = it.hub.domain.stores
  while (!(await lfs.listLinks(repo.id, '', 10)).some((link) => link.condemned))
    await new Promise((resolve) => setTimeout(resolve, 5))
  await git.updateRefs(repo.id, [{ name: 'refs/heads/back', oldOid: null, newOid: tip }])
  await recorder.recordRefUpdates(repo.id, HUB_ACTOR)
  await unmark()
  expect(await collecting).toBe(0)
  expect(await has(it.hub, it.ada, object)).toBe(true)
})

const lfsOf = (hub: TestHub) => hub.domain.stores.lfs
const later = () => new Date(Date.now() + 3600_000).toISOString()
