import { expect, test } from 'vitest'
import { startTestHub } from '../support/hub.js'

test('API answers tell the limit, and above it comes a 429 with Retry-After; git is not counted', async () => {
  const hub = await startTestHub({ PACKHORSE_API_CALLS: '5', PACKHORSE_API_WINDOW_SECONDS: '100' })
  const ada = await hub.user('ada')
  const made = await hub.api('/api/repos/create', { as: ada, body: { name: 'm' } })
  expect(made.headers.get('ratelimit')).toMatch(/^"api";r=4;t=\d+$/)
  expect(made.headers.get('ratelimit-policy')).toBe('"fixed window";"api";q=5;w=100')
  for (let n = 0; n < 4; n += 1) await hub.api('/api/models/ada/m', { as: ada })
  const over = await hub.api('/api/models/ada/m', { as: ada })
  expect([over.status, over.headers.get('ratelimit')?.slice(0, 9)]).toEqual([429, '"api";r=0'])
  expect(Number(over.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(over.json.error).toContain('Try again in')
  expect((await hub.api('/api/models/ada/m')).status).toBe(200)
  const git = await hub.api('/ada/m.git/info/refs?service=git-upload-pack', { as: ada })
  expect([git.status, git.headers.get('ratelimit')]).toEqual([200, null])
  expect((await hub.api('/ada/m/resolve/main/.gitattributes', { as: ada })).status).toBe(200)
})
