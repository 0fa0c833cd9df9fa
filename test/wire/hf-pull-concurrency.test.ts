import { expect, test } from 'vitest'
import { discussionsOf } from '../support/discussions.js'
import { bareDir, commitFiles, expectClean } from '../support/git-work.js'
import { clone, commit, file, header, hubWithRepo } from '../support/hf.js'
import { git, gitOk, startTestHub, type TestHub, type TestUser } from '../support/hub.js'

const API = '/api/models/ada/m'

async function propose(hub: TestHub, as: TestUser, path: string): Promise<number> {
  const lines = [header(`Add ${path}`), file(path, `${path}\n`)]
  const made = await commit(hub, as, lines, `${API}/commit/main?create_pr=1`)
  expect(made.status, made.text).toBe(200)
  return Number(/\d+$/.exec(made.json.pullRequestUrl)?.[0])
}

/** A second process on the same data, as far as locks in memory go. */
async function twoHubs() {
  const { hub, ada } = await hubWithRepo()
  const other = await startTestHub({ PACKHORSE_DATA: hub.dataDir })
  return { hub, other, ada }
}

test.each(['merge', 'squash'])(
  'one pull request merged twice at once is merged once: %s',
  async (method) => {
    const { hub, other, ada } = await twoHubs()
    for (let round = 0; round < 4; round += 1) {
      const num = await propose(hub, ada, `f${round}.txt`)
      const replies = await Promise.all(
        [hub, other, hub, other].map((it) =>
          discussionsOf(it).post(ada, `/${num}/merge`, { method }),
        ),
      )
      const done = replies.filter((it) => it.status === 200)
      expect(replies.map((it) => it.status).sort()).toEqual([200, 409, 409, 409])
      const { status, changes, events } = await discussionsOf(hub).read(num)
      expect([status, changes.mergeCommitId]).toEqual(['merged', done[0]?.json.mergeCommitId])
      expect(events.filter((it: { type: string }) => it.type === 'status-change')).toHaveLength(1)
    }
    const work = await clone(hub, ada)
    expect(await gitOk(work, ['rev-list', '--count', '--first-parent', 'HEAD'])).toBe('5')
  },
)

test('pull requests merged at once, while the base is pushed to, all land', async () => {
  const { hub, other, ada } = await twoHubs()
  const nums: number[] = []
  for (let n = 0; n < 6; n += 1) nums.push(await propose(hub, ada, `pr${n}.txt`))
  const work = await clone(hub, ada)
  const push = async () => {
    for (let n = 0; n < 3; n += 1) {
      await commitFiles(work, { [`git${n}.txt`]: 'by git\n' })
      for (let tries = 0; ; tries += 1) {
        if ((await git(work, ['push', '-q', 'origin', 'HEAD:main'])).code === 0) break
        expect(tries).toBeLessThan(50)
        await gitOk(work, ['pull', '-q', '--no-rebase', '--no-edit', 'origin', 'main'])
      }
    }
  }
  const api = Array.from({ length: 4 }, (_, n) =>
    commit(other, ada, [header(), file(`api${n}.txt`, 'by api\n')]),
  )
  const merges = nums.map((num, n) =>
    discussionsOf(n % 2 ? hub : other).post(ada, `/${num}/merge`, {
      method: (['merge', 'squash', 'rebase'] as const)[n % 3],
    }),
  )
  const [replies, commits] = await Promise.all([Promise.all(merges), Promise.all(api), push()])
  expect(replies.map((it) => it.status)).toEqual(nums.map(() => 200))
  expect(commits.map((it) => it.status)).toEqual([200, 200, 200, 200])
  await gitOk(work, ['pull', '-q', '--ff-only', 'origin', 'main'])
  const wanted = [
    ...[0, 1, 2, 3].map((n) => `api${n}.txt`),
    ...[0, 1, 2].map((n) => `git${n}.txt`),
    ...nums.map((_, n) => `pr${n}.txt`),
  ]
  expect((await gitOk(work, ['ls-files'])).split('\n')).toEqual(['.gitattributes', ...wanted])
  for (const [n, num] of nums.entries()) {
    const { status, changes } = await discussionsOf(hub).read(num)
    expect([status, changes.mergeCommitId]).toEqual(['merged', replies[n]?.json.mergeCommitId])
    await gitOk(work, ['merge-base', '--is-ancestor', changes.mergeCommitId, 'HEAD'])
  }
  await expectClean(await bareDir(hub, 'ada', 'm'))
})

