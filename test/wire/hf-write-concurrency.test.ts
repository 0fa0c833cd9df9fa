import { expect, test } from 'vitest'
import { clone, commit, file, header, hubWithRepo } from '../support/hf.js'
import { gitOk, startTestHub, type TestHub } from '../support/hub.js'

const COMMITTERS = 20
const EACH = 10

/** Every committer makes its commits one after another; all of them at once. */
async function race(hubs: readonly TestHub[], as: Parameters<typeof commit>[1]): Promise<number[]> {
  const statuses: number[] = []
  await Promise.all(
    Array.from({ length: COMMITTERS }, async (_, who) => {
      const hub = hubs[who % hubs.length] as TestHub
      for (let n = 0; n < EACH; n += 1) {
        const lines = [header(`commit ${who} ${n}`), file(`by-${who}/${n}.txt`, `${who} ${n}`)]
        statuses.push((await commit(hub, as, lines)).status)
      }
    }),
  )
  return statuses
}

async function expectAll(hub: TestHub, as: NonNullable<Parameters<typeof commit>[1]>) {
  const work = await clone(hub, as)
  const subjects = (await gitOk(work, ['log', '--format=%s', '--first-parent'])).split('\n')
  const wanted = Array.from(
    { length: COMMITTERS * EACH },
    (_, n) => `commit ${n % COMMITTERS} ${Math.floor(n / COMMITTERS)}`,
  )
  expect(subjects.length).toBe(COMMITTERS * EACH + 1)
  expect(new Set(subjects)).toEqual(new Set([...wanted, 'initial commit']))
  expect((await gitOk(work, ['ls-files', 'by-*'])).split('\n').length).toBe(COMMITTERS * EACH)
  expect(await gitOk(work, ['fsck', '--full'])).toBe('')
}

test('20 committers on one branch lose nothing', { timeout: 120_000 }, async () => {
  const { hub, ada } = await hubWithRepo()
  const statuses = await race([hub], ada)
  expect(new Set(statuses)).toEqual(new Set([200]))
  await expectAll(hub, ada)
  const info = await hub.api('/api/models/ada/m/commits/main?limit=1', { as: ada })
  expect(info.headers.get('x-total-count')).toBe(String(COMMITTERS * EACH + 1))
})

test('nor do they through two hubs over the same data', { timeout: 120_000 }, async () => {
  const { hub, ada } = await hubWithRepo()
  const second = await startTestHub({ PACKHORSE_DATA: hub.dataDir })
  const statuses = await race([hub, second], ada)
  expect(new Set(statuses)).toEqual(new Set([200]))
  await expectAll(hub, ada)
})

test('of several commits on the same parent one wins, the others are told', async () => {
  const { hub, ada } = await hubWithRepo()
  const parentCommit = (await hub.api('/api/models/ada/m/refs')).json.branches[0].targetCommit
  const replies = await Promise.all(
    Array.from({ length: 8 }, (_, n) =>
      commit(hub, ada, [header(`c${n}`, { parentCommit }), file(`${n}`, `${n}`)]),
    ),
  )
  const statuses = replies.map((it) => it.status).sort()
  expect(statuses).toEqual([200, 412, 412, 412, 412, 412, 412, 412])
})

test('a commit waits for a squash of the repository instead of failing', async () => {
  const { hub, ada } = await hubWithRepo()
  const { domain } = hub
  const address = { kind: 'model', namespace: 'ada', name: 'm' } as const
  const repo = await domain.stores.repos.findByAddress(address)
  if (!repo) throw new Error('no repository')
  let release = () => {}
  const held = domain.holds.run(
    repo,
    'squash',
    'ada',
    () => new Promise<void>((resolve) => (release = resolve)),
  )
  let answered = false
  const waiting = commit(hub, ada, [header('after'), file('a', '1')]).then((it) => {
    answered = true
    return it
  })
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(answered).toBe(false)
  release()
  await held
  expect((await waiting).status).toBe(200)
  const other = domain.holds.run(repo, 'mirror', 'ada', async () => {
    expect((await commit(hub, ada, [header('no'), file('b', '1')])).status).toBe(423)
  })
  await other
})
