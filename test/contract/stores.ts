import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { HubEvent, RepoKind, User } from '../../src/domain/types.js'
import { newRepoId } from '../../src/lib/ids.js'
import type { Stores } from '../../src/storage/db/index.js'

/* What every database keeps, whatever it is made of. `open` answers fresh, empty stores; `again` the same ones reopened. */

export interface OpenStores {
  readonly stores: Stores
  /** A second process on the same data; absent where there can be none. */
  readonly again?: () => Promise<Stores>
}

const NO_QUOTAS = { privateBytes: null, publicBytes: null }
const oidOf = () => randomBytes(32).toString('hex')
const later = (ms = 3600_000) => new Date(Date.now() + ms).toISOString()
const event: HubEvent = {
  type: 'test',
  repo: undefined,
  actor: { id: null, name: null, address: '' },
  dialect: 'test',
  data: {},
}

function makers(stores: Stores) {
  const user = (name: string): Promise<User> =>
    stores.accounts.createUser({
      name,
      email: `${name}@example.org`,
      fullname: null,
      passwordHash: null,
      isSiteAdmin: false,
      quotas: NO_QUOTAS,
    } as Parameters<Stores['accounts']['createUser']>[0])
  const planned = (namespaceId: number, name: string, kind: RepoKind = 'model') =>
    ({
      id: newRepoId(),
      kind,
      namespaceId,
      name,
      visibility: 'public',
      description: '',
      defaultBranch: 'main',
      objectFormat: 'sha1',
      sdk: null,
      owner: 'test',
    }) as Parameters<Stores['repos']['create']>[0]
  const repo = async (namespaceId: number, name: string, kind?: RepoKind) => {
    const made = await stores.repos.create(planned(namespaceId, name, kind))
    await stores.repos.markReady(made.id, event)
    return made
  }
  return { user, planned, repo }
}

