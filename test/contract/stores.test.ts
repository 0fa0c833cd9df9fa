import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { openStores, type Stores } from '../../src/storage/db/index.js'
import { tempDir } from '../support/hub.js'
import { storesContract } from './stores.js'

async function opened(file: string): Promise<Stores> {
  const stores = await openStores(file)
  onTestFinished(() => stores.close())
  return stores
}

storesContract('SQLite file', async () => {
  const file = join(await tempDir(), 'hub.sqlite')
  return { stores: await opened(file), again: () => opened(file) }
})

storesContract('SQLite :memory:', async () => ({ stores: await opened(':memory:') }))
