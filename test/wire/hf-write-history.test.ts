import { expect, test } from 'vitest'
import { clone, commit, file, header, hubWithRepo } from '../support/hf.js'
import { gitOk, type TestHub, type TestUser } from '../support/hub.js'

const API = '/api/models/ada/m'

async function text(hub: TestHub, as: TestUser, path: string, rev = 'main') {
  const reply = await hub.api(`/ada/m/resolve/${rev}/${path}`, { as })
  return reply.status === 200 ? reply.text : reply.status
}

test('a commit and its diff are told', async () => {
  const { hub, ada } = await hubWithRepo()
  await commit(hub, ada, [header('one'), file('a.txt', 'a\n'), file('b c.txt', 'b\n')])
  const second = await commit(hub, ada, [
    header('two', { description: 'body' }),
    file('a.txt', 'A\n'),
    file('new.txt', 'n\n'),
    { key: 'deletedFile', value: { path: 'b c.txt' } },
  ])
  const oid = second.json.commitOid
  expect((await hub.api(`${API}/commit/${oid}`)).json).toMatchObject({
    id: oid,
    title: 'two',
    description: 'body',
    author: 'ada',
    parents: [expect.stringMatching(/^[0-9a-f]{40}$/)],
  })
  const { files } = (await hub.api(`${API}/commit/${oid}/diff`)).json
  const byPath = Object.fromEntries(files.map((it: { path: string }) => [it.path, it]))
  expect(byPath['a.txt']).toMatchObject({ type: 'changed', is_lfs: false, size_bytes: 2 })
  expect(byPath['a.txt'].diff).toContain('-a\n+A\n')
  expect(byPath['new.txt']).toMatchObject({ type: 'added' })
  expect(byPath['b c.txt']).toMatchObject({ type: 'removed' })
  expect(byPath['b c.txt'].diff).toContain('-b\n')
})

test('a revert takes one change back, or says what is in its way', async () => {
  const { hub, ada } = await hubWithRepo()
  await commit(hub, ada, [header('base'), file('a.txt', '1\n'), file('b.txt', '1\n')])
  const bad = await commit(hub, ada, [header('bad'), file('a.txt', '2\n')])
  await commit(hub, ada, [header('later'), file('b.txt', '2\n')])
  const revert = (body: unknown) => hub.api(`${API}/branch/main/revert`, { as: ada, body })
  const done = await revert({ ref: bad.json.commitOid })
  expect(done.status).toBe(200)
  expect([await text(hub, ada, 'a.txt'), await text(hub, ada, 'b.txt')]).toEqual(['1\n', '2\n'])
  expect((await revert({ ref: bad.json.commitOid })).json.commit_id).toBe(done.json.commit_id)
  await commit(hub, ada, [header('again'), file('a.txt', '3\n')])
  const conflict = await revert({ ref: bad.json.commitOid })
  expect([conflict.status, conflict.json.error]).toEqual([409, 'Conflicting changes in: a.txt'])
  expect((await revert({ ref: 'nope' })).status).toBe(404)
  expect((await revert({ ref: bad.json.commitOid, parent_number: 2 })).status).toBe(400)
})

test('branches merge, conflicts leave both as they are', async () => {
  const { hub, ada } = await hubWithRepo()
  await commit(hub, ada, [header('base'), file('a.txt', '1\n')])
  await hub.api(`${API}/branch/dev`, { as: ada, body: {} })
  await commit(hub, ada, [header('dev'), file('dev.txt', 'd\n')], `${API}/commit/dev`)
  await commit(hub, ada, [header('main'), file('main.txt', 'm\n')])
  const merge = (from: string, into: string, body: unknown = {}) =>
    hub.api(`${API}/merge/${from}/into/${into}`, { as: ada, body })
  expect((await merge('dev', 'main', { message: 'Together' })).status).toBe(200)
  const work = await clone(hub, ada)
  expect(await gitOk(work, ['log', '-1', '--format=%s|%P'])).toMatch(/^Together\|\w{40} \w{40}$/)
  expect(await gitOk(work, ['ls-files'])).toBe('.gitattributes\na.txt\ndev.txt\nmain.txt')
  expect((await merge('dev', 'main')).json.message).toBe('Nothing to do')
  await commit(hub, ada, [header('x'), file('a.txt', 'left\n')], `${API}/commit/dev`)
  const before = (await commit(hub, ada, [header('y'), file('a.txt', 'right\n')])).json.commitOid
  expect((await merge('dev', 'main')).status).toBe(409)
  expect((await hub.api(`${API}/refs`)).json.branches[0].targetCommit).toBe(before)
  const reset = (body: unknown) => hub.api(`${API}/branch/main/reset`, { as: ada, body })
  const first = await gitOk(work, ['rev-parse', 'HEAD~1'])
  expect((await reset({ ref: first })).status).toBe(400)
  expect((await reset({ ref: first, force: true })).status).toBe(200)
  expect(await text(hub, ada, 'a.txt')).toBe('1\n')
  expect(await text(hub, ada, 'dev.txt')).toBe(404)
  await gitOk(work, ['pull', '-q'])
  expect(await gitOk(work, ['fsck', '--full'])).toBe('')
})
