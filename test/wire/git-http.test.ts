import { PassThrough } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { beforeEach, describe, expect, test } from 'vitest'
import { DELIM, FLUSH, parsePackets, pktLine } from '../../src/protocol/pkt-line.js'
import { bareDir, createRepo, initWork } from '../support/git-work.js'
import { gitOk, startTestHub, type TestHub, type TestUser, tempDir } from '../support/hub.js'
import { rawRequest, rawSocket } from '../support/raw-http.js'

const UPLOAD = { 'Content-Type': 'application/x-git-upload-pack-request' }
const V2 = { 'Git-Protocol': 'version=2' }
const NO_CACHE = {
  expires: 'Fri, 01 Jan 1980 00:00:00 GMT',
  pragma: 'no-cache',
  'cache-control': 'no-cache, max-age=0, must-revalidate',
}
let hub: TestHub
let ada: TestUser
let tip: string

beforeEach(async () => {
  hub = await startTestHub()
  ada = await hub.user('ada')
  await createRepo(hub, ada, 'repo')
  const work = await initWork(await tempDir(), 'work')
  tip = await gitOk(work, ['rev-parse', 'main'])
  await gitOk(work, ['push', '-q', hub.gitUrl('ada/repo', ada), 'main'])
})

const fetchV2 = () =>
  Buffer.concat([
    pktLine('command=fetch'),
    pktLine('object-format=sha1'),
    DELIM,
    pktLine('ofs-delta'),
    pktLine('no-progress'),
    pktLine(`want ${tip}\n`),
    pktLine('done\n'),
    FLUSH,
  ])

/** Bytes of the pack, however git cut them into packets of the sideband. */
const packOf = (body: Buffer) =>
  Buffer.concat(
    parsePackets(body).flatMap((it) =>
      it.type === 'data' && it.data[0] === 1 ? [it.data.subarray(1)] : [],
    ),
  )

const lsRefs = () => Buffer.concat([pktLine('command=ls-refs\n'), DELIM, FLUSH])

