import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { clone, commit, file, header, hubWithRepo } from '../support/hf.js'
import { git, gitOk } from '../support/hub.js'

test('the author of a pull request pushes to it by git, and to nothing else', async () => {
  const { hub } = await hubWithRepo()
  const eve = await hub.user('eve')
  const mallory = await hub.user('mallory')
  const work = await clone(hub, eve)
  const change = async (text: string) => {
    await writeFile(`${work}/pr.txt`, text)
    await gitOk(work, ['add', '.'])
    await gitOk(work, ['commit', '-qm', text])
  }
  await change('before')
  const early = await git(work, ['push', 'origin', 'HEAD:refs/pr/1'])
  expect([early.code, early.stderr]).toEqual([128, expect.stringContaining('403')])
  const opened = await commit(
    hub,
    eve,
    [header('A change'), file('pr.txt', 'first')],
    '/api/models/ada/m/commit/main?create_pr=1',
  )
  expect(opened.status).toBe(200)
  await gitOk(work, ['fetch', '-q', 'origin', 'refs/pr/1'])
  await gitOk(work, ['reset', '-q', '--hard', 'FETCH_HEAD'])
  await change('second')
  await gitOk(work, ['push', '-q', 'origin', 'HEAD:refs/pr/1'])
  const refs = (await hub.api('/api/models/ada/m/refs?include_prs=1')).json.pullRequests
  expect(refs[0].targetCommit).toBe(await gitOk(work, ['rev-parse', 'HEAD']))

  for (const ref of ['refs/heads/main', 'refs/heads/mine', 'refs/tags/t', 'refs/pr/2']) {
    const refused = await git(work, ['push', 'origin', `HEAD:${ref}`])
    expect([ref, refused.code, refused.stderr]).toEqual([
      ref,
      1,
      expect.stringContaining('You may read this repository only'),
    ])
  }
  expect((await git(work, ['push', 'origin', ':refs/pr/1'])).code).toBe(1)
  const theirs = await git(work, ['push', hub.gitUrl('ada/m', mallory), 'HEAD:refs/pr/1'])
  expect(theirs.code).toBe(128)
  expect((await hub.api('/api/models/ada/m/refs')).json.branches).toHaveLength(1)
})

test('the author of a pull request pushes LFS files to it by git, and nowhere else', async () => {
  const { hub, ada } = await hubWithRepo()
  const eve = await hub.user('eve')
  const work = await clone(hub, eve)
  await gitOk(work, ['lfs', 'install', '--local'])
  const bytes = randomBytes(30_000)
  await writeFile(`${work}/weights.bin`, bytes)
  await gitOk(work, ['add', '.'])
  await gitOk(work, ['commit', '-qm', 'Weights'])
  expect((await git(work, ['push', 'origin', 'HEAD:refs/pr/1'])).code).not.toBe(0)
  const body = { title: 'Weights', description: '', pullRequest: true }
  const opened = await hub.api('/api/models/ada/m/discussions', { as: eve, body })
  expect(opened.json.num).toBe(1)
  const elsewhere = await git(work, ['push', 'origin', 'HEAD:refs/heads/main'])
  expect([elsewhere.code === 0, elsewhere.stderr]).toEqual([
    false,
    expect.stringContaining('do not have write access'),
  ])
  await gitOk(work, ['push', '-q', 'origin', 'HEAD:refs/pr/1'])
  await hub.api('/api/models/ada/m/discussions/1/status', { as: eve, body: { status: 'open' } })
  const merged = await hub.api('/api/models/ada/m/discussions/1/merge', { as: ada, method: 'POST' })
  expect(merged.status).toBe(200)
  const got = await fetch(`${hub.url}/ada/m/resolve/main/weights.bin`)
  expect(Buffer.from(await got.arrayBuffer()).equals(bytes)).toBe(true)
  // closed: nothing more comes in
  await writeFile(`${work}/weights.bin`, randomBytes(30_000))
  await gitOk(work, ['commit', '-qam', 'Late'])
  expect((await git(work, ['push', 'origin', 'HEAD:refs/pr/1'])).code).not.toBe(0)
})
