import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { discussionsOf, story } from '../support/discussions.js'
import { bareDir, commitFiles, expectClean } from '../support/git-work.js'
import { clone, commit, file, header, hubWithRepo, uploadLfs } from '../support/hf.js'
import { git, gitOk, type TestHub, type TestUser } from '../support/hub.js'

const API = '/api/models/ada/m'

/** A pull request of eve's with one commit that writes `pr.txt`. */
async function pullHub(env: Record<string, string> = {}) {
  const { hub, ada } = await hubWithRepo(env)
  const eve = await hub.user('eve')
  const talks = discussionsOf(hub)
  await commit(hub, ada, [header('Base'), file('shared.txt', 'one\n')])
  const num = await propose(hub, eve, [file('pr.txt', 'new\n')])
  const merge = (as: TestUser, body?: unknown, n = num) => talks.post(as, `/${n}/merge`, body)
  return { hub, ada, eve, talks, num, merge }
}

async function propose(
  hub: TestHub,
  as: TestUser,
  files: ReturnType<typeof file>[],
  title = 'A change',
): Promise<number> {
  const made = await commit(hub, as, [header(title), ...files], `${API}/commit/main?create_pr=1`)
  expect(made.status, made.text).toBe(200)
  return Number(/\d+$/.exec(made.json.pullRequestUrl)?.[0])
}

const headOf = async (hub: TestHub, ref = 'main') =>
  (await hub.api(`${API}/commits/${encodeURIComponent(ref)}`)).json[0] as {
    id: string
    title: string
  }

test('a pull request shows its diff from where it left the base, and its conflicts', async () => {
  const { hub, ada, eve, talks, num } = await pullHub()
  const fresh = await talks.read(num)
  expect(fresh).toMatchObject({
    status: 'open',
    isPullRequest: true,
    changes: { base: 'refs/heads/main' },
    filesWithConflicts: [],
    diffIsTruncated: false,
  })
  expect(fresh.diff).toMatch(/^diff --git a\/pr\.txt b\/pr\.txt\nnew file mode 100644/)
  expect(fresh.diff).toContain('\n+new\n')
  // the base moves on: neither does its change show, nor is it in conflict
  await commit(hub, ada, [header('Elsewhere'), file('other.txt', 'other\n')])
  expect((await talks.read(num)).diff).toBe(fresh.diff)
  await commit(
    hub,
    eve,
    [header('Both'), file('shared.txt', 'theirs\n')],
    `${API}/commit/refs%2Fpr%2F${num}`,
  )
  expect((await talks.read(num)).filesWithConflicts).toEqual([])
  await commit(hub, ada, [header('Both'), file('shared.txt', 'ours\n')])
  const stuck = await talks.read(num)
  expect(stuck.filesWithConflicts).toEqual(['shared.txt'])
  const refused = await talks.post(ada, `/${num}/merge`)
  expect([refused.status, refused.json.error]).toEqual([409, 'Conflicting changes in: shared.txt'])
  expect((await talks.read(num)).status).toBe('open')
  expect(story(stuck)).toEqual(['comment', 'commit', 'commit'])
  // looking leaves nothing behind
  const dir = await bareDir(hub, 'ada', 'm')
  expect((await git(dir, ['count-objects', '-v'])).stdout).toMatch(/garbage: 0/)
})

test('a long diff is cut at a line and says so', async () => {
  const { hub, eve, talks } = await pullHub()
  const long = Array.from({ length: 40_000 }, (_, n) => `line ${n} ${'x'.repeat(30)}\n`).join('')
  const { diff, diffIsTruncated } = await talks.read(await propose(hub, eve, [file('l.txt', long)]))
  expect(diffIsTruncated).toBe(true)
  expect(Buffer.byteLength(diff)).toBeLessThan(1_100_000)
  const lines = diff.split('\n')
  expect(lines.at(-2)).toMatch(/^\\ The diff is longer/)
  expect(lines.at(-3)).toMatch(/^\+line \d+ x{30}$/)
})

