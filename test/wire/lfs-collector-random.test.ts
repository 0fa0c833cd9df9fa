import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { HubError } from '../../src/domain/errors.js'
import { HUB_ACTOR } from '../../src/domain/events/events.js'
import type { Repo } from '../../src/domain/types.js'
import { formatLfsPointer } from '../../src/protocol/lfs-pointer.js'
import { startTestHub, type TestHub, type TestUser } from '../support/hub.js'
import { createRepo, pointerOf, randomObject, storedKeys, type TestObject } from '../support/lfs.js'

/*
 * Uploads, commits, branches made, moved and deleted, repositories deleted and made again, and collections, all at once
 * and without any grace. Whatever the order: what a ref reaches can be read, and what none reaches is freed in the end.
 */

const NAMES = ['a', 'b', 'c']
const BRANCHES = ['main', 'x', 'y']
const ROUNDS = 4
const STEPS = 10
const WORKERS = 4
/** What a caller may be told when others are faster. */
const HONEST = new Set([
  'object_not_found',
  'repo_not_found',
  'repo_exists',
  'repo_locked',
  'conflict',
  'busy',
  'forbidden',
])

function seeded(seed: number) {
  let state = seed
  const below = (limit: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
  return { below, pick: <T>(items: readonly T[]): T => items[below(items.length)] as T }
}

class World {
  readonly hub: TestHub
  readonly ada: TestUser
  readonly objects: TestObject[] = Array.from({ length: 6 }, (_, n) => randomObject(100 + n))
  /** Commits ever made, by repository: branches may be made at any of them. */
  readonly commits = new Map<string, string[]>()
  readonly done = new Map<string, number>()
  readonly repoIds = new Set<string>()

  constructor(hub: TestHub, ada: TestUser) {
    this.hub = hub
    this.ada = ada
  }

  async #repo(name: string): Promise<Repo> {
    const { repos } = this.hub.domain.stores
    const repo = await repos.findByAddress({ kind: 'model', namespace: 'ada', name })
    if (!repo) throw new HubError('repo_not_found', name)
    this.repoIds.add(repo.id)
    return repo
  }

  async step(random: ReturnType<typeof seeded>): Promise<void> {
    const name = random.pick(NAMES)
    const object = random.pick(this.objects)
    const ref = `refs/heads/${random.pick(BRANCHES)}`
    const choice = random.below(100)
    const before = await this.#repo(name).catch(() => undefined)
    const [kind, act]: [string, () => Promise<unknown>] =
      choice < 15
        ? ['upload', () => this.#upload(name, object)]
        : choice < 50
          ? ['commit', () => this.#uploadAndCommit(name, ref, object)]
          : choice < 60
            ? ['commit only', () => this.#commit(name, ref, object)]
            : choice < 72
              ? ['move', () => this.#move(name, ref, random)]
              : choice < 84
                ? ['delete ref', () => this.#deleteRef(name, ref)]
                : choice < 87
                  ? ['recreate', () => this.#recreate(name)]
                  : choice < 90
                    ? ['dry run', () => this.collect(true)]
                    : ['collect', () => this.collect()]
    try {
      await act()
      this.done.set(kind, (this.done.get(kind) ?? 0) + 1)
    } catch (err) {
      const code = err instanceof HubError ? err.code : ''
      const { repos } = this.hub.domain.stores
      const now = before && (await repos.findById(before.id))
      // a repository that is deleted under somebody's hands may answer anything
      if (!HONEST.has(code) && now?.state === 'ready') throw err
      this.done.set(`${kind}: ${code}`, (this.done.get(`${kind}: ${code}`) ?? 0) + 1)
    }
  }

  collect(dryRun = false) {
    return this.hub.domain.collector.collect({ dryRun, graceSeconds: 0 })
  }

  async #upload(name: string, object: TestObject): Promise<void> {
    const repo = await this.#repo(name)
    const { objects, login } = this.hub.domain
    const caller = (await login.byUserId(this.ada.user.id, 'write', '')) ?? login.anonymous('')
    const client = { parts: false, headers: true }
    const [step] = await objects.planUpload(repo, caller, [pointerOf(object)], client)
    if (step?.type === 'error') throw step.error
    const never = new AbortController().signal
    if (step?.type === 'proxied')
      await objects.receive(repo, object, Readable.from([object.bytes]), never)
  }

  async #uploadAndCommit(name: string, ref: string, object: TestObject): Promise<void> {
    await this.#upload(name, object)
    await this.#commit(name, ref, object)
  }

  async #commit(name: string, ref: string, object: TestObject): Promise<void> {
    const repo = await this.#repo(name)
    const content = formatLfsPointer(object)
    const path = `${object.oid.slice(0, 8)}-${Math.random()}`
    const at = new Date().toISOString()
    const { oid } = await this.hub.domain.committer.commit(
      repo,
      ref,
      HUB_ACTOR,
      async () => ({
        message: path,
        author: { name: 'a', email: 'a@example.org', at },
        steps: [{ type: 'put', path, mode: '100644', content, size: content.length }],
      }),
      new AbortController().signal,
    )
    if (oid) this.commits.set(repo.id, [...(this.commits.get(repo.id) ?? []), oid])
  }

  async #move(name: string, ref: string, random: ReturnType<typeof seeded>): Promise<void> {
    const repo = await this.#repo(name)
    const target = random.pick(this.commits.get(repo.id) ?? [])
    if (!target) return
    await this.hub.domain.committer.changeRefs(repo, [ref], HUB_ACTOR, async ({ refs }) => {
      const oldOid = refs.find((it) => it.name === ref)?.oid ?? null
      return oldOid === target ? [] : [{ name: ref, oldOid, newOid: target }]
    })
  }

  async #deleteRef(name: string, ref: string): Promise<void> {
    const repo = await this.#repo(name)
    await this.hub.domain.committer.changeRefs(repo, [ref], HUB_ACTOR, async ({ refs }) => {
      const oldOid = refs.find((it) => it.name === ref)?.oid
      return oldOid ? [{ name: ref, oldOid, newOid: null }] : []
    })
  }

  async #recreate(name: string): Promise<void> {
    await this.#repo(name)
    const body = { name }
    await this.hub.api('/api/repos/delete', { method: 'DELETE', as: this.ada, body })
    await createRepo(this.hub, this.ada, name)
  }

  /** Every pointer that a ref reaches leads to bytes. */
  async check(): Promise<number> {
    const { git, stores, store } = this.hub.domain
    let reached = 0
    for (const name of NAMES) {
      const repo = await this.#repo(name)
      const tips = (await git.snapshot(repo.id)).refs.map((it) => it.oid)
      for await (const { oid, size } of git.newPointers(repo.id, tips, { not: 'nothing' })) {
        const object = (await stores.lfs.findLinked(repo.id, [oid])).get(oid)
        const bytes = object?.key ? await store.size(object.key) : undefined
        expect([name, oid, bytes]).toEqual([name, oid, size])
        reached += 1
      }
    }
    return reached
  }

  async openKeys(): Promise<Set<string>> {
    const keys = new Set<string>()
    const oids = this.objects.map((it) => it.oid)
    for (const id of this.repoIds)
      for (const { key } of await this.hub.domain.stores.lfs.findUploads(id, oids)) keys.add(key)
    return keys
  }

  async deleteEveryRef(): Promise<void> {
    for (const name of NAMES)
      for (const it of BRANCHES) await this.#deleteRef(name, `refs/heads/${it}`)
  }
}

