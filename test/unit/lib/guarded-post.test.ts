import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { type GuardedPost, guardedPost } from '../../../src/lib/guarded-post.js'
import { isPublicAddress } from '../../../src/lib/public-address.js'

async function serve(address: string, answer: RequestListener, port = 0) {
  const server = createServer(answer)
  server.listen(port, address)
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

function post(url: string, options: Partial<GuardedPost> = {}) {
  return guardedPost({
    url: new URL(url),
    headers: {},
    body: Buffer.from('{}'),
    timeoutMs: 20_000,
    signal: new AbortController().signal,
    allows: isPublicAddress,
    resolve: async () => {
      throw new Error('nothing is to be resolved')
    },
    ...options,
  })
}

test.each([
  '0.0.0.0',
  '10.1.2.3',
  '100.64.0.1',
  '100.127.255.254',
  '127.0.0.1',
  '127.8.8.8',
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.0.0.8',
  '192.0.2.1',
  '192.168.1.1',
  '198.18.0.1',
  '198.51.100.7',
  '203.0.113.9',
  '224.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::127.0.0.1',
  '::ffff:10.0.0.1',
  '::ffff:8.8.8.8',
  '64:ff9b::7f00:1',
  '64:ff9b::8.8.8.8',
  '64:ff9b:1::a00:1',
  '100::1',
  '2001::1',
  '2001:db8::1',
  '2002:7f00:1::',
  '3fff::1',
  'fc00::1',
  'fd12:3456::1',
  'fe80::1',
  'fe80::1%lo',
  'fec0::1',
  'ff02::1',
  'localhost',
  '',
])('%s is not on the public internet', (address) => {
  expect(isPublicAddress(address)).toBe(false)
})

test.each([
  '1.1.1.1',
  '100.63.255.255',
  '100.128.0.1',
  '172.15.0.1',
  '172.32.0.1',
  '192.169.0.1',
  '223.255.255.255',
  '2606:4700:4700::1111',
  '2a00:1450:4001::1',
])('%s is', (address) => {
  expect(isPublicAddress(address)).toBe(true)
})

// as the URL standard reads them, every one of these is an address that must not be dialled
test.each([
  'http://127.0.0.1:1/',
  'http://2130706433:1/',
  'http://0x7f.1:1/',
  'http://0177.0.0.1:1/',
  'http://127.1:1/',
  'http://0:1/',
  'http://[::1]:1/',
  'http://[::ffff:127.0.0.1]:1/',
  'http://[64:ff9b::7f00:1]:1/',
  'http://169.254.169.254/latest/meta-data/',
  'http://①②⑦.0.0.1:1/',
])('%s is refused', async (url) => {
  await expect(post(url)).rejects.toThrow('is not on the public internet')
})

test('a name that leads to a private address is refused without a connection', async () => {
  let hits = 0
  const port = await serve('127.0.0.1', (_, res) => {
    hits += 1
    res.end()
  })
  const resolve = async () => [{ address: '127.0.0.1', family: 4 }]
  await expect(post(`http://hook.example:${port}/`, { resolve })).rejects.toThrow(
    'the receiver is not on the public internet',
  )
  expect(hits).toBe(0)
})

test('of several addresses only the allowed one is dialled', async () => {
  const hits: string[] = []
  const port = await serve('127.0.0.2', (_, res) => {
    hits.push('allowed')
    res.end()
  })
  await serve('127.0.0.3', (_, res) => void res.end(hits.push('refused')), port)
  const { status } = await post(`http://hook.example:${port}/`, {
    allows: (it) => it === '127.0.0.2',
    resolve: async () => [
      { address: '127.0.0.3', family: 4 },
      { address: '127.0.0.2', family: 4 },
      { address: '::1', family: 6 },
    ],
  })
  expect([status, hits]).toEqual([200, ['allowed']])
})

test('DNS rebinding: the address that was checked is the one dialled', async () => {
  const hits: string[] = []
  const port = await serve('127.0.0.2', (_, res) => {
    hits.push('first')
    res.end()
  })
  await serve('127.0.0.3', (_, res) => void res.end(hits.push('second')), port)
  let asked = 0
  const allows = (it: string) => it === '127.0.0.2'
  // a good answer to whoever asks first, the inner network to whoever asks again
  const resolve = async () => {
    asked += 1
    return [{ address: asked === 1 ? '127.0.0.2' : '127.0.0.3', family: 4 }]
  }
  expect(await post(`http://hook.example:${port}/`, { allows, resolve })).toEqual({ status: 200 })
  expect([asked, hits]).toEqual([1, ['first']])
  // the next delivery asks anew and checks anew: no connection is kept
  await expect(post(`http://hook.example:${port}/`, { allows, resolve })).rejects.toThrow(
    'the receiver is not on the public internet',
  )
  expect(hits).toEqual(['first'])
})

const anywhere = { allows: () => true }

test('a redirect is answered with its status and not followed', async () => {
  const hits: string[] = []
  const port = await serve('127.0.0.1', (req, res) => {
    hits.push(req.url ?? '')
    res.writeHead(307, { Location: `http://127.0.0.1:${port}/inner` }).end()
  })
  expect(await post(`http://127.0.0.1:${port}/hook?a=b`, anywhere)).toEqual({ status: 307 })
  expect(hits).toEqual(['/hook?a=b'])
})

test('an answer without end is cut off, and its status counts', async () => {
  let sent = 0
  const port = await serve('127.0.0.1', (_, res) => {
    const more = () => {
      while (!res.destroyed && res.write(Buffer.alloc(16 * 1024))) sent += 16 * 1024
    }
    res.on('drain', more)
    more()
  })
  expect(await post(`http://127.0.0.1:${port}/`, anywhere)).toEqual({ status: 200 })
  expect(sent).toBeLessThan(64 * 1024 * 1024)
})

test('who never answers is given up', async () => {
  const port = await serve('127.0.0.1', () => undefined)
  await expect(post(`http://127.0.0.1:${port}/`, { ...anywhere, timeoutMs: 50 })).rejects.toThrow(
    'no answer within 50 ms',
  )
})

test('what does not speak HTTP is an error in words', async () => {
  const { createServer: listen } = await import('node:net')
  const server = listen((socket) => {
    socket.on('error', () => undefined)
    socket.end('220 mail ready\r\n')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  await expect(post(`http://127.0.0.1:${port}/`, anywhere)).rejects.toThrow(/Parse Error/)
})

test('a header with a line break is refused before anything is sent', async () => {
  const headers = { 'X-Webhook-Secret': 'a\r\nX-Injected: 1' }
  await expect(post('http://127.0.0.1:1/', { ...anywhere, headers })).rejects.toThrow(
    /Invalid character/,
  )
})