test.each(['merge', 'squash', 'rebase'] as const)(
  'a pull request is merged: %s',
  async (method) => {
    const { hub, ada, eve, talks, num, merge } = await pullHub()
    await commit(
      hub,
      eve,
      [header('Second'), file('two.txt', '2\n')],
      `${API}/commit/refs%2Fpr%2F${num}`,
    )
    const head = (await headOf(hub, `refs/pr/${num}`)).id
    await commit(hub, ada, [header('Meanwhile'), file('other.txt', 'other\n')])
    const base = (await headOf(hub)).id
    const { diff } = await talks.read(num)
    const done = await merge(ada, { method, comment: 'well done' })
    expect(done.status, done.text).toBe(200)
    const oid = done.json.mergeCommitId
    expect((await headOf(hub)).id).toBe(oid)
    const after = await talks.read(num)
    expect(after).toMatchObject({
      status: 'merged',
      changes: { base: 'refs/heads/main', mergeCommitId: oid },
      filesWithConflicts: [],
    })
    // what it brought stays to be seen
    expect(after.diff).toBe(diff)
    expect(story(after)).toEqual(['comment', 'commit', 'commit', 'comment', 'status merged'])
    expect(after.events[3]).toMatchObject({
      author: { name: 'ada' },
      data: { latest: { raw: 'well done' } },
    })
    const work = await clone(hub, ada)
    const log = await gitOk(work, ['log', '-1', '--format=%P|%s|%an|%cn'])
    if (method === 'merge') expect(log).toBe(`${base} ${head}|Merge pull request #${num}|ada|ada`)
    if (method === 'squash') expect(log).toBe(`${base}|A change (#${num})|ada|ada`)
    if (method === 'rebase') {
      expect(log.split('|').slice(1)).toEqual(['Second', 'eve', 'ada'])
      expect(await gitOk(work, ['rev-parse', 'HEAD~2'])).toBe(base)
    }
    expect(await gitOk(work, ['ls-files'])).toBe(
      '.gitattributes\nother.txt\npr.txt\nshared.txt\ntwo.txt',
    )
    await expectClean(await bareDir(hub, 'ada', 'm'))
    // it is over: nothing more happens to it
    expect((await merge(ada, { method })).status).toBe(409)
    expect((await talks.post(ada, `/${num}/status`, { status: 'open' })).status).toBe(409)
    const late = await commit(
      hub,
      eve,
      [header(), file('x', 'y')],
      `${API}/commit/refs%2Fpr%2F${num}`,
    )
    expect(late.status).toBe(409)
    for (const who of [ada, eve]) {
      await gitOk(work, ['commit', '-q', '--allow-empty', '-m', 'late'])
      const push = await git(work, ['push', hub.gitUrl('ada/m', who), `HEAD:refs/pr/${num}`])
      expect(push.code).not.toBe(0)
    }
    expect((await headOf(hub, `refs/pr/${num}`)).id).toBe(head)
    const heard = (await hub.domain.stores.events.list({ limit: 100 })).filter(
      (it) => it.data.change === 'merge',
    )
    expect(heard).toMatchObject([
      {
        actor: { name: 'ada' },
        data: { discussion: { num, mergeCommitId: oid, status: 'merged' } },
      },
    ])
  },
)

test('a rebase of what stands on the base moves the base forward', async () => {
  const { hub, ada, num, merge } = await pullHub()
  const head = (await headOf(hub, `refs/pr/${num}`)).id
  expect((await merge(ada, { method: 'rebase' })).json.mergeCommitId).toBe(head)
  expect((await headOf(hub)).id).toBe(head)
})

test('drafts, closed ones and those without commits or history are not merged', async () => {
  const { hub, ada, eve, talks, num, merge } = await pullHub()
  const refusal = async (n: number, body?: unknown) => {
    const before = [await headOf(hub), (await talks.read(n)).status]
    const reply = await merge(ada, body, n)
    expect([await headOf(hub), (await talks.read(n)).status]).toEqual(before)
    return [reply.status, reply.json.error]
  }
  const draft = await talks.open(eve, 'By hand', { pullRequest: true })
  expect(await talks.read(draft)).toMatchObject({
    status: 'draft',
    diff: '',
    filesWithConflicts: [],
  })
  expect(await refusal(draft)).toEqual([409, expect.stringContaining('draft')])
  await talks.post(eve, `/${draft}/status`, { status: 'open' })
  expect(await refusal(draft)).toEqual([409, expect.stringContaining('no commits')])
  await talks.post(eve, `/${num}/status`, { status: 'closed' })
  expect(await refusal(num)).toEqual([409, expect.stringContaining('closed')])
  const closed = await commit(
    hub,
    eve,
    [header(), file('x', 'y')],
    `${API}/commit/refs%2Fpr%2F${num}`,
  )
  expect(closed.status).toBe(409)
  await talks.post(eve, `/${num}/status`, { status: 'draft' })
  await talks.post(ada, `/${num}/status`, { status: 'open' })

  const work = await clone(hub, ada)
  const push = (...refs: string[]) => gitOk(work, ['push', '-qf', 'origin', ...refs])
  await gitOk(work, ['checkout', '-q', '--orphan', 'lone'])
  await commitFiles(work, { 'lone.txt': 'alone' })
  await push(`HEAD:refs/pr/${num}`)
  expect((await talks.read(num)).filesWithConflicts).toBe(true)
  expect(await refusal(num)).toEqual([409, expect.stringContaining('no common history')])
  await gitOk(work, ['tag', '-a', 'v1', '-m', 'a tag'])
  await push(`v1:refs/pr/${num}`)
  expect((await refusal(num))[0]).toBe(409)
  // a merge in it cannot be put on a line
  await gitOk(work, ['checkout', '-qf', 'origin/main'])
  await commitFiles(work, { 'a.txt': 'a' })
  await gitOk(work, ['checkout', '-q', '-b', 'side', 'origin/main'])
  await commitFiles(work, { 'b.txt': 'b' })
  await gitOk(work, ['merge', '-q', '--no-edit', 'HEAD@{2}'])
  await push(`HEAD:refs/pr/${num}`)
  expect(await refusal(num, { method: 'rebase' })).toEqual([
    409,
    expect.stringContaining('merge commits'),
  ])
  expect((await merge(ada)).status).toBe(200)
})

