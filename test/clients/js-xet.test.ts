import { createHash } from 'node:crypto'
import { createRepo, downloadFile, listFiles, uploadFiles } from '@huggingface/hub'
import { expect, test } from 'vitest'
import { startTestHub } from '../support/hub.js'
import { runPython } from '../support/python.js'

/** Bytes that look the same each time: a linear congruence, hard to compress. */
function noise(seed: number, size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size)
  const words = new Uint32Array(bytes.buffer, 0, size >> 2)
  let state = seed >>> 0
  for (let i = 0; i < words.length; i += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    words[i] = state ^ (state >>> 13)
  }
  return bytes
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

test('@huggingface/hub uploads and downloads through Xet', async () => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const at = { hubUrl: hub.url, accessToken: ada.token, repo: 'ada/js' }
  await createRepo(at)
  const files = {
    'upload.bin': noise(1, 12_000_000),
    'small.safetensors': noise(2, 200_000),
    'zeros.bin': new Uint8Array(2_000_000),
  }
  await uploadFiles({
    ...at,
    useXet: true,
    files: Object.entries(files).map(([path, bytes]) => ({ path, content: new Blob([bytes]) })),
  })
  // and again with a change in the middle
  const changed = files['upload.bin'].slice()
  changed.set(noise(3, 100_000), 6_000_000)
  const before = (await hub.domain.stores.xet.totals()).bytes
  await uploadFiles({
    ...at,
    useXet: true,
    files: [{ path: 'changed.bin', content: new Blob([changed]) }],
  })
  const added = (await hub.domain.stores.xet.totals()).bytes - before
  expect(added).toBeLessThan(changed.length / 5)

  const objects = await hub.domain.stores.lfs.scanObjects('', 100)
  expect(objects.map((it) => it.storage)).toEqual(['xet', 'xet', 'xet', 'xet'])
  for (const [path, bytes] of Object.entries({ ...files, 'changed.bin': changed })) {
    const blob = await downloadFile({ ...at, path })
    if (!blob) throw new Error(`${path} is missing`)
    expect(sha256(new Uint8Array(await blob.arrayBuffer())), path).toBe(sha256(bytes))
    const part = new Uint8Array(await blob.slice(70_000, 150_001).arrayBuffer())
    expect(sha256(part), path).toBe(sha256(bytes.slice(70_000, 150_001)))
  }
  for await (const file of listFiles({ ...at, recursive: true }))
    if (file.path.endsWith('.bin')) expect(file.xetHash).toMatch(/^[0-9a-f]{64}$/)

  // what one client cut, the other puts together
  const read = await runPython(hub, {
    version: 'latest',
    script: 'python-xet.py',
    as: ada,
    facts: { do: 'download', repo: 'ada/js' },
  })
  expect(read.trim()).toBe(sha256(files['upload.bin']))
})
