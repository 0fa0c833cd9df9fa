import { sql } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import type { RepoListQuery } from '../../../src/domain/repos/ports.js'
import type { HubEvent, Repo, RepoKind, Visibility } from '../../../src/domain/types.js'
import { newRepoId } from '../../../src/lib/ids.js'
import { cardStore } from '../../../src/storage/db/cards.js'
import { openStores, type Stores } from '../../../src/storage/db/index.js'
import { openDatabase } from '../../../src/storage/db/open.js'

/*
 * Lists are answered from indexes, copies and counts that triggers keep: after any changes they must say what going
 * through every repository says.
 */

const event: HubEvent = {
  type: 'test',
  repo: undefined,
  actor: { id: null, name: null, address: '' },
  dialect: 'test',
  data: {},
}

/** More than the few (2,000) of repo-search.ts, so that both ways of reading a page are taken. */
const REPOSITORIES = 2_200
const CHANGES = 200
const KINDS: readonly RepoKind[] = ['model', 'model', 'model', 'dataset']
const VISIBILITIES: readonly Visibility[] = ['public', 'public', 'internal', 'private']

type Random = <T>(of: readonly T[]) => T

/** Picks the same in every run. */
function randomFrom(seed: number): Random {
  let state = seed
  return (of) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    return of[(state >>> 8) % of.length] as never
  }
}

interface World {
  readonly stores: Stores
  /** Three accounts; the first has most of the repositories. */
  readonly accounts: readonly number[]
  /** Repository -> accounts that are members. */
  readonly members: Map<string, Set<number>>
}

async function makeWorld(random: Random): Promise<World> {
  const stores = await openStores(':memory:')
  onTestFinished(() => stores.close())
  const accounts: number[] = []
  for (const name of ['ada', 'bob', 'cleo'])
    accounts.push((await stores.accounts.createUser(newUser(name))).id)
  const [ada = 0] = accounts
  const owners = [...Array(20).fill(ada), ...accounts]
  const world: World = { stores, accounts, members: new Map() }
  for (let index = 0; index < REPOSITORIES; index++) {
    const made = await stores.repos.create({
      id: newRepoId(),
      kind: random(KINDS),
      namespaceId: random(owners),
      name: `${random(['Zoo', 'bert', 'common'])}-${index}`,
      visibility: random(VISIBILITIES),
      description: '',
      defaultBranch: 'main',
      objectFormat: 'sha1',
      sdk: null,
      owner: 'test',
    })
    if (index % 50 !== 0) await stores.repos.markReady(made.id, event)
  }
  return world
}

const newUser = (name: string) =>
  ({
    name,
    email: `${name}@example.org`,
    fullname: null,
    passwordHash: null,
    isSiteAdmin: false,
    quotas: { privateBytes: null, publicBytes: null },
  }) as Parameters<Stores['accounts']['createUser']>[0]

async function change(
  { stores, accounts, members }: World,
  repo: Repo,
  random: Random,
): Promise<void> {
  const { repos } = stores
  const act = random(['visibility', 'move', 'rename', 'member', 'like', 'delete', 'purge'])
  if (act === 'visibility')
    await repos.updateSettings(repo.id, { visibility: random(VISIBILITIES) }, event)
  if (act === 'like') await repos.addLike(repo.id, random(accounts))
  if (act === 'move' || act === 'rename') {
    const namespaceId = act === 'move' ? random(accounts) : repo.namespaceId
    const name = `${random(['a', 'Common', 'bert'])}-${repo.seq}-${random([1, 2, 3, 4, 5, 6])}`
    const to = { namespaceId, name }
    await repos
      .move(repo.id, to, { redirect: true, requireRoom: false, event })
      .catch((err) => expect(err).toMatchObject({ code: 'repo_exists' }))
  }
  if (act === 'member') {
    const account = random(accounts)
    await repos.setMember(repo.id, account, 'read')
    members.set(repo.id, new Set([...(members.get(repo.id) ?? []), account]))
  }
  if (act === 'delete' || act === 'purge') await repos.markDeleting(repo.id, event)
  if (act === 'purge') await repos.purge(repo.id)
}

