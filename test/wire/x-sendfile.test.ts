import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { proxyFiles } from '../../src/http/accel-redirect.js'
import { startTestHub, type TestHub } from '../support/hub.js'
import { batch, createRepo, pointerOf, randomObject, send, uploadAll } from '../support/lfs.js'

/* What a server in front is told by X-Sendfile: the absolute path of an object's file, and nothing a client says. */

const PROXIED = { 'X-Forwarded-For': '203.0.113.9' }

async function hubWithObject(settings: Record<string, string>) {
  const hub: TestHub = await startTestHub(settings)
  const ada = await hub.user('ada')
  await createRepo(hub, ada, 'm')
  const object = randomObject(100_000)
  await uploadAll(hub, 'ada/m.git', ada, [object])
  const { objects } = await batch(hub, 'ada/m.git', 'download', [pointerOf(object)], { as: ada })
  const href = objects[0]?.actions?.download.href
  if (!href) throw new Error('no link to download')
  return { hub, object, href }
}

test('a proxy is told the path of the file, below the data directory', async () => {
  const { hub, object, href } = await hubWithObject({ PACKHORSE_ACCEL_REDIRECT: 'x-sendfile' })
  const told = await send('GET', href, { headers: PROXIED })
  const path = String(told.headers['x-sendfile'])
  expect([told.status, told.body.length]).toEqual([200, 0])
  expect(path.startsWith(`${join(hub.dataDir, 'objects', 'lfs')}/`)).toBe(true)
  expect(path).not.toContain('..')
  expect((await readFile(path)).equals(object.bytes)).toBe(true)
  expect(told.headers['x-accel-redirect']).toBeUndefined()
  expect(told.headers.etag).toBe(`"${object.oid}"`)
})

test('what clients send names no file and brings no header out', async () => {
  const { object, href } = await hubWithObject({ PACKHORSE_ACCEL_REDIRECT: 'x-sendfile' })
  const wish = {
    'X-Sendfile': '/etc/passwd',
    'X-Accel-Redirect': '/etc/passwd',
    'X-Sendfile-Type': 'X-Sendfile',
  }
  const direct = await send('GET', href, { headers: wish })
  expect(direct.headers['x-sendfile']).toBeUndefined()
  expect(direct.body.equals(object.bytes)).toBe(true)
  const proxied = await send('GET', href, { headers: { ...PROXIED, ...wish } })
  expect(proxied.headers['x-sendfile']).toMatch(/\/objects\/lfs\/[0-9a-f/]+-[\w-]+$/)
  const head = await send('HEAD', href, { headers: PROXIED })
  expect(head.headers['x-sendfile']).toBeUndefined()
  const resumed = await send('GET', href, {
    headers: { ...PROXIED, Range: 'bytes=5-9', 'If-Range': `"${object.oid}"` },
  })
  expect([resumed.status, resumed.headers['x-sendfile']]).toEqual([206, undefined])
  expect(resumed.body.equals(object.bytes.subarray(5, 10))).toBe(true)
})

test('without the setting nobody is told', async () => {
  const { object, href } = await hubWithObject({})
  const wish = { ...PROXIED, 'X-Sendfile-Type': 'X-Sendfile', 'X-Sendfile': '/etc/passwd' }
  const answer = await send('GET', href, { headers: wish })
  expect([answer.headers['x-sendfile'], answer.headers['x-accel-redirect']]).toEqual([
    undefined,
    undefined,
  ])
  expect(answer.body.equals(object.bytes)).toBe(true)
})

test('a directory with other letters is escaped, as both servers expect it', () => {
  expect(proxyFiles('x-sendfile', '/srv/my data/100%/ü\r\nX: y')?.prefix).toBe(
    '/srv/my%20data/100%25/%C3%BC%0D%0AX%3A%20y/',
  )
  expect(proxyFiles('/packhorse-objects/', '/srv')).toEqual({
    header: 'X-Accel-Redirect',
    prefix: '/packhorse-objects/',
  })
})