test('what was merged by git and pushed counts as merged', async () => {
  const { hub, ada, talks, num, merge } = await pullHub()
  const work = await clone(hub, ada)
  await gitOk(work, ['fetch', '-q', 'origin', `refs/pr/${num}`])
  await gitOk(work, ['merge', '-q', '--no-edit', 'FETCH_HEAD'])
  await gitOk(work, ['push', '-q', 'origin', 'HEAD:main'])
  expect((await merge(ada)).status).toBe(200)
  expect(await talks.read(num)).toMatchObject({ status: 'merged' })
})

test('another base, a base that is gone, and a base that nobody may push to', async () => {
  const { hub, ada, eve, talks, merge } = await pullHub()
  const branch = (method: string) => hub.api(`${API}/branch/dev`, { as: ada, method, body: {} })
  await branch('POST')
  const num = await talks.open(eve, 'For dev', { pullRequest: true, base: 'dev' })
  await talks.post(eve, `/${num}/status`, { status: 'open' })
  await commit(hub, eve, [header(), file('dev.txt', 'd')], `${API}/commit/refs%2Fpr%2F${num}`)
  const main = await headOf(hub)
  await branch('DELETE')
  expect(await talks.read(num)).toMatchObject({ filesWithConflicts: true })
  expect((await merge(ada, undefined, num)).status).toBe(409)
  await branch('POST')
  const rule = { pattern: 'dev', push: 'nobody', push_users: ['eve'] }
  const { protection, stores } = hub.domain
  const repo = await stores.repos.findByAddress({ kind: 'model', namespace: 'ada', name: 'm' })
  if (!repo) throw new Error('no repository')
  const rules = [
    { ...rule, push: 'nobody' as const, push_users: [], allow_force: false, allow_delete: false },
  ]
  await protection.write(repo, { enabled: true, rules })
  const refused = await merge(ada, undefined, num)
  expect([refused.status, refused.json.error]).toEqual([403, expect.stringContaining('protected')])
  expect((await talks.read(num)).status).toBe('open')
  await protection.write(repo, { enabled: false, rules })
  expect((await merge(ada, undefined, num)).status).toBe(200)
  expect(await headOf(hub)).toEqual(main)
  expect((await headOf(hub, 'dev')).title).toBe(`Merge pull request #${num}`)
})

test('a squash of the repository closes pull requests, a super-squash of the base does not', async () => {
  const { hub, ada, eve, talks, num } = await pullHub()
  const ref = () => hub.api(`${API}/refs?include_prs=1`).then((it) => it.json.pullRequests)
  const head = (await headOf(hub, `refs/pr/${num}`)).id
  const squashed = await hub.api(`${API}/super-squash/main`, { as: ada, body: { message: 'one' } })
  expect(squashed.status).toBe(200)
  expect(await ref()).toMatchObject([{ ref: `refs/pr/${num}`, targetCommit: head }])
  expect(await talks.read(num)).toMatchObject({ status: 'open', filesWithConflicts: true })
  const all = await hub.api('/api/repos/squash', {
    as: ada,
    body: { repo: 'ada/m', type: 'model' },
  })
  expect(all.status, all.text).toBe(200)
  expect(await ref()).toEqual([])
  const after = await talks.read(num)
  expect(after).toMatchObject({ status: 'closed', diff: '', filesWithConflicts: [] })
  expect(story(after)).toEqual(['comment', 'commit', 'status closed'])
  // it can be taken up again
  await talks.post(eve, `/${num}/status`, { status: 'open' })
  const again = await commit(
    hub,
    eve,
    [header(), file('pr.txt', 'n')],
    `${API}/commit/refs%2Fpr%2F${num}`,
  )
  expect(again.status, again.text).toBe(200)
  expect((await talks.post(ada, `/${num}/merge`)).status).toBe(200)
})