async function allOf({ repos }: Stores): Promise<Repo[]> {
  const found: Repo[] = []
  for (let page = await repos.scan(0, 1_000); page.length > 0; ) {
    found.push(...page)
    page = await repos.scan(page.at(-1)?.seq ?? 0, 1_000)
  }
  return found
}

type Query = Omit<RepoListQuery, 'sort' | 'order' | 'limit'>

function matches({ members }: World, query: Query, onShelf: Set<string>): (it: Repo) => boolean {
  const { visibleTo: who } = query
  const memberOf = (repo: Repo, ids: readonly number[]) =>
    ids.some((id) => members.get(repo.id)?.has(id))
  const visible = (repo: Repo) => {
    if (!who) return true
    if (repo.visibility === 'public') return true
    const known =
      (repo.visibility === 'internal' && who.userId !== null) ||
      who.namespaceIds.includes(repo.namespaceId) ||
      (who.userId !== null && memberOf(repo, [who.userId, ...who.namespaceIds]))
    return known && (!who.within || who.within.includes(repo.id))
  }
  return (repo) =>
    visible(repo) &&
    (!query.kind || repo.kind === query.kind) &&
    (query.namespaceId === undefined || repo.namespaceId === query.namespaceId) &&
    (!query.visibility || repo.visibility === query.visibility) &&
    (query.shelfId === undefined || onShelf.has(repo.id)) &&
    (!query.memberOf ||
      query.memberOf.accountIds.includes(repo.namespaceId) ||
      memberOf(repo, query.memberOf.accountIds)) &&
    (query.search ?? []).every((it) =>
      `${repo.namespace}/${repo.name}`.toLowerCase().includes(it.toLowerCase()),
    )
}

const VALUE: Record<RepoListQuery['sort'], (it: Repo) => string | number> = {
  name: (it) => it.name,
  createdAt: (it) => it.createdAt,
  updatedAt: (it) => it.updatedAt,
  downloads: (it) => it.downloads,
  likes: (it) => it.likes,
  trendingScore: (it) => it.trendingScore,
  size: (it) => it.gitBytes + it.lfsBytes,
}

function sorted(repos: Repo[], sort: RepoListQuery['sort'], order: 'asc' | 'desc'): Repo[] {
  const value = VALUE[sort]
  const ascending = repos.toSorted((a, b) => {
    const [x, y] = [value(a), value(b)]
    return x < y ? -1 : x > y ? 1 : a.seq - b.seq
  })
  return order === 'asc' ? ascending : ascending.reverse()
}

test('lists and counts of namespaces, shelves and searches agree with every repository', async () => {
  const random = randomFrom(7)
  const world = await makeWorld(random)
  const { stores, accounts } = world
  // some are changed again, none after it was deleted
  for (const _ of [1, 2]) {
    const before = await allOf(stores)
    const step = Math.floor(before.length / (CHANGES / 2))
    for (let at = 0; at < before.length; at += step) await change(world, before[at] as Repo, random)
  }
  const all = await allOf(stores)
  const [ada = 0, bob = 0, cleo = 0] = accounts
  const platform = await stores.packages.platforms.findByName('ada_personal')
  const shelf = await stores.packages.shelves.findByName(platform?.id ?? 0, 'main')
  const onShelf = new Set<string>()
  for (const repo of all.filter((it) => it.namespaceId === ada)) {
    const on = await stores.packages.projects.listShelves(repo.id)
    if (on.some((it) => it.id === shelf?.id)) onShelf.add(repo.id)
  }
  expect(onShelf.size).toBeGreaterThan(1_000)

  const within = all.filter((it) => it.visibility !== 'public').map((it) => it.id)
  const callers: Query['visibleTo'][] = [
    undefined,
    { userId: null, namespaceIds: [] },
    { userId: ada, namespaceIds: [ada] },
    { userId: bob, namespaceIds: [bob, cleo] },
    { userId: ada, namespaceIds: [ada], within: within.slice(0, 40) },
    { userId: ada, namespaceIds: [ada], within: [] },
  ]
  const queries: Query[] = [
    {},
    { namespaceId: ada },
    { namespaceId: bob },
    { namespaceId: ada, kind: 'dataset' },
    { namespaceId: ada, visibility: 'private' },
    { kind: 'model' },
    { visibility: 'internal' },
    { shelfId: shelf?.id ?? 0 },
    { shelfId: shelf?.id ?? 0, kind: 'model' },
    { memberOf: { accountIds: [bob] } },
    { memberOf: { accountIds: [ada, cleo] } },
    { search: ['common'] },
    { search: ['ADA/'] },
    { search: ['-77'] },
    { search: ['zo', 'o-1'] },
    { search: ['nothing like it'] },
    { namespaceId: cleo, search: ['bert'] },
  ]
  for (const conditions of queries)
    for (const visibleTo of callers) {
      const query = { ...conditions, visibleTo }
      const expected = all.filter(matches(world, query, onShelf))
      expect(await stores.repos.count(query), JSON.stringify(query)).toBe(expected.length)
      const sort = random(Object.keys(VALUE) as RepoListQuery['sort'][])
      for (const [by, order] of [
        ['name', 'asc'],
        [sort, 'desc'],
      ] as const) {
        const inOrder = sorted(expected, by, order)
        for (const offset of [0, 3, Math.floor(expected.length / 2)]) {
          const page = await stores.repos.list({ ...query, sort: by, order, limit: 7, offset })
          expect(
            page.map((it) => it.name),
            JSON.stringify({ ...query, by, offset }),
          ).toEqual(inOrder.slice(offset, offset + 7).map((it) => it.name))
        }
        const before = inOrder[4]
        if (!before) continue
        const after = { value: VALUE[by](before), seq: before.seq }
        const next = await stores.repos.list({ ...query, sort: by, order, limit: 7, after })
        expect(next.map((it) => it.seq)).toEqual(inOrder.slice(5, 12).map((it) => it.seq))
      }
    }
})

