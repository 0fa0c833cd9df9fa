import { randomBytes } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import { Access } from '../../src/domain/access/access.js'
import { HUB_ACTOR } from '../../src/domain/events/events.js'
import { LfsObjects } from '../../src/domain/lfs/objects.js'
import type { GitEngine } from '../../src/domain/ports.js'
import { Quotas } from '../../src/domain/quotas/quotas.js'
import { PushPolicy } from '../../src/domain/refs/push-policy.js'
import { newRepoId } from '../../src/lib/ids.js'
import { openStores } from '../../src/storage/db/index.js'
import { diskStore } from '../../src/storage/objects/disk.js'
import { tempDir } from '../support/hub.js'

/* The cost of a batch in statements: pages of the list, never one for each object. */

async function start() {
  const statements: string[] = []
  const stores = await openStores(':memory:', (sql) => statements.push(sql))
  onTestFinished(() => stores.close())
  const quotas = new Quotas(stores)
  const access = new Access(stores.repos, stores.accessRequests)
  const rules = {
    forcePush: 'admins',
    defaultBranchDelete: 'refuse',
    allowMissingLfs: false,
  } as const
  const git = undefined as unknown as GitEngine // a batch asks git nothing
  const policy = new PushPolicy({ ...stores, git, quotas, rules, guards: [] })
  const objects = new LfsObjects({
    ...stores,
    store: await diskStore(await tempDir()),
    access,
    quotas,
    policy,
    chunked: { openObject: () => Promise.reject(new Error('nothing is chunked here')) },
    limits: {
      maxBytes: 1e12,
      multipartBytes: 1e9,
      partBytes: 1e8,
      actionSeconds: 3600,
      graceSeconds: 3600,
    },
  })
  const ada = await stores.accounts.createUser({
    name: 'ada',
    email: null,
    fullname: null,
    passwordHash: null,
    isSiteAdmin: false,
    quotas: { privateBytes: 1e12, publicBytes: 1e12 },
  } as Parameters<typeof stores.accounts.createUser>[0])
  const make = async (name: string) => {
    const repo = await stores.repos.create({
      id: newRepoId(),
      kind: 'model',
      namespaceId: ada.id,
      name,
      visibility: 'public',
      description: '',
      defaultBranch: 'main',
      objectFormat: 'sha1',
      sdk: null,
      owner: 'test',
    } as Parameters<typeof stores.repos.create>[0])
    await stores.repos.markReady(repo.id, {
      type: 'test',
      repo: undefined,
      actor: { id: null, name: null, address: '' },
      dialect: 'test',
      data: {},
    })
    const ready = await stores.repos.findById(repo.id)
    if (!ready) throw new Error('no repository')
    return ready
  }
  const count = async (work: () => Promise<unknown>) => {
    statements.length = 0
    await work()
    return statements.length
  }
  return { stores, objects, make, count }
}

const listOf = (length: number) =>
  Array.from({ length }, () => ({ oid: randomBytes(32).toString('hex'), size: 10 }))
const client = { parts: false, headers: true }
const later = new Date(Date.now() + 3600_000).toISOString()

test('a batch of 1,000 costs hardly more statements than one of 1', async () => {
  const { stores, objects, make, count } = await start()
  const [repo, other] = [await make('r'), await make('other')]
  const store = async (list: readonly { oid: string; size: number }[]) => {
    const options = { leaseUntil: later, writableUntil: null }
    for (const { id } of (await stores.lfs.openUploads(other.id, list, later)).values())
      await stores.lfs.finishUpload(id, options)
  }
  const plan = (list: readonly { oid: string; size: number }[]) =>
    objects.planUpload(repo, HUB_ACTOR.caller, list, client)
  const fresh = listOf(1000)
  const adopted = listOf(1000)
  const single = [listOf(1), listOf(1)] as const
  await store([...adopted, ...single[1]])
  const costs = {
    one: [
      await count(() => plan(single[0])),
      await count(() => plan(single[1])),
      await count(() => plan(single[1])),
      await count(() => objects.planDownload(repo, single[1])),
    ],
    thousand: [
      await count(() => plan(fresh)),
      await count(() => plan(adopted)),
      await count(() => plan(adopted)),
      await count(() => objects.planDownload(repo, adopted)),
    ],
  }
  const steps = await plan([...fresh.slice(0, 1), ...adopted.slice(0, 1)])
  expect(steps.map((it) => it.type)).toEqual(['proxied', 'stored'])
  // 500 rows a statement: one page more of each
  for (const [at, cost] of costs.thousand.entries()) {
    expect(costs.one[at]).toBeGreaterThan(0)
    expect(cost).toBeLessThanOrEqual((costs.one[at] ?? 0) * 2)
    expect(cost).toBeLessThan(40)
  }
})
