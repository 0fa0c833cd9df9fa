import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { ConfigSource } from '../../src/config/config.js'
import { startTestHub, type TestHub, type TestUser } from '../support/hub.js'
import { OBJECT_MODES } from '../support/object-modes.js'
import { readCapture, sendCapture, xetClient } from '../support/xet.js'

const python = readCapture('hf_xet-1.8.0')
const js = readCapture('huggingface-js-2.17.5')

async function hubWithRepo(env: ConfigSource): Promise<{ hub: TestHub; ada: TestUser }> {
  const hub = await startTestHub(env)
  const ada = await hub.user('ada')
  await hub.api('/api/repos/create', {
    as: ada,
    body: { name: 'store', type: 'model', private: true },
  })
  return { hub, ada }
}

/** Bytes of an LFS object over the LFS route. */
async function download(hub: TestHub, as: TestUser, oid: string, size: number, range?: string) {
  const batch = await hub.api('/ada/store.git/info/lfs/objects/batch', {
    as,
    body: { operation: 'download', objects: [{ oid, size }] },
  })
  const href = batch.json.objects[0].actions.download.href as string
  const reply = await fetch(href, range ? { headers: { Range: range } } : {})
  return { status: reply.status, bytes: Buffer.from(await reply.arrayBuffer()) }
}

describe.each(OBJECT_MODES)('objects: $name', (mode) => {
  test.each([
    ['hf_xet 1.8.0', python],
    ['@huggingface/hub 2.17.5', js],
  ])('what %s uploads is read back whole and in ranges by LFS clients', async (_, capture) => {
    const { hub, ada } = await hubWithRepo(mode.env())
    await sendCapture(await xetClient(hub, 'ada/store', ada), capture)
    for (const { sha256, size } of Object.values(capture.files)) {
      const whole = await download(hub, ada, sha256, size)
      expect(whole.status).toBe(200)
      expect(createHash('sha256').update(whole.bytes).digest('hex')).toBe(sha256)
      for (const [first, last] of [
        [0, 0],
        [size - 1, size - 1],
        [Math.floor(size / 3), Math.floor((2 * size) / 3)],
      ] as const) {
        const part = await download(hub, ada, sha256, size, `bytes=${first}-${last}`)
        expect(part.status).toBe(206)
        expect(part.bytes.equals(whole.bytes.subarray(first, last + 1))).toBe(true)
      }
    }
  })
})