describe('advertisements', () => {
  test('type and no-cache headers for both services, in every protocol version', async () => {
    for (const version of ['0', '1', '2'])
      for (const service of ['git-upload-pack', 'git-receive-pack']) {
        const reply = await rawRequest(hub.url, `/ada/repo.git/info/refs?service=${service}`, {
          as: ada,
          headers: { 'Git-Protocol': `version=${version}` },
        })
        expect(reply.status).toBe(200)
        expect(reply.headers).toMatchObject({
          ...NO_CACHE,
          'content-type': `application/x-${service}-advertisement`,
        })
        const text = reply.body.toString()
        if (version === '2' && service === 'git-upload-pack')
          expect(text).toMatch(/^000eversion 2\n/)
        else expect(text.startsWith(`${pktLine(`# service=${service}\n`)}0000`)).toBe(true)
        if (version === '1') expect(text).toContain('000eversion 1\n')
      }
  })

  test('the capabilities of v2', async () => {
    const reply = await rawRequest(hub.url, '/ada/repo/info/refs?service=git-upload-pack', {
      headers: V2,
    })
    expect(reply.body.toString().split('\n').slice(1)).toEqual([
      '0014agent=packhorse',
      '0013ls-refs=unborn',
      '0027fetch=shallow wait-for-done filter',
      '0012server-option',
      '0017object-format=sha1',
      '0000',
    ])
  })

  test('a receive-pack advertisement offers what pushes need and no hidden refs', async () => {
    const bare = await bareDir(hub, 'ada', 'repo')
    await gitOk(bare, ['update-ref', 'refs/packhorse/x', tip])
    const reply = await rawRequest(hub.url, '/ada/repo/info/refs?service=git-receive-pack', {
      as: ada,
    })
    const text = reply.body.toString()
    for (const it of ['report-status', 'delete-refs', 'atomic', 'ofs-delta', 'push-options'])
      expect(text).toContain(it)
    expect(text).not.toContain('refs/packhorse')
  })

  test('unknown services are forbidden', async () => {
    for (const service of [
      'git-upload-archive',
      'git-daemon',
      '',
      'upload-pack',
      'git-upload-pack;x',
    ]) {
      const path = `/ada/repo/info/refs?service=${encodeURIComponent(service)}`
      const reply = await rawRequest(hub.url, path, { as: ada })
      expect([service, reply.status]).toEqual([service, 403])
    }
    const archive = await rawRequest(hub.url, '/ada/repo/info/refs?service=git-upload-archive')
    expect(archive.body.toString()).toMatch(/git archive --remote does not work over HTTP/)
  })

  test('methods that make no sense are told which do', async () => {
    for (const [method, path, allow] of [
      ['POST', 'info/refs', 'GET, HEAD'],
      ['PUT', 'HEAD', 'GET, HEAD'],
      ['GET', 'git-upload-pack', 'POST'],
      ['DELETE', 'git-receive-pack', 'POST'],
      ['OPTIONS', 'git-receive-pack', 'POST'],
    ] as const) {
      const reply = await rawRequest(hub.url, `/ada/repo/${path}`, { method, as: ada })
      expect([method, path, reply.status, reply.headers.allow]).toEqual([method, path, 405, allow])
    }
    const head = await rawRequest(hub.url, '/ada/repo/info/refs?service=git-upload-pack', {
      method: 'HEAD',
      headers: V2,
    })
    expect([head.status, head.body.length]).toEqual([200, 0])
  })

  test('who may read and write', async () => {
    const eve = await hub.user('eve')
    await createRepo(hub, ada, 'secret', { visibility: 'private' })
    const ask = (path: string, service: string, as?: TestUser) =>
      rawRequest(hub.url, `/ada/${path}/info/refs?service=git-${service}`, as ? { as } : {})
    const statuses: Record<string, number> = {}
    for (const path of ['repo', 'secret', 'none'])
      for (const service of ['upload-pack', 'receive-pack'])
        for (const [name, user] of Object.entries({ anonymous: undefined, eve, ada })) {
          const reply = await ask(path, service, user)
          statuses[`${path} ${service} ${name}`] = reply.status
          if (reply.status === 401)
            expect(reply.headers['www-authenticate']).toMatch(/^Basic realm=/)
        }
    expect(statuses).toEqual({
      'repo upload-pack anonymous': 200,
      'repo upload-pack eve': 200,
      'repo upload-pack ada': 200,
      'repo receive-pack anonymous': 401,
      'repo receive-pack eve': 403,
      'repo receive-pack ada': 200,
      'secret upload-pack anonymous': 401,
      'secret upload-pack eve': 404,
      'secret upload-pack ada': 200,
      'secret receive-pack anonymous': 401,
      'secret receive-pack eve': 404,
      'secret receive-pack ada': 200,
      'none upload-pack anonymous': 401,
      'none upload-pack eve': 404,
      'none upload-pack ada': 404,
      'none receive-pack anonymous': 401,
      'none receive-pack eve': 404,
      'none receive-pack ada': 404,
    })
  })
})

describe('request bodies', () => {
  const post = (service: string, options: Parameters<typeof rawRequest>[2]) =>
    rawRequest(hub.url, `/ada/repo/git-${service}`, { method: 'POST', as: ada, ...options })

  test('a wrong content type is refused', async () => {
    for (const type of [
      '',
      'text/plain',
      'application/x-git-receive-pack-request',
      'application/json',
    ])
      for (const service of ['upload-pack']) {
        const headers = { ...V2, ...(type ? { 'Content-Type': type } : {}) }
        const reply = await post(service, { headers, body: lsRefs() })
        expect([type, reply.status]).toEqual([type, 415])
      }
    const push = await post('receive-pack', { headers: UPLOAD, body: FLUSH })
    expect(push.status).toBe(415)
  })

  test('plain, gzip, chunked, gzip in chunks, and after 100-continue', async () => {
    const plain = await post('upload-pack', { headers: { ...UPLOAD, ...V2 }, body: fetchV2() })
    expect(plain.status).toBe(200)
    expect(plain.headers).toMatchObject({
      ...NO_CACHE,
      'content-type': 'application/x-git-upload-pack-result',
    })
    const pack = packOf(plain.body)
    expect(pack.toString('latin1', 0, 4)).toBe('PACK')
    const gzip = { ...UPLOAD, ...V2, 'Content-Encoding': 'gzip' }
    const zipped = await post('upload-pack', { headers: gzip, body: gzipSync(fetchV2()) })
    expect(packOf(zipped.body)).toEqual(pack)
    for (const [headers, bytes] of [
      [{ ...UPLOAD, ...V2 }, fetchV2()],
      [gzip, gzipSync(fetchV2())],
    ] as const) {
      const body = new PassThrough()
      const reply = post('upload-pack', { headers, body })
      // byte by byte: nothing may depend on where the pieces are cut
      for (const byte of bytes) {
        body.write(Buffer.from([byte]))
        await new Promise((resolve) => setImmediate(resolve))
      }
      body.end()
      expect(packOf((await reply).body)).toEqual(pack)
    }
    const head = [
      'POST /ada/repo/git-upload-pack HTTP/1.1',
      'Host: x',
      'Connection: close',
      'Expect: 100-continue',
      'Git-Protocol: version=2',
      'Content-Type: application/x-git-upload-pack-request',
      `Content-Length: ${lsRefs().length}`,
    ]
    const told = await rawSocket(hub.url, `${head.join('\r\n')}\r\n\r\n${lsRefs()}`)
    expect(told).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/)
    expect(told).toContain(`${tip} refs/heads/main`)
  })

  test('an unknown encoding is refused', async () => {
    const headers = { ...UPLOAD, ...V2, 'Content-Encoding': 'br' }
    expect((await post('upload-pack', { headers, body: lsRefs() })).status).toBe(415)
  })
})

describe('dumb protocol', () => {
  const get = (path: string, as?: TestUser) =>
    rawRequest(hub.url, `/ada/repo/${path}`, as ? { as } : {})

  test('refs, HEAD, packs and objects as files', async () => {
    const refs = await get('info/refs')
    expect([refs.headers['content-type'], refs.body.toString()]).toEqual([
      expect.stringContaining('text/plain'),
      `${tip}\trefs/heads/main\n`,
    ])
    expect((await get('HEAD')).body.toString()).toBe('ref: refs/heads/main\n')
    const loose = await get(`objects/${tip.slice(0, 2)}/${tip.slice(2)}`)
    expect([loose.status, loose.headers['content-type']]).toEqual([
      200,
      'application/x-git-loose-object',
    ])
    const [repo] = await hub.domain.stores.repos.scan(0, 1)
    await hub.domain.git.prune(repo?.id ?? '')
    const packs = (await get('objects/info/packs')).body.toString()
    const name = /^P (pack-[0-9a-f]{40})\.pack\n\n$/.exec(packs)?.[1]
    const pack = await get(`objects/pack/${name}.pack`)
    expect([pack.headers['content-type'], pack.body.toString('latin1', 0, 4)]).toEqual([
      'application/x-git-packed-objects',
      'PACK',
    ])
    expect((await get(`objects/pack/${name}.idx`)).headers['content-type']).toBe(
      'application/x-git-packed-objects-toc',
    )
  })

  test('nothing else of the directory is served', async () => {
    for (const path of [
      'config',
      'packed-refs',
      'description',
      'objects/info/alternates',
      'objects/info/http-alternates',
      'objects/pack/../../config',
      'objects/pack/%2e%2e/%2e%2e/config',
      'objects/..%2fconfig',
      'objects/pack',
      'objects/',
      'refs/heads/main',
      'packhorse-pushes/1',
      `objects/${tip.slice(0, 2)}/${tip.slice(2).toUpperCase()}`,
    ])
      expect([path, (await get(path, ada)).status]).toEqual([path, 404])
  })

  test('an answer that a proxy could keep is not given for a private repository', async () => {
    await createRepo(hub, ada, 'secret', { init: true, visibility: 'private' })
    for (const path of ['info/refs', 'HEAD', 'objects/info/packs']) {
      expect((await rawRequest(hub.url, `/ada/secret/${path}`)).status).toBe(401)
      const reply = await rawRequest(hub.url, `/ada/secret/${path}`, { as: ada })
      expect([reply.status, reply.headers['cache-control']]).toEqual([
        200,
        NO_CACHE['cache-control'],
      ])
    }
  })
})

test('a moved repository redirects what git asks first, query included', async () => {
  const body = { fromRepo: 'ada/repo', toRepo: 'ada/new', type: 'model' }
  await hub.api('/api/repos/move', { as: ada, body })
  const reply = await rawRequest(hub.url, '/ada/repo.git/info/refs?service=git-upload-pack')
  expect([reply.status, reply.headers.location]).toEqual([
    301,
    '/ada/new.git/info/refs?service=git-upload-pack',
  ])
  // a client that kept the old address for its second request is served all the same
  const second = await rawRequest(hub.url, '/ada/repo/git-upload-pack', {
    method: 'POST',
    headers: { ...UPLOAD, ...V2 },
    body: lsRefs(),
  })
  expect([second.status, second.body.toString()]).toEqual([200, expect.stringContaining(tip)])
})