export function storesContract(name: string, open: () => Promise<OpenStores>): void {
  describe(`${name} names`, () => {
    test('are equal without case, dash and underscore, within a kind and a namespace', async () => {
      const { stores } = await open()
      const { user, planned, repo } = makers(stores)
      const [ada, bob] = [await user('ada'), await user('bob')]
      await repo(ada.id, 'My-Model_1')
      for (const same of ['My-Model_1', 'my-model-1', 'MYMODEL1', 'my_model1'])
        await expect(stores.repos.create(planned(ada.id, same))).rejects.toMatchObject({
          code: 'repo_exists',
        })
      await repo(ada.id, 'my.model.1')
      await repo(ada.id, 'My-Model_1', 'dataset')
      await repo(bob.id, 'My-Model_1')
      await expect(user('A-da')).rejects.toMatchObject({ code: 'conflict' })
    })

    test('of two that are made at once one wins', async () => {
      const { stores } = await open()
      const { user, planned } = makers(stores)
      const ada = await user('ada')
      const made = await Promise.allSettled(
        ['x-y', 'x_y', 'XY'].map((it) => stores.repos.create(planned(ada.id, it))),
      )
      expect(made.filter((it) => it.status === 'fulfilled')).toHaveLength(1)
    })

    test('redirect after a move until somebody takes them, and are free after a deletion', async () => {
      const { stores } = await open()
      const { user, repo } = makers(stores)
      const ada = await user('ada')
      const one = await repo(ada.id, 'one')
      const at = (it: string) => ({ kind: 'model' as const, namespace: 'ada', name: it })
      const options = { redirect: true, requireRoom: false, event }
      await stores.repos.move(one.id, { namespaceId: ada.id, name: 'two' }, options)
      expect(await stores.repos.findByAddress(at('one'))).toBeUndefined()
      expect((await stores.repos.findRedirect(at('one')))?.id).toBe(one.id)
      await stores.repos.move(one.id, { namespaceId: ada.id, name: 'three' }, options)
      for (const old of ['one', 'two'])
        expect((await stores.repos.findRedirect(at(old)))?.name).toBe('three')
      const taker = await repo(ada.id, 'One')
      expect(await stores.repos.findRedirect(at('one'))).toBeUndefined()
      await expect(
        stores.repos.move(one.id, { namespaceId: ada.id, name: 'ONE' }, options),
      ).rejects.toMatchObject({ code: 'repo_exists' })
      await stores.repos.markDeleting(taker.id, event)
      await repo(ada.id, 'one')
      await stores.repos.markDeleting(one.id, event)
      expect(await stores.repos.findRedirect(at('two'))).toBeUndefined()
    })
  })

  describe(`${name} holds`, () => {
    test('keep others out until they are released or their time is over', async () => {
      const { stores } = await open()
      const { user, repo } = makers(stores)
      const { id: repoId } = await repo((await user('ada')).id, 'r')
      const order = { repoId, kind: 'squash', holder: 'ada', owner: 'p1', seconds: 60 }
      const [first, second] = await Promise.all([
        stores.holds.acquire(order),
        stores.holds.acquire({ ...order, owner: 'p2' }),
      ])
      expect([first, second].filter((it) => it)).toHaveLength(1)
      const held = first ?? second
      expect(await stores.holds.find(repoId)).toEqual([held])
      expect(await stores.holds.renew(held?.id ?? '', 60)).toBe(true)
      await stores.holds.release(held?.id ?? '')
      expect(await stores.holds.renew(held?.id ?? '', 60)).toBe(false)
      await stores.holds.acquire({ ...order, seconds: -1 })
      expect(await stores.holds.find(repoId)).toEqual([])
      const next = await stores.holds.acquire(order)
      expect(next).toBeDefined()
      await stores.holds.releaseOwner('p1')
      expect(await stores.holds.listOwners()).toEqual([])
    })
  })

  describe(`${name} jobs`, () => {
    test('are claimed by one, again after their lease, and gone when finished', async () => {
      const { stores, again } = await open()
      await stores.jobs.enqueue({ kind: 'k', key: 'a', data: { n: 1 } })
      const other = (await again?.()) ?? stores
      const [one, two] = await Promise.all([
        stores.jobs.claim('p1', 60),
        other.jobs.claim('p2', 60),
      ])
      expect([one, two].filter((it) => it)).toHaveLength(1)
      const job = one ?? two
      const owner = one ? 'p1' : 'p2'
      expect(job).toMatchObject({ kind: 'k', key: 'a', data: { n: 1 }, attempts: 1 })
      expect(await stores.jobs.renew(job?.id ?? 0, 'nobody', 60)).toBe(false)
      expect(await stores.jobs.renew(job?.id ?? 0, owner, -1)).toBe(true)
      expect(await stores.jobs.claim('p3', 60)).toMatchObject({ id: job?.id, attempts: 2 })
      await stores.jobs.finish(job?.id ?? 0, owner)
      expect(await stores.jobs.counts()).toMatchObject({ running: 1 })
      await stores.jobs.finish(job?.id ?? 0, 'p3')
      expect(await stores.jobs.counts()).toMatchObject({ waiting: 0, running: 0 })
    })

    test('asked for again while they run, run again; one waits per kind and key', async () => {
      const { stores } = await open()
      for (const n of [1, 2]) await stores.jobs.enqueue({ kind: 'k', key: 'a', data: { n } })
      expect(await stores.jobs.counts()).toMatchObject({ waiting: 1 })
      const job = await stores.jobs.claim('p', 60)
      expect(job?.data).toEqual({ n: 2 })
      await stores.jobs.enqueue({ kind: 'k', key: 'a', data: { n: 3 } })
      expect(await stores.jobs.claim('q', 60)).toBeUndefined()
      await stores.jobs.finish(job?.id ?? 0, 'p')
      const rerun = await stores.jobs.claim('q', 60)
      expect(rerun).toMatchObject({ data: { n: 3 }, attempts: 1 })
      await stores.jobs.fail(rerun?.id ?? 0, 'q', 'broken', 60_000)
      expect(await stores.jobs.claim('q', 60)).toBeUndefined()
      await stores.jobs.enqueue({ kind: 'k', key: 'a' })
      expect(await stores.jobs.claim('q', 60)).toMatchObject({ attempts: 2 })
    })

    test('do not run before their time', async () => {
      const { stores } = await open()
      await stores.jobs.enqueue({ kind: 'k', key: 'a', delayMs: 60_000 })
      expect(await stores.jobs.claim('p', 60)).toBeUndefined()
      await stores.jobs.enqueue({ kind: 'k', key: 'a' })
      expect(await stores.jobs.claim('p', 60)).toMatchObject({ key: 'a' })
    })
  })

  describe(`${name} LFS rows`, () => {
    async function start() {
      const opened = await open()
      const { user, repo } = makers(opened.stores)
      const ada = await user('ada')
      const { id } = await repo(ada.id, 'r')
      const { lfs } = opened.stores
      const put = async (repoId: string, object: { oid: string; size: number }, keep = false) => {
        const upload = (await lfs.openUploads(repoId, [object], later())).get(object.oid)
        const leaseUntil = later(keep ? 3600_000 : -1000)
        return lfs.finishUpload(upload?.id ?? '', { leaseUntil, writableUntil: null })
      }
      return { ...opened, ada, id, lfs, put, repo }
    }

    test('an upload has one key until it ends, and its object takes it over', async () => {
      const { lfs, id } = await start()
      const object = { oid: oidOf(), size: 7 }
      const open1 = await lfs.openUploads(id, [object, object], later())
      const open2 = await lfs.openUploads(id, [object], later())
      const upload = open1.get(object.oid)
      expect(open2.get(object.oid)?.key).toBe(upload?.key)
      expect(upload?.key).toContain(object.oid)
      const other = (await lfs.openUploads(id, [{ ...object, size: 8 }], later())).get(object.oid)
      expect([other?.size, other?.key === upload?.key]).toEqual([8, false])
      const order = { leaseUntil: later(), writableUntil: null }
      expect(await lfs.finishUpload(upload?.id ?? '', order)).toBe('ended')
      expect(await lfs.finishUpload(other?.id ?? '', order)).toBe('stored')
      expect((await lfs.findLinked(id, [object.oid])).get(object.oid)).toMatchObject({
        key: other?.key,
        size: 8,
      })
      expect((await lfs.listDiscards('', 10)).map((it) => it.key)).toEqual([upload?.key])
    })

    test('of two uploads of one object the second is surplus, and both repositories are linked', async () => {
      const { stores, lfs, id, put, ada, repo } = await start()
      const other = await repo(ada.id, 'other')
      const object = { oid: oidOf(), size: 100 }
      const finished = await Promise.all([put(id, object), put(other.id, object)])
      expect(finished.sort()).toEqual(['stored', 'surplus'])
      for (const it of [id, other.id]) {
        expect((await lfs.findLinked(it, [object.oid])).size).toBe(1)
        expect((await stores.repos.findById(it))?.lfsBytes).toBe(100)
      }
      expect(await lfs.listDiscards('', 10)).toHaveLength(1)
    })

    test('a lease keeps links and objects, lifts marks, and ends', async () => {
      const { stores, lfs, id, put } = await start()
      const object = { oid: oidOf(), size: 1 }
      await put(id, object)
      const digest = (await stores.repos.findById(id))?.refsDigest ?? ''
      expect(await lfs.condemn(id, [object.oid])).toEqual([object.oid])
      await lfs.lease(id, [object, object], later())
      expect(await lfs.unlinkCondemned(id, [object.oid], digest)).toBe(0)
      expect(await lfs.condemn(id, [object.oid])).toEqual([])
      expect(await lfs.listUnleased(id, [object.oid])).toEqual([])
      await lfs.release(id, [object.oid])
      expect(await lfs.unlinkCondemned(id, [object.oid], digest)).toBe(0)
      await lfs.condemn(id, [object.oid])
      expect(await lfs.unlinkCondemned(id, [object.oid], 'other refs')).toBe(0)
      await lfs.lease(id, [object], later(-1))
      await lfs.condemn(id, [object.oid])
      expect(await lfs.unlinkCondemned(id, [object.oid], digest)).toBe(1)
      expect(await lfs.findRemoved(id, [object.oid])).toEqual(new Set([object.oid]))
      expect((await stores.repos.findById(id))?.lfsBytes).toBe(0)
      await lfs.lease(id, [object], later())
      expect(await lfs.takeOrphan(object.oid)).toBe(false)
      await lfs.release(id, [object.oid])
      expect(await lfs.takeOrphan(object.oid)).toBe(true)
      expect(await lfs.takeOrphan(object.oid)).toBe(false)
      expect(await lfs.link(id, [object])).toEqual(new Set())
    })

    test('lists come in pages that miss nothing', async () => {
      const { lfs, id, put } = await start()
      const objects = Array.from({ length: 25 }, () => ({ oid: oidOf(), size: 1 }))
      for (const object of objects) await put(id, object)
      const paged = async (list: (after: string) => Promise<readonly { oid: string }[]>) => {
        const seen: string[] = []
        for (let after = ''; ; ) {
          const page = await list(after)
          seen.push(...page.map((it) => it.oid))
          const last = page.at(-1)
          if (!last) return seen
          after = last.oid
        }
      }
      const sorted = objects.map((it) => it.oid).sort()
      expect(await paged((after) => lfs.listLinks(id, after, 10))).toEqual(sorted)
      expect(await paged((after) => lfs.scanObjects(after, 7))).toEqual(sorted)
      await lfs.condemn(id, sorted)
      await lfs.unlinkCondemned(id, sorted, '')
      expect(await paged((after) => lfs.listOrphans(later(), after, 10))).toEqual(sorted)
      expect(await lfs.listOrphans(later(-3600_000), '', 10)).toEqual([])
    })

    test('a lock is one per path', async () => {
      const { lfs, id, ada } = await start()
      const order = { path: 'a', ref: null, ownerId: ada.id, ownerName: 'ada' }
      const lock = await lfs.createLock(id, order)
      await expect(lfs.createLock(id, order)).rejects.toMatchObject({
        code: 'conflict',
        facts: { lock },
      })
      expect(await lfs.deleteLock(id, lock.id)).toBe(true)
      expect(await lfs.deleteLock(id, lock.id)).toBe(false)
    })
  })

  describe(`${name} quotas`, () => {
    test('charge a namespace each object once, a repository all of its own', async () => {
      const { stores } = await open()
      const { user, repo } = makers(stores)
      const ada = await user('ada')
      const [one, two] = [await repo(ada.id, 'one'), await repo(ada.id, 'two')]
      const object = { oid: oidOf(), size: 1000 }
      const { lfs } = stores
      for (const { id } of [one, two]) {
        const upload = (await lfs.openUploads(id, [object], later())).get(object.oid)
        const options = { leaseUntil: later(), writableUntil: null }
        await lfs.finishUpload(upload?.id ?? '', options)
      }
      expect(await stores.quotas.usage(ada.id)).toEqual({ publicBytes: 1000, privateBytes: 0 })
      expect((await stores.repos.findById(two.id))?.lfsBytes).toBe(1000)
      expect(await stores.quotas.recountRepo(two.id)).toBe(1000)
      await stores.repos.updateSettings(two.id, { visibility: 'private' }, event)
      expect(await stores.quotas.usage(ada.id)).toEqual({ publicBytes: 1000, privateBytes: 1000 })
    })

    test('reservations made at once do not overshoot together', async () => {
      const { stores } = await open()
      const { user, repo } = makers(stores)
      const ada = await user('ada')
      const { id: repoId } = await repo(ada.id, 'r')
      await stores.accounts.setNamespaceQuotas(ada.id, { publicBytes: 1000 })
      const reserve = (bytes: number) =>
        stores.quotas.reserve({ repoId, objects: [], bytes, expiresAt: later() })
      const all = await Promise.allSettled([600, 600, 600].map(reserve))
      expect(all.filter((it) => it.status === 'fulfilled')).toHaveLength(1)
      const objects = [{ oid: oidOf(), size: 400 }]
      const order = { repoId, objects, bytes: 0, expiresAt: later() }
      await stores.quotas.reserve(order)
      await stores.quotas.reserve(order)
      await expect(reserve(1)).rejects.toMatchObject({ code: 'quota_exceeded' })
    })
  })

  describe(`${name} lists`, () => {
    test('of repositories come in pages by key, in any order', async () => {
      const { stores } = await open()
      const { user, repo } = makers(stores)
      const ada = await user('ada')
      for (let n = 0; n < 23; n += 1) await repo(ada.id, `r${n}`)
      for (const order of ['asc', 'desc'] as const) {
        const seen: string[] = []
        for (let after: { value: string; seq: number } | undefined; ; ) {
          const query = { sort: 'name', order, limit: 5, visibleTo: undefined } as const
          const page = await stores.repos.list({ ...query, ...(after ? { after } : {}) })
          seen.push(...page.map((it) => it.name))
          const last = page.at(-1)
          if (!last) break
          after = { value: last.name, seq: last.seq }
        }
        expect([seen.length, new Set(seen).size]).toEqual([23, 23])
        const sorted = [...seen].sort()
        expect(seen).toEqual(order === 'asc' ? sorted : sorted.reverse())
      }
    })

    test('show a caller what is public, theirs, or shared with them, and no more', async () => {
      const { stores } = await open()
      const { user, repo } = makers(stores)
      const [ada, bob] = [await user('ada'), await user('bob')]
      for (const it of ['public', 'internal', 'private', 'shared'] as const) {
        const { id } = await repo(ada.id, it)
        const visibility = it === 'shared' ? 'private' : it
        await stores.repos.updateSettings(id, { visibility }, event)
        if (it === 'shared') await stores.repos.setMember(id, bob.id, 'reader')
      }
      const seen = async (userId: number | null, namespaceIds: number[]) =>
        (
          await stores.repos.list({
            sort: 'name',
            order: 'asc',
            limit: 10,
            visibleTo: { userId, namespaceIds },
          })
        ).map((it) => it.name)
      expect(await seen(null, [])).toEqual(['public'])
      expect(await seen(bob.id, [bob.id])).toEqual(['internal', 'public', 'shared'])
      expect(await seen(ada.id, [ada.id])).toHaveLength(4)
    })
  })
}
