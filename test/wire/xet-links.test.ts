import { expect, test } from 'vitest'
import type { ConfigSource } from '../../src/config/config.js'
import { startTestHub } from '../support/hub.js'
import { createRepo } from '../support/lfs.js'
import { HAS_S3, OBJECT_MODES, s3Env } from '../support/object-modes.js'
import { runPython } from '../support/python.js'
import { readCapture, sendCapture, xetClient } from '../support/xet.js'

/* Where Xet clients are sent for stored chunks. The S3 cases run with `npm run test:clients s3`. */

interface FetchInfo {
  readonly url: string
  readonly url_range: { readonly start: number; readonly end: number }
}

interface Answer {
  readonly fetch_info: Readonly<Record<string, readonly FetchInfo[]>>
  readonly xorbs: Readonly<Record<string, readonly { readonly url: string }[]>>
}

/** Every link of a v1 answer, and that v2 leads to the same places. */
async function linksIn(env: ConfigSource) {
  const hub = await startTestHub(env)
  const ada = await hub.user('ada')
  await createRepo(hub, ada, 'r', { private: true })
  const capture = readCapture('hf_xet-1.8.0')
  await sendCapture(await xetClient(hub, 'ada/r', ada), capture)
  const client = await xetClient(hub, 'ada/r', ada, 'read')
  const [file = ''] = Object.keys(capture.files)
  const ask = async (path: string) => (await (await client.call(path)).json()) as Answer
  const found = Object.values((await ask(`/v1/reconstructions/${file}`)).fetch_info).flat()
  const v2 = Object.values((await ask(`/v2/reconstructions/${file}`)).xorbs).flat()
  const hosts = v2.map((it) => new URL(it.url).host)
  expect(found.length).toBeGreaterThan(0)
  expect(new Set(hosts)).toEqual(new Set(found.map((it) => new URL(it.url).host)))
  return { hub, ada, capture, found }
}

for (const mode of OBJECT_MODES)
  test(`${mode.name}: links bring the ranges that they name, and nothing else`, async () => {
    const { hub, found, capture } = await linksIn(mode.env())
    for (const { url, url_range: range } of found) {
      expect(new URL(url).host === new URL(hub.url).host).toBe(mode.name !== 's3')
      const headers = { Range: `bytes=${range.start}-${range.end}` }
      const got = await fetch(url, { headers })
      expect(got.status).toBe(206)
      const bytes = Buffer.from(await got.arrayBuffer())
      expect(bytes.equals(capture.xorb.subarray(range.start, range.end + 1))).toBe(true)
      expect((await fetch(url)).status).toBe(403)
      // the hub serves parts of what a link names, S3 exactly that
      const part = { Range: `bytes=${range.start}-${range.end - 1}` }
      expect((await fetch(url, { headers: part })).status).toBe(mode.name === 's3' ? 403 : 206)
    }
  })

test.skipIf(!HAS_S3)('PACKHORSE_XET_LINKS=hub keeps S3 behind the hub', async () => {
  const { hub, found } = await linksIn({ ...s3Env({ proxy: false }), PACKHORSE_XET_LINKS: 'hub' })
  for (const { url } of found) expect(new URL(url).host).toBe(new URL(hub.url).host)
})

test.skipIf(!HAS_S3)('huggingface_hub writes and reads chunks that lie in S3', async () => {
  const hub = await startTestHub(s3Env({ proxy: false }))
  const ada = await hub.user('ada')
  const facts = { do: 'story', repo: 'ada/story' }
  const out = await runPython(hub, {
    version: 'latest',
    script: 'python-xet.py',
    as: ada,
    facts,
    env: { HF_XET_LOG_LEVEL: 'error' },
  })
  expect(out.split('\n').filter((it) => it.startsWith('ok'))).toHaveLength(5)
})
