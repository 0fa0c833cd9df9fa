import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { gitOk, startTestHub } from '../support/hub.js'
import { cloneRepo, pushFiles } from '../support/repos.js'

/** Bytes that do not compress and look the same each time. */
function noise(seed: number, size: number): Buffer {
  const words = new Uint32Array(size >> 2)
  let state = seed
  for (let i = 0; i < words.length; i += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    words[i] = state ^ (state >>> 13)
  }
  return Buffer.from(words.buffer)
}

test('versions of a file pushed by git-lfs cost little more than one, once they are stored in chunks', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  await hub.api('/api/repos/create', { as: ada, body: { name: 'versions' } })
  const work = await cloneRepo(hub, ada, 'ada/versions')
  const size = 8_000_000
  const file = noise(1, size)
  const versions: Buffer[] = []
  for (let n = 0; n < 5; n += 1) {
    noise(100 + n, 40_000).copy(file, 1_500_000 * n + 100_000)
    versions.push(Buffer.from(file))
    await pushFiles(work, { 'model.safetensors': file }, `version ${n}`)
  }
  const { converter } = hub.domain.xet
  const errors: unknown[] = []
  const options = {
    minAgeSeconds: 0,
    signal: new AbortController().signal,
    onError: (err: unknown) => void errors.push(err),
  }
  expect([await converter.convertAll(options), errors]).toEqual([5, []])
  expect(await converter.convertAll(options)).toBe(0)
  const { bytes } = await hub.domain.stores.xet.totals()
  expect(bytes).toBeLessThan(size * 1.5)

  for (const { oid, storage } of await hub.domain.stores.lfs.scanObjects('', 10)) {
    expect(storage).toBe('xet')
    await hub.domain.objects.dropRaw(oid)
  }
  const raw: string[] = []
  for await (const { key } of hub.domain.store.list('lfs/')) raw.push(key)
  expect(raw).toEqual([])

  const fresh = await cloneRepo(hub, ada, 'ada/versions')
  for (const [n, version] of versions.entries()) {
    await gitOk(fresh, ['checkout', '-q', `HEAD~${versions.length - 1 - n}`])
    await gitOk(fresh, ['lfs', 'pull'])
    const read = await readFile(join(fresh, 'model.safetensors'))
    expect(createHash('sha256').update(read).digest('hex')).toBe(
      createHash('sha256').update(version).digest('hex'),
    )
    await gitOk(fresh, ['checkout', '-q', 'main'])
  }
  const entry = await hub.api('/api/models/ada/versions/paths-info/main', {
    body: { paths: ['model.safetensors'] },
  })
  expect(entry.json[0].xetHash).toMatch(/^[0-9a-f]{64}$/)
  expect(await hub.domain.xet.collector.collect({ dryRun: false, graceSeconds: 0 })).toMatchObject({
    xorbs: 0,
  })
})