test('commits are told once, however the ref came to be there', async () => {
  const { hub, ada, eve, talks, num } = await pullHub()
  const work = await clone(hub, eve)
  await gitOk(work, ['fetch', '-q', 'origin', `refs/pr/${num}`])
  await gitOk(work, ['checkout', '-q', 'FETCH_HEAD'])
  for (const n of [1, 2, 3]) await commitFiles(work, { 'g.txt': `${n}` }, `By git ${n}`)
  await gitOk(work, ['push', '-q', 'origin', `HEAD:refs/pr/${num}`])
  const commits = async () =>
    (await talks.read(num)).events
      .filter((it: { type: string }) => it.type === 'commit')
      .map((it: { data: { subject: string }; author?: { name: string } }) => [
        it.data.subject,
        it.author?.name,
      ])
  const told = [
    ['A change', 'eve'],
    ['By git 1', 'eve'],
    ['By git 2', 'eve'],
    ['By git 3', 'eve'],
  ]
  expect(await commits()).toEqual(told)
  const repo = await hub.domain.stores.repos.findByAddress({
    kind: 'model',
    namespace: 'ada',
    name: 'm',
  })
  if (!repo) throw new Error('no repository')
  await hub.domain.recorder.rebuild(repo)
  expect(await commits()).toEqual(told)
  // the base's own commits are not the pull request's, also after it was brought up to it
  await commit(hub, ada, [header('On main'), file('other.txt', 'o')])
  await gitOk(work, ['fetch', '-q', 'origin', 'main'])
  await gitOk(work, ['merge', '-q', '-m', 'Bring main in', 'FETCH_HEAD'])
  await gitOk(work, ['push', '-q', 'origin', `HEAD:refs/pr/${num}`])
  expect(await commits()).toEqual([...told, ['Bring main in', 'eve']])
  await writeFile(`${work}/pr.txt`, 'again\n')
  await gitOk(work, ['commit', '-qam', 'Rewritten', '--amend'])
  await gitOk(work, ['push', '-qf', 'origin', `HEAD:refs/pr/${num}`])
  expect((await commits()).slice(-1)).toEqual([['Rewritten', 'eve']])
})

test('numbers keep away from refs that were pushed by hand', async () => {
  const { hub, ada, eve, talks } = await pullHub()
  const work = await clone(hub, ada)
  await gitOk(work, ['push', '-q', 'origin', 'HEAD:refs/pr/2', 'HEAD:refs/pr/3'])
  expect(await talks.open(eve, 'A change', { pullRequest: true })).toBe(4)
  const failed = await commit(
    hub,
    eve,
    [header(), { key: 'deletedFile', value: { path: 'nope' } }],
    `${API}/commit/main?create_pr=1`,
  )
  expect(failed.status).toBe(404)
  expect((await talks.list()).json.discussions.map((it: { num: number }) => it.num)).toEqual([4, 1])
})

test('a pull request with an LFS file into a repository of SHA-256 ids keeps its object', async () => {
  const { hub, ada } = await hubWithRepo()
  const eve = await hub.user('eve')
  const body = { name: 'wide', object_format: 'sha256' }
  expect((await hub.api('/api/repos/create', { as: ada, body })).status).toBe(200)
  const bytes = randomBytes(20_000)
  const oid = await uploadLfs(hub, ada, 'ada/wide', bytes)
  const lfsFile = {
    key: 'lfsFile',
    value: { path: 'w.bin', algo: 'sha256', oid, size: bytes.length },
  }
  const lines = [header('Weights'), lfsFile]
  const path = '/api/models/ada/wide/commit/main?create_pr=1'
  expect((await commit(hub, eve, lines, path)).status).toBe(200)
  const talks = discussionsOf(hub, '/api/models/ada/wide')
  const merged = await talks.post(ada, '/1/merge', { method: 'squash' })
  expect(merged.json.mergeCommitId).toMatch(/^[0-9a-f]{64}$/)
  // the ref of the pull request goes: the branch alone keeps the object
  expect((await talks.remove(ada, 1)).status).toBe(200)
  await hub.domain.collector.collect({ dryRun: false, graceSeconds: 0 })
  const got = await fetch(`${hub.url}/ada/wide/resolve/main/w.bin`)
  expect(Buffer.from(await got.arrayBuffer()).equals(bytes)).toBe(true)
})