test('discussions opened and changed at once lose nothing', async () => {
  const { hub, other, ada } = await twoHubs()
  const hubs = [hub, other, hub, other]
  const opened = await Promise.all(
    Array.from({ length: 16 }, (_, n) =>
      discussionsOf(hubs[n % 4] as TestHub).open(ada, `Talk ${n}`, { pullRequest: n % 3 === 0 }),
    ),
  )
  expect(opened.sort((a, b) => a - b)).toEqual(Array.from({ length: 16 }, (_, n) => n + 1))
  const num = await discussionsOf(hub).open(ada)
  const changes = await Promise.all(
    Array.from({ length: 12 }, (_, n) => {
      const talks = discussionsOf(hubs[n % 4] as TestHub)
      return n % 3 === 0
        ? talks.post(ada, `/${num}/title`, { title: `Title ${n}` })
        : talks.post(ada, `/${num}/comment`, { comment: `comment ${n}` })
    }),
  )
  expect(changes.map((it) => it.status)).toEqual(changes.map(() => 200))
  const { events, title } = await discussionsOf(hub).read(num)
  expect(events).toHaveLength(13)
  // each title came after the one that it says it replaced
  let was = 'A question'
  for (const { type, data } of events)
    if (type === 'title-change') {
      expect(data.from).toBe(was)
      was = data.to
    }
  expect(title).toBe(was)
  const closing = await Promise.all(
    hubs.map((it) => discussionsOf(it).post(ada, `/${num}/status`, { status: 'closed' })),
  )
  expect(closing.map((it) => it.status).sort()).toEqual([200, 409, 409, 409])
})

test('a merge whose base moved but was not recorded is found when the hub starts', async () => {
  const { hub, ada } = await hubWithRepo()
  const num = await propose(hub, ada, 'pr.txt')
  const repo = await hub.domain.stores.repos.findByAddress({
    kind: 'model',
    namespace: 'ada',
    name: 'm',
  })
  if (!repo?.headOid) throw new Error('no repository')
  // what a process killed between git and the database leaves: a plan, and the base at it
  const { stores, git: engine } = hub.domain
  const pull = await stores.discussions.find(repo.id, num)
  if (!pull?.headOid) throw new Error('no pull request')
  const { treeOid } = await engine.mergeTree(repo.id, repo.headOid, pull.headOid)
  const author = { name: 'ada', email: 'ada@example.org', at: new Date().toISOString() }
  const oid = await engine.commitTree(repo.id, {
    treeOid,
    parents: [repo.headOid],
    message: 'm',
    author,
  })
  const plan = {
    repoId: repo.id,
    num,
    baseRef: 'refs/heads/main',
    mergeBaseOid: repo.headOid,
    userId: ada.user.id,
    comment: 'merged, and then it was dark',
  }
  // one that never came about, too
  await stores.discussions.planMerge({ ...plan, oid: pull.headOid })
  await stores.discussions.planMerge({ ...plan, oid })
  await hub.close()
  const dir = engine.directory(repo.id)
  await gitOk(dir, ['update-ref', 'refs/heads/main', oid])
  const again = await startTestHub({ PACKHORSE_DATA: hub.dataDir })
  const after = await discussionsOf(again).read(num)
  expect(after).toMatchObject({ status: 'merged', changes: { mergeCommitId: oid } })
  expect(after.events.at(-2)).toMatchObject({
    author: { name: 'ada' },
    data: { latest: { raw: 'merged, and then it was dark' } },
  })
  expect(await again.domain.stores.discussions.listPlannedMerges(repo.id)).toEqual([])
})

test('a pull request whose ref was made but not recorded is opened when the hub starts', async () => {
  const { hub, ada } = await hubWithRepo()
  const { stores, git: engine } = hub.domain
  const repo = await stores.repos.findByAddress({ kind: 'model', namespace: 'ada', name: 'm' })
  if (!repo?.headOid) throw new Error('no repository')
  const order = {
    repoId: repo.id,
    title: 'A change',
    description: 'because',
    isPullRequest: true,
    status: 'open',
    authorId: ada.user.id,
    baseRef: 'refs/heads/main',
  } as const
  const made = await stores.discussions.reserve(order)
  const lost = await stores.discussions.reserve(order)
  expect((await discussionsOf(hub).list()).json.count).toBe(0)
  expect(
    (await discussionsOf(hub).post(ada, `/${made.num}/comment`, { comment: 'x' })).status,
  ).toBe(404)
  await hub.close()
  await gitOk(engine.directory(repo.id), ['update-ref', made.headRef ?? '', repo.headOid])
  const again = await startTestHub({ PACKHORSE_DATA: hub.dataDir })
  const list = (await discussionsOf(again).list()).json.discussions
  expect(list).toMatchObject([{ num: made.num, title: 'A change', author: { name: 'ada' } }])
  expect(await discussionsOf(again).open(ada)).toBe(lost.num + 1)
})