test.each([1, 2])(
  'nothing that is reachable is lost, nothing else is kept (seed %i)',
  async (seed) => {
    const hub = await startTestHub({ PACKHORSE_LFS_GRACE_SECONDS: '0' })
    const world = new World(hub, await hub.user('ada'))
    for (const name of NAMES) await createRepo(hub, world.ada, name)
    let reached = 0
    for (let round = 0; round < ROUNDS; round += 1) {
      await Promise.all(
        Array.from({ length: WORKERS }, async (_, worker) => {
          const random = seeded(seed * 1_000 + round * 10 + worker)
          for (let step = 0; step < STEPS; step += 1) await world.step(random)
        }),
      )
      reached += await world.check()
    }
    expect(reached).toBeGreaterThan(0)
    expect(world.done.get('commit')).toBeGreaterThan(10)
    expect(world.done.get('collect')).toBeGreaterThan(2)
    await hub.domain.jobs.drain()
    await world.collect()
    await world.check()
    await world.deleteEveryRef()
    await hub.domain.jobs.drain()
    // leases of commits that were refused last an hour
    for (const name of NAMES) await endLeases(hub, name)
    await world.collect()
    // uploads that were cut off wait for their time
    const open = await world.openKeys()
    expect((await storedKeys(hub)).filter((it) => !open.has(it))).toEqual([])
  },
)

async function endLeases(hub: TestHub, name: string): Promise<void> {
  const repo = await hub.domain.stores.repos.findByAddress({
    kind: 'model',
    namespace: 'ada',
    name,
  })
  if (!repo) return
  const links = await hub.domain.stores.lfs.listLinks(repo.id, '', 100)
  await hub.domain.stores.lfs.release(
    repo.id,
    links.map((it) => it.oid),
  )
}
