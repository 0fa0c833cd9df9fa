import { expect, test } from 'vitest'
import { loggablePath } from '../../../src/http/request-facts.js'

const SECRET = 'aB3'.repeat(12)
const TICKET = 'eyJhbGciOiJIUzI1NiJ9.eyJvcCI6InNwYWNlLnZpZXcifQ.q-9_xYz'

test.each([
  [`/api/models?token=hf_${SECRET}`, '/api/models'],
  [`/api/x/hf_${SECRET}/y`, '/api/x/hf_***/y'],
  [`/api/invitations/inv_${SECRET}/accept`, '/api/invitations/inv_***/accept'],
  [`/invitations/inv_${SECRET}`, '/invitations/inv_***'],
  [`/spaces/ada/page/~${TICKET}/index.html`, '/spaces/ada/page/~***/index.html'],
  [`/spaces/ada/page/%7E${TICKET}/index.html`, '/spaces/ada/page/%7E***/index.html'],
  ['/spaces/ada/page/~user/a.b.c', '/spaces/ada/page/~user/a.b.c'],
  ['/ada/m/resolve/main/a.b.c', '/ada/m/resolve/main/a.b.c'],
])('what the log shows of %s', (url, shown) => {
  expect(loggablePath({ url })).toBe(shown)
})
