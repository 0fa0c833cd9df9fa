import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { CommitOrders, type Walk, walkCommits } from '../../../src/git/commit-order.js'
import { gitOk, tempDir } from '../../support/hub.js'

/** Commits of one second each, or all of the same; every tenth merges the one ten before, so that lines cross. */
async function history(commits: number, options: { merges?: boolean; seconds?: number } = {}) {
  const dir = await tempDir()
  await gitOk(dir, ['init', '-q', '--bare', '.'])
  const git = spawn('git', ['fast-import', '--quiet'], {
    cwd: dir,
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  const exited = once(git, 'close')
  let text = ''
  for (let n = 1; n <= commits; n += 1) {
    const at = 1_600_000_000 + Math.floor(n * (options.seconds ?? 1))
    text += `commit refs/heads/main\nmark :${n}\ncommitter A <a@b> ${at} +0000\ndata 1\nx\n`
    if (n > 1) text += `from :${n - 1}\n`
    if (options.merges && n > 20 && n % 10 === 0) text += `merge :${n - 10}\n`
    if (text.length > 1_000_000) {
      if (!git.stdin.write(text)) await once(git.stdin, 'drain')
      text = ''
    }
  }
  git.stdin.end(text)
  expect((await exited)[0]).toBe(0)
  return dir
}

/** Counts the commits that git had to list or pass by. */
function counting() {
  const work = { commits: 0, walks: 0 }
  const walk: Walk = async function* (dir, tip, options) {
    work.walks += 1
    work.commits += options.skip
    for await (const line of walkCommits(dir, tip, options)) {
      work.commits += 1
      yield line
    }
  }
  return { work, orders: new CommitOrders(walk) }
}

test('deep pages of 100,000 commits: each is right, and what was walked once is not walked again', async () => {
  const dir = await history(100_000)
  const all = (await gitOk(dir, ['rev-list', 'main'])).split('\n')
  const tip = all[0] ?? ''
  const { work, orders } = counting()
  const page = (skip: number, limit = 20) => orders.page(dir, tip, { skip, limit })

  expect(await page(2_000)).toEqual(all.slice(2_000, 2_020))
  // no further than the first stretch
  expect(work.commits).toBe(4_096)
  for (let skip = 1_000; skip < 4_000; skip += 20)
    expect(await page(skip)).toEqual(all.slice(skip, skip + 20))
  expect(work).toEqual({ commits: 4_096, walks: 1 })

  // to the end, page after page: each stretch twice the one before, so twice the history in all, not once a page
  for (let skip = 4_000; skip < 100_000; skip += 1_000)
    expect(await page(skip)).toEqual(all.slice(skip, skip + 20))
  expect(work.commits).toBeLessThan(300_000)
  const { walks } = work
  expect(await page(99_990)).toEqual(all.slice(99_990))
  expect(await page(200_000)).toEqual([])
  expect(await page(50_000, 100)).toEqual(all.slice(50_000, 50_100))
  expect(work.walks).toBeLessThanOrEqual(walks + 1)

  // a push of three commits on top: three commits are looked at
  const before = work.commits
  let next = tip
  for (const n of [1, 2, 3])
    next = await gitOk(dir, ['commit-tree', `${tip}^{tree}`, '-p', next, '-m', `new ${n}`])
  const now = (await gitOk(dir, ['rev-list', next])).split('\n')
  expect(await orders.page(dir, next, { skip: 60_000, limit: 20 })).toEqual(
    now.slice(60_000, 60_020),
  )
  expect(await orders.page(dir, next, { skip: 0, limit: 5 })).toEqual(now.slice(0, 5))
  expect(work.commits - before).toBe(3)
}, 120_000)

test('merges, equal dates and rewritten tips: always git’s own order', async () => {
  for (const seconds of [1, 0]) {
    const dir = await history(6_000, { merges: true, seconds })
    const { orders } = counting()
    const check = async (tip: string) => {
      const all = (await gitOk(dir, ['rev-list', tip])).split('\n')
      for (const skip of [1_000, 3_333, 4_090, 5_990, 7_000])
        expect(await orders.page(dir, tip, { skip, limit: 20 })).toEqual(all.slice(skip, skip + 20))
    }
    const tip = await gitOk(dir, ['rev-parse', 'main'])
    await check(tip)
    const tree = `${tip}^{tree}`
    // a merge on top, one that leaves the last commits out, one older than what it stands on
    await check(await gitOk(dir, ['commit-tree', tree, '-p', tip, '-p', `${tip}~7`, '-m', 'merge']))
    await check(await gitOk(dir, ['commit-tree', tree, '-p', `${tip}~3`, '-m', 'rewritten']))
    const old = { GIT_COMMITTER_DATE: '1000000000 +0000' }
    await check(await gitOk(dir, ['commit-tree', tree, '-p', tip, '-m', 'old'], old))
  }
}, 120_000)

test('what is deeper than orders are kept is left to git', async () => {
  const { work, orders } = counting()
  const page = orders.page('/nowhere', 'a'.repeat(40), { skip: 999_990, limit: 20 })
  expect(await page).toBeUndefined()
  expect(work.walks).toBe(0)
})
