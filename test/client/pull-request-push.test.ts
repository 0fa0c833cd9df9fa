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
