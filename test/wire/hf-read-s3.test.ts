import { createHash, randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { startTestHub } from '../support/hub.js'
import { HAS_S3, OBJECT_MODES } from '../support/object-modes.js'
import { PYTHON_CLIENTS, runPython } from '../support/python.js'
import { cloneRepo, pushFiles } from '../support/repos.js'

/** The store under another host name than the hub: clients follow a redirect only there (huggingface-wire C1.4). */
function otherHost(env: Record<string, string | undefined>): Record<string, string | undefined> {
  const endpoint = env.PACKHORSE_S3_ENDPOINT
  return endpoint
    ? { ...env, PACKHORSE_S3_ENDPOINT: endpoint.replace('127.0.0.1', 'localhost') }
    : env
}

for (const mode of OBJECT_MODES)
  for (const name of mode.name === 'disk' ? ['same host'] : ['same host', 'another host'])
    test(`${mode.name}, ${name}: an LFS file is resolved and downloaded`, async () => {
      const hub = await startTestHub(name === 'same host' ? mode.env() : otherHost(mode.env()))
      const ada = await hub.user('ada')
      await hub.api('/api/repos/create', { as: ada, body: { name: 'm' } })
      const weights = randomBytes(1_000_000)
      const head = await pushFiles(await cloneRepo(hub, ada, 'ada/m'), {
        'w.bin': weights,
        'a.txt': 'hello',
      })
      const sha256 = createHash('sha256').update(weights).digest('hex')
      const url = `${hub.url}/ada/m/resolve/main/w.bin`
      const redirects = mode.name === 's3' && name === 'another host'

      const headReply = await fetch(url, { method: 'HEAD', redirect: 'manual' })
      expect([headReply.status, headReply.headers.get('content-length')]).toEqual([200, '1000000'])
      const got = await fetch(url, { redirect: 'manual' })
      expect(got.status).toBe(redirects ? 302 : 200)
      for (const reply of [headReply, got]) {
        expect(reply.headers.get('x-repo-commit')).toBe(head)
        expect(reply.headers.get('x-linked-etag')).toBe(`"${sha256}"`)
        expect(reply.headers.get('x-linked-size')).toBe('1000000')
      }
      const part = await fetch(url, { headers: { Range: 'bytes=10-19' } })
      expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 10-19/1000000'])
      expect(Buffer.from(await part.arrayBuffer()).equals(weights.subarray(10, 20))).toBe(true)
      if (HAS_S3)
        for (const version of PYTHON_CLIENTS)
          await runPython(hub, {
            version,
            script: 'python-download.py',
            facts: { sha256, size: weights.length },
          })
    })
