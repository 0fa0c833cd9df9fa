import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openStores, type Stores } from '../../../src/storage/db/index.js'
import { tempDir } from '../../support/hub.js'

async function open(file: string): Promise<{ stores: Stores; asked: string[] }> {
  const asked: string[] = []
  const stores = await openStores(file, (sql) => void asked.push(sql))
  onTestFinished(() => stores.close())
  return { stores, asked }
}

const account = {
  email: null,
  fullname: null,
  passwordHash: null,
  isSiteAdmin: false,
  quotas: { privateBytes: null, publicBytes: null },
}

test('a second look asks nothing, and any write, here or elsewhere, is seen by the next', async () => {
  const file = join(await tempDir(), 'db.sqlite')
  const { stores, asked } = await open(file)
  const { stores: other } = await open(file)
  const ada = await stores.accounts.createUser({ name: 'ada', ...account })
  expect((await stores.accounts.findUserById(ada.id))?.isActive).toBe(true)
  asked.length = 0
  for (let n = 0; n < 5; n += 1) await stores.accounts.findUserById(ada.id)
  expect(asked).toEqual([])

  // another process
  await other.accounts.updateUser(ada.id, { isActive: false })
  expect((await stores.accounts.findUserById(ada.id))?.isActive).toBe(false)
  // this one
  await stores.accounts.updateUser(ada.id, { isActive: true })
  expect((await stores.accounts.findUserById(ada.id))?.isActive).toBe(true)
  expect((await other.accounts.findUserById(ada.id))?.isActive).toBe(true)
})

test('what was not there is found once it is', async () => {
  const { stores } = await open(join(await tempDir(), 'db.sqlite'))
  expect(await stores.accounts.findTokenByHash('f'.repeat(64))).toBeUndefined()
  const ada = await stores.accounts.createUser({ name: 'ada', ...account })
  await stores.accounts.createToken({
    userId: ada.id,
    name: 't',
    kind: 'token',
    hash: 'f'.repeat(64),
    role: 'write',
    repoIds: [],
    expiresAt: null,
  })
  const found = await stores.accounts.findTokenByHash('f'.repeat(64))
  expect(found?.userId).toBe(ada.id)
  await stores.accounts.deleteToken(ada.id, found?.id ?? '')
  expect(await stores.accounts.findTokenByHash('f'.repeat(64))).toBeUndefined()
})

test('reads beside writes never keep an older answer', async () => {
  const { stores } = await open(join(await tempDir(), 'db.sqlite'))
  const ada = await stores.accounts.createUser({ name: 'ada', ...account })
  for (let n = 0; n < 50; n += 1) {
    const write = stores.accounts.updateUser(ada.id, { fullname: `name ${n}` })
    const reads = Array.from({ length: 5 }, () => stores.accounts.findUserById(ada.id))
    await Promise.all([write, ...reads])
    expect((await stores.accounts.findUserById(ada.id))?.fullname).toBe(`name ${n}`)
  }
})
