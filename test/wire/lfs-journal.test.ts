import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startTestHub } from '../support/hub.js'
import {
  createRepo,
  download,
  randomObject,
  repoOf,
  type TestObject,
  uploadAll,
} from '../support/lfs.js'

/* Small objects and the power (decision 013): what the disk may have lost of them, the journal gives back. */

test('an acknowledged object outlives a power cut that its file did not', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await createRepo(hub, ada, 'r')
  const directory = join(hub.dataDir, 'objects/journal')
  const stored: TestObject[] = []
  // the journal is gone once the files are synced: on a slow day that may be before we look
  let journal: Buffer | undefined
  for (let attempt = 0; attempt < 5 && !journal; attempt += 1) {
    stored.splice(0, stored.length, ...[1, 20_000, 128 * 1024].map((size) => randomObject(size)))
    await uploadAll(hub, 'ada/r', ada, stored)
    const [name = ''] = await readdir(directory)
    journal = await readFile(join(directory, name)).catch(() => undefined)
  }
  if (!journal) throw new Error('there was no journal')
  await hub.close()

  // of the files one is missing, one of zeros, one shorter than it should be
  const keyOf = async ({ oid }: TestObject) => {
    const folder = join(hub.dataDir, 'objects/lfs', oid.slice(0, 2), oid.slice(2, 4))
    const [name = ''] = (await readdir(folder)).filter((it) => it.startsWith(oid))
    return join(folder, name)
  }
  const [first, second, third] = await Promise.all(stored.map(keyOf))
  await rm(first ?? '')
  await writeFile(second ?? '', Buffer.alloc(20_000))
  await writeFile(third ?? '', 'short')
  // and the machine has another boot by now
  await rm(directory, { recursive: true })
  await mkdir(directory)
  await writeFile(join(directory, 'h00000000-p1-t1-aaaa'), journal)

  const again = await startTestHub({ PACKHORSE_DATA: hub.dataDir })
  for (const object of stored)
    expect(await download(again, 'ada/r', ada, object)).toEqual(object.bytes)
  expect((await repoOf(again, 'ada', 'r')).lfsBytes).toBeGreaterThan(0)
})
