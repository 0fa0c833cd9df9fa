import { expect, test } from 'vitest'
import { initWork } from '../support/git-work.js'
import { gitOk, startTestHub, tempDir } from '../support/hub.js'

test('pages far down the history are git’s, also after a push, and the count with them', async () => {
  const hub = await startTestHub()
  const jane = await hub.user('jane')
  await hub.org('acme', jane)
  const made = await hub.api('/auth/v1/acme/repositories', { as: jane, body: { name: 'deep' } })
  const work = await initWork(await tempDir(), 'work')
  const tree = await gitOk(work, ['rev-parse', 'HEAD^{tree}'])
  const script = `c=$(git rev-parse HEAD); i=0; while [ $i -lt 1100 ]; do c=$(git commit-tree ${tree} -p $c -m c$i); i=$((i+1)); done; git reset -q --hard $c`
  await gitOk(work, ['-c', `alias.many=!${script}`, 'many'])
  const url = hub.gitUrl('acme/deep.git', jane)
  await gitOk(work, ['push', '-q', '-f', url, 'main'])
  const check = async (page: number) => {
    const all = (await gitOk(work, ['rev-list', 'main'])).split('\n')
    const path = `/auth/v1/acme/repositories/${made.json.id}/commits/main?per_page=50&page=${page}`
    const { json } = await hub.api(path, { as: jane })
    const shas = json.data.map((it: { sha: string }) => it.sha)
    expect(shas).toEqual(all.slice((page - 1) * 50, page * 50))
    const { total } = json.pagination
    expect(total).toBe(all.length)
  }
  for (const page of [1, 21, 22, 23]) await check(page)
  await gitOk(work, ['commit', '-q', '--allow-empty', '-m', 'one more'])
  await gitOk(work, ['push', '-q', url, 'main'])
  for (const page of [22, 23, 24]) await check(page)
}, 120_000)