test('a search for several tags finds those that have them all, be they few, many or none', async () => {
  const { db } = await openDatabase(':memory:')
  onTestFinished(() => db.destroy())
  await sql`insert into namespace (id, name, name_key, type, is_site_admin, is_active, profile, created_at)
    values (1, 'ada', 'ada', 'user', 0, 1, '{}', ''), (2, 'bob', 'bob', 'user', 0, 1, '{}', '')`.execute(
    db,
  )
  const numbers = Array.from({ length: 6_000 }, (_, index) => index + 1)
  const owner = (seq: number) => (seq % 5 === 0 ? 2 : 1)
  await sql`with recursive n(i) as (select 1 union all select i + 1 from n where i < ${numbers.length})
    insert into repo (seq, id, kind, namespace_id, name, name_key, visibility, default_branch, object_format, state,
      created_at, updated_at)
    select i, 'repo_' || i, 'model', case when i % 5 = 0 then 2 else 1 end, 'r' || i, 'r' || i, 'public', 'main',
      'sha1', 'ready', '', '' from n`.execute(db)
  const TAGS: Record<string, (seq: number) => boolean> = {
    even: (seq) => seq % 2 === 0,
    odd: (seq) => seq % 2 === 1,
    most: (seq) => seq % 7 !== 0,
    late: (seq) => seq > 3_900,
    rare: (seq) => seq % 500 === 0,
  }
  for (const [tag, has] of Object.entries(TAGS))
    await sql`insert into repo_tag (kind, tag, seq, type)
      select 'model', ${tag}, value, 'other' from json_each(${JSON.stringify(numbers.filter(has))})`.execute(
      db,
    )
  const cards = cardStore(db)
  for (const tags of [
    ['even', 'odd'],
    ['even', 'most'],
    ['late', 'odd'],
    ['late', 'most', 'even'],
    ['rare', 'most'],
    ['late'],
  ])
    for (const namespaceId of [undefined, 1, 2]) {
      const expected = numbers.filter(
        (seq) =>
          (namespaceId === undefined || owner(seq) === namespaceId) &&
          tags.every((tag) => TAGS[tag]?.(seq)),
      )
      const found = await cards.search({
        kind: 'model',
        tags,
        namespaceId,
        search: [],
        visibleTo: undefined,
        sort: 'likes',
        order: 'asc',
        limit: 50,
        withCards: false,
      })
      expect(
        found.map((it) => it.repo.seq),
        `${tags} ${namespaceId}`,
      ).toEqual(expected.slice(0, 50))
    }
})
