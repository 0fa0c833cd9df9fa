import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { HubEvent, Repo } from '../../src/domain/types.js'
import { newRepoId } from '../../src/lib/ids.js'
import { openStores } from '../../src/storage/db/index.js'
import { tempDir } from '../support/hub.js'

const WIDE = { perTarget: 100, perOwner: 100 }
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Two processes' stores over one database, with what makes events. */
async function twoProcesses() {
  const file = join(await tempDir(), 'x.sqlite')
  const [one, other] = [await openStores(file), await openStores(file)]
  const user = (name: string) =>
    one.accounts.createUser({
      name,
      email: null,
      fullname: null,
      passwordHash: null,
      isSiteAdmin: false,
      quotas: { privateBytes: null, publicBytes: null },
    })
  const ada = await user('ada')
  const eventOf = (type: string, repo: Repo): HubEvent => ({
    type,
    repo,
    actor: { id: ada.id, name: 'ada', address: '' },
    dialect: 'test',
    data: { updates: [] },
  })
  const repo = async (name: string) => {
    const made = await one.repos.create({
      id: newRepoId(),
      kind: 'model',
      namespaceId: ada.id,
      name,
      visibility: 'public',
      description: '',
      defaultBranch: 'main',
      objectFormat: 'sha1',
      sdk: null,
      owner: 'test',
    })
    await one.repos.markReady(made.id, eventOf('repo.create', made))
    return made
  }
  const webhook = (id: string, host: string, ownerId = ada.id, limit = 10) =>
    one.webhooks.create({
      id,
      ownerId,
      isSite: false,
      url: `http://${host}/hook`,
      watches: [{ namespaceId: ada.id }],
      domains: ['repo'],
      sealedSecret: null,
      baseUrl: 'http://hub',
      limit,
    })
  const happen = (it: Repo) => one.events.add(eventOf('repo.refs', it))
  return { one, other, ada, user, repo, webhook, happen }
}

test('of one webhook and repository one delivery at a time, the oldest first; others overtake', async () => {
  const { one, other, repo, webhook, happen } = await twoProcesses()
  const [a, b] = [await repo('a'), await repo('b')]
  await webhook('w', 'one.example')
  await happen(a)
  await happen(a)
  await happen(b)
  const first = await one.deliveries.claim('one', 60, WIDE)
  const second = await other.deliveries.claim('other', 60, WIDE)
  expect([first?.repoId, second?.repoId]).toEqual([a.id, b.id])
  expect(await other.deliveries.claim('other', 60, WIDE)).toBeUndefined()
  if (!first || !second) throw new Error('nothing was claimed')
  expect(await one.deliveries.counts()).toEqual({ due: 0, running: 2, later: 0 })
  await one.deliveries.settle('one', first, { verdict: 'delivered' })
  await other.deliveries.settle('other', second, { verdict: 'retry', retryAfterMs: 60_000 })
  const third = await other.deliveries.claim('other', 60, WIDE)
  expect([third?.repoId, (third?.id ?? 0) > first.id]).toEqual([a.id, true])
  expect(await one.deliveries.claim('one', 60, WIDE)).toBeUndefined()
  if (third) await other.deliveries.settle('other', third, { verdict: 'delivered' })
  expect(await one.deliveries.counts()).toEqual({ due: 0, running: 0, later: 1 })
})

test('what a process left is taken up when its lease ends, or is released; it cannot settle it then', async () => {
  const { one, other, repo, webhook, happen } = await twoProcesses()
  const a = await repo('a')
  await webhook('w', 'one.example')
  await happen(a)
  await happen(a)
  const lost = await one.deliveries.claim('dead', 0.05, WIDE)
  await sleep(60)
  const found = await other.deliveries.claim('other', 60, WIDE)
  expect(found?.id).toBe(lost?.id)
  if (!lost || !found) throw new Error('nothing was claimed')
  await one.deliveries.settle('dead', lost, { verdict: 'retry', retryAfterMs: 60_000 })
  // still the other's: nobody else gets the lane
  expect(await one.deliveries.claim('one', 60, WIDE)).toBeUndefined()
  expect(await one.deliveries.listOwners()).toEqual(['other'])
  await one.deliveries.releaseOwner('other')
  expect((await one.deliveries.claim('one', 60, WIDE))?.id).toBe(lost.id)
})

test('a target and an owner have so many under way and no more', async () => {
  const { one, ada, user, repo, webhook, happen } = await twoProcesses()
  const eve = await user('eve')
  const all = [await repo('a'), await repo('b'), await repo('c')]
  await webhook('slow', 'slow.example')
  await webhook('same', 'slow.example', eve.id)
  await webhook('else', 'else.example', eve.id)
  for (const it of all) await happen(it)
  const claim = (perTarget: number, perOwner: number) =>
    one.deliveries.claim('one', 60, { perTarget, perOwner })
  const got: string[] = []
  for (let n = 0; n < 9; n += 1) got.push((await claim(2, 100))?.webhook.url ?? 'none')
  const of = (target: string) => got.filter((it) => it === target).length
  expect([of('http://slow.example/hook'), of('http://else.example/hook'), of('none')]).toEqual([
    2, 2, 5,
  ])
  await one.deliveries.releaseOwner('one')
  const owners: (number | undefined)[] = []
  for (let n = 0; n < 9; n += 1) owners.push((await claim(100, 1))?.webhook.ownerId)
  const known = owners.filter((it) => it !== undefined)
  expect(known.sort()).toEqual([ada.id, eve.id].sort())
})

test('a disabled webhook is not delivered to, and nobody has more webhooks than allowed', async () => {
  const { one, ada, repo, webhook, happen } = await twoProcesses()
  const a = await repo('a')
  await webhook('w', 'one.example', ada.id, 1)
  await expect(webhook('v', 'one.example', ada.id, 1)).rejects.toMatchObject({ code: 'conflict' })
  await happen(a)
  await one.webhooks.setDisabled('w', 'by-owner')
  expect(await one.deliveries.claim('one', 60, WIDE)).toBeUndefined()
  await one.webhooks.setDisabled('w', null)
  expect((await one.deliveries.claim('one', 60, WIDE))?.repoId).toBe(a.id)
})
