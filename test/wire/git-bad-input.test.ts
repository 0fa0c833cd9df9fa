import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DELIM, FLUSH, pktLine } from '../../src/protocol/pkt-line.js'
import {
  bareDir,
  commitFiles,
  createRepo,
  expectClean,
  expectNoGitLeft,
  initWork,
  readRepo,
  refsOf,
} from '../support/git-work.js'
import { git, gitOk, startTestHub, type TestHub, type TestUser, tempDir } from '../support/hub.js'
import { type RawRequest, rawRequest, rawSocket } from '../support/raw-http.js'

const ZERO = '0'.repeat(40)
let hub: TestHub
let ada: TestUser
let bare: string
let work: string
let tip: string
let before: string

beforeEach(async () => {
  hub = await startTestHub()
  ada = await hub.user('ada')
  await createRepo(hub, ada, 'repo')
  bare = await bareDir(hub, 'ada', 'repo')
  work = await initWork(await tempDir(), 'work')
  await gitOk(work, ['push', '-q', hub.gitUrl('ada/repo', ada), 'main'])
  tip = await gitOk(work, ['rev-parse', 'main'])
  before = await refsOf(bare)
})

/** Whatever was sent: nothing is stored, git processes are gone, the hub works on. */
afterEach(async () => {
  await expectNoGitLeft(hub)
  expect(await refsOf(bare)).toBe(before)
  expect(await gitOk(bare, ['count-objects'])).toMatch(/^3 objects/)
  await expectClean(bare)
  expect(await hub.domain.checker.checkRepo(await readRepo(hub, 'ada', 'repo'))).toEqual([])
  expect(await hub.domain.git.pushesInFlight((await readRepo(hub, 'ada', 'repo')).id)).toBe(0)
  expect(await gitOk(work, ['ls-remote', hub.gitUrl('ada/repo', ada), 'main'])).toContain(tip)
})

function post(service: 'upload-pack' | 'receive-pack', body: RawRequest['body'], more = {}) {
  return rawRequest(hub.url, `/ada/repo.git/git-${service}`, {
    method: 'POST',
    as: ada,
    headers: { 'Content-Type': `application/x-git-${service}-request`, ...more },
    ...(body ? { body } : {}),
  })
}

const V2 = { 'Git-Protocol': 'version=2' }
const command = (oldOid: string, newOid: string, name: string) =>
  pktLine(`${oldOid} ${newOid} ${name}\0 report-status side-band-64k object-format=sha1`)

/** A real push of one commit on `main`, as it goes over the wire. */
async function realPush(): Promise<{ head: Buffer; pack: Buffer }> {
  const next = await commitFiles(work, { 'x.bin': randomBytes(20_000) })
  const child = spawn('git', ['pack-objects', '--revs', '--stdout', '-q'], { cwd: work })
  child.stdin.end(`${next}\n^${tip}\n`)
  const pack = Buffer.concat(await child.stdout.toArray())
  return { head: Buffer.concat([command(tip, next, 'refs/heads/main'), FLUSH]), pack }
}

describe('requests that make no sense are a 400 with a reason', () => {
  const malformed: Record<string, string | Buffer> = {
    'no hex': 'zzzz',
    'length three': '0003',
    'too long': 'ffffx',
    'cut off': '0032want ',
    text: 'GET / HTTP/1.1\r\n\r\n',
    binary: Buffer.from([0, 1, 2, 3, 255, 254, 0, 0]),
    empty: '',
  }
  for (const [what, body] of Object.entries(malformed))
    test(`${what}`, async () => {
      for (const service of ['upload-pack', 'receive-pack'] as const)
        for (const headers of [{}, V2]) {
          const reply = await post(service, Buffer.from(body), headers)
          const told = reply.body.toString()
          // git takes an empty push for one that asks nothing
          if (service === 'receive-pack' && what === 'empty' && reply.status === 200) continue
          expect([service, what, reply.status, told]).toEqual([
            service,
            what,
            400,
            expect.stringMatching(/^The request .+/),
          ])
          expect(told).not.toMatch(/packhorse-test|\/tmp/)
        }
    })

  test('v2: unknown command, unknown arguments, no flush, wrong object format', async () => {
    const requests: [string, Buffer][] = [
      ['unknown', Buffer.concat([pktLine('command=rm-rf\n'), DELIM, FLUSH])],
      ['no command', Buffer.concat([pktLine('agent=x\n'), DELIM, FLUSH])],
      ['no flush', Buffer.concat([pktLine('command=ls-refs\n'), DELIM, pktLine('peel\n')])],
      ['argument', Buffer.concat([pktLine('command=fetch'), DELIM, pktLine('wont x'), FLUSH])],
      ['want', Buffer.concat([pktLine('command=fetch'), DELIM, pktLine('want xyz'), FLUSH])],
      ['format', Buffer.concat([pktLine('command=ls-refs'), pktLine('object-format=md5'), FLUSH])],
      ['filter', Buffer.concat([pktLine('command=fetch'), DELIM, pktLine('filter x:y'), FLUSH])],
    ]
    for (const [what, body] of requests) {
      const reply = await post('upload-pack', body, V2)
      // git may have said so in its own words, as an error packet
      const told = reply.status === 400 || /^[0-9a-f]{4}ERR /.test(reply.body.toString())
      expect([what, reply.status, reply.body.toString(), told]).toEqual([
        what,
        expect.any(Number),
        expect.any(String),
        true,
      ])
    }
  })

  test('wants of what is not there', async () => {
    const want = Buffer.concat([pktLine(`want ${'f'.repeat(40)}\n`), FLUSH, pktLine('done\n')])
    const old = await post('upload-pack', want)
    expect([old.status, old.body.toString()]).toEqual([
      200,
      expect.stringMatching(/ERR upload-pack: not our ref f{40}/),
    ])
    const fetch = Buffer.concat([
      pktLine('command=fetch'),
      pktLine('object-format=sha1'),
      DELIM,
      pktLine(`want ${'f'.repeat(40)}\n`),
      pktLine('done\n'),
      FLUSH,
    ])
    const reply = await post('upload-pack', fetch, V2)
    expect([reply.status, reply.body.toString()]).toEqual([
      200,
      expect.stringMatching(/ERR upload-pack: not our ref f{40}/),
    ])
  })

  test('gzip: garbage, cut off, and a bomb', async () => {
    const gzip = { 'Content-Encoding': 'gzip' }
    for (const service of ['upload-pack', 'receive-pack'] as const)
      for (const body of [
        Buffer.from('this is not gzip'),
        gzipSync(Buffer.concat([pktLine('command=ls-refs'), FLUSH])).subarray(0, 12),
      ]) {
        const reply = await post(service, body, { ...gzip, ...V2 })
        expect([service, reply.status]).toEqual([service, 400])
      }
    // 64 MiB of valid packets in a few hundred kilobytes
    const line = pktLine(`have ${'a'.repeat(40)}\n`)
    const haves = Buffer.alloc(line.length * 1_300_000, line)
    const bomb = gzipSync(
      Buffer.concat([pktLine('command=fetch'), pktLine('object-format=sha1'), DELIM, haves, FLUSH]),
    )
    const reply = await post('upload-pack', bomb, { ...gzip, ...V2 })
    expect([reply.status, reply.body.toString()]).toEqual([413, 'The negotiation is too large.\n'])
    const refs = gzipSync(Buffer.concat([pktLine('command=ls-refs'), DELIM, haves, FLUSH]))
    expect((await post('upload-pack', refs, { ...gzip, ...V2 })).status).toBe(413)
  })
})

describe('pushes that are not what they say', () => {
  async function expectRefused(body: Buffer, told: RegExp): Promise<void> {
    const reply = await post('receive-pack', body)
    expect(reply.body.toString('latin1')).toMatch(told)
    expect(reply.body.toString('latin1')).not.toMatch(/[0-9a-f]{4}ok refs/)
  }

  test('a pack that is cut off, has a flipped bit, or is something else', async () => {
    const { head, pack } = await realPush()
    await expectRefused(Buffer.concat([head, pack.subarray(0, 1_000)]), /unpack .*(error|abnormal)/)
    await expectRefused(Buffer.concat([head, pack.subarray(0, -1)]), /unpack .*(error|abnormal)/)
    const flipped = Buffer.from(pack)
    flipped.writeUInt8(flipped.readUInt8(200) ^ 1, 200)
    await expectRefused(Buffer.concat([head, flipped]), /unpack .*(error|abnormal)/)
    await expectRefused(Buffer.concat([head, Buffer.from('PACKgarbage')]), /unpack|cannot/)
    await expectRefused(head, /unpack|cannot/)
  })

  test('object ids that the pack does not hold, or of the wrong length', async () => {
    const { pack } = await realPush()
    const of = (oid: string) => Buffer.concat([command(tip, oid, 'refs/heads/main'), FLUSH, pack])
    await expectRefused(of('a'.repeat(40)), /ng refs\/heads\/main|missing necessary objects/)
    await expectRefused(of('a'.repeat(64)), /protocol error|cannot be understood/)
    await expectRefused(of('xyz'), /protocol error|cannot be understood/)
    const none = spawn('git', ['pack-objects', '--stdout', '-q'], { cwd: work })
    none.stdin.end()
    const empty = Buffer.concat(await none.stdout.toArray())
    const stale = Buffer.concat([command('b'.repeat(40), tip, 'refs/heads/main'), FLUSH, empty])
    await expectRefused(stale, /ng refs\/heads\/main/)
  })

  test('ref names: escapes, control characters, other places, hidden, huge', async () => {
    const { pack } = await realPush()
    const next = await gitOk(work, ['rev-parse', 'main'])
    for (const name of [
      'refs/heads/../../config',
      'refs/heads/../../../x',
      '../../config',
      'HEAD',
      'config',
      'refs/heads/a..b',
      'refs/heads/.hidden',
      'refs/heads/x.lock',
      'refs/heads/tab\there',
      'refs/heads/bell\x07',
      'refs/heads/\x1b[31m',
      'refs/heads/line\nfeed',
      `refs/heads/x\nend\nref ${ZERO} ${next} refs/heads/y`,
      `refs/heads/x\nquarantine objects`,
      'refs/packhorse/own',
      'refs/heads/\ufffd',
      `refs/heads/${'x'.repeat(1_500)}`,
      `refs/heads/${'y'.repeat(60_000)}`,
      '-refs/heads/x',
      'refs/heads/',
    ])
      await expectRefused(
        Buffer.concat([command(ZERO, next, name), FLUSH, pack]),
        /ng |declined|cannot be understood|not allowed|unreadable/,
      )
    const latin = Buffer.concat([Buffer.from('refs/heads/'), Buffer.from([0xe4, 0xff])])
    const line = Buffer.concat([
      Buffer.from(`${ZERO} ${next} `),
      latin,
      Buffer.from('\0 report-status side-band-64k'),
    ])
    await expectRefused(Buffer.concat([pktLine(line), FLUSH, pack]), /not allowed/)
  })

  test('push options that look like hook records do not hide a ref from the policy', async () => {
    const { pack } = await realPush()
    const next = await gitOk(work, ['rev-parse', 'main'])
    const name = 'refs/packhorsex/../heads/x'
    const lines = [
      pktLine(`${ZERO} ${next} ${name}\0 report-status push-options object-format=sha1`),
      FLUSH,
      pktLine(`ok\nend \nref ${ZERO} ${next} refs/heads/fine`),
      FLUSH,
      pack,
    ]
    await expectRefused(Buffer.concat(lines), /ng |cannot be understood|not allowed/)
  })
})

test('paths: escapes and encodings find nothing', async () => {
  for (const path of [
    '/ada/repo.git/../../secret/info/refs',
    '/ada/../ada/repo/info/refs?service=git-upload-pack',
    '/ada/%2e%2e/ada/repo/info/refs',
    '/ada%2frepo/info/refs?service=git-upload-pack',
    '/ada/repo%2f..%2f..%2fpackhorse.sqlite',
    '/ada/repo/objects/%2e%2e/%2e%2e/config',
    '/ada/repo%00/info/refs?service=git-upload-pack',
    '/ada/repo\\..\\x/info/refs',
    '/ada/./repo/info/refs?service=git-upload-pack',
    '//ada/repo/info/refs?service=git-upload-pack',
    '/ada/repo/info/refs/?service=git-upload-pack',
    `/ada/${'x'.repeat(5_000)}/info/refs?service=git-upload-pack`,
  ]) {
    const reply = await rawRequest(hub.url, path, { as: ada })
    expect([path.slice(0, 60), reply.status]).toEqual([path.slice(0, 60), 404])
  }
  const doubled = '/ada/repo/info/refs?service=git-upload-pack&service=git-receive-pack'
  expect((await rawRequest(hub.url, doubled, { as: ada })).status).toBe(403)
  const object = '/ada/repo/info/refs?service[x]=git-upload-pack'
  expect((await rawRequest(hub.url, object, { as: ada })).status).toBe(403)
})

test('header values never become git’s environment or arguments', async () => {
  for (const value of ['version=2:$(id)', 'version=2;ls', '--upload-pack=x', 'x'.repeat(5_000)]) {
    const reply = await rawRequest(hub.url, '/ada/repo/info/refs?service=git-upload-pack', {
      headers: { 'Git-Protocol': value },
    })
    expect([reply.status, reply.body.toString()]).toEqual([
      200,
      expect.stringContaining(`${tip} refs/heads/main`),
    ])
  }
})

describe('clients that go away', () => {
  test('in the middle of a push, at many places', async () => {
    const { head, pack } = await realPush()
    const body = Buffer.concat([head, pack])
    for (const cut of [0, 2, 50, head.length, head.length + 10, head.length + 5_000]) {
      const { hostname, port } = new URL(hub.url)
      const socket = connect(Number(port), hostname)
      socket.on('error', () => undefined)
      socket.write(
        `POST /ada/repo/git-receive-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ada.token}\r\nContent-Type: application/x-git-receive-pack-request\r\nContent-Length: ${body.length}\r\n\r\n`,
      )
      socket.write(body.subarray(0, cut))
      await sleep(30)
      socket.destroy()
    }
  })

  test('after half a gzip body, and with half a chunk', async () => {
    const head = `POST /ada/repo/git-upload-pack HTTP/1.1\r\nHost: x\r\nGit-Protocol: version=2\r\nContent-Type: application/x-git-upload-pack-request\r\n`
    for (const rest of [
      'Content-Encoding: gzip\r\nContent-Length: 500\r\n\r\n\x1f\x8b\x08',
      'Transfer-Encoding: chunked\r\n\r\n14\r\n0014comm',
      'Transfer-Encoding: chunked\r\n\r\n5\r\n0014c\r\nzz\r\n',
    ]) {
      const { hostname, port } = new URL(hub.url)
      const socket = connect(Number(port), hostname)
      socket.on('error', () => undefined)
      socket.write(Buffer.from(head + rest, 'latin1'))
      await sleep(30)
      socket.destroy()
    }
  })

  test('who closed its half after asking is answered', async () => {
    const asked = Buffer.concat([pktLine('command=ls-refs\n'), DELIM, FLUSH])
    const told = await rawSocket(
      hub.url,
      `POST /ada/repo/git-upload-pack HTTP/1.1\r\nHost: x\r\nConnection: close\r\nGit-Protocol: version=2\r\nContent-Type: application/x-git-upload-pack-request\r\nContent-Length: ${asked.length}\r\n\r\n${asked}`,
      { halfClose: true },
    )
    expect(told).toContain(`${tip} refs/heads/main`)
    const cut = await rawSocket(
      hub.url,
      `POST /ada/repo/git-receive-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ada.token}\r\nContent-Type: application/x-git-receive-pack-request\r\nContent-Length: 5000\r\n\r\n00`,
      { halfClose: true },
    )
    expect(cut).not.toContain('200 OK')
  })

  test('in the middle of a clone: git is ended', async () => {
    const big = await createRepo(hub, ada, 'big')
    const other = await initWork(await tempDir(), 'other', { files: {} })
    await commitFiles(other, { 'big.bin': randomBytes(30_000_000) })
    await gitOk(other, ['push', '-q', hub.gitUrl('ada/big', ada), 'main'])
    const want = await gitOk(other, ['rev-parse', 'main'])
    const body = Buffer.concat([
      pktLine('command=fetch'),
      pktLine('object-format=sha1'),
      DELIM,
      pktLine(`want ${want}\n`),
      pktLine('done\n'),
      FLUSH,
    ])
    const { hostname, port } = new URL(hub.url)
    for (let round = 0; round < 3; round += 1) {
      const req = request({
        hostname,
        port,
        path: '/ada/big/git-upload-pack',
        method: 'POST',
        agent: false,
        headers: { 'Content-Type': 'application/x-git-upload-pack-request', ...V2 },
      })
      req.on('error', () => undefined)
      req.end(body)
      const [reply] = await once(req, 'response')
      reply.on('error', () => undefined)
      await once(reply, 'data')
      // stands still for a moment, then is gone
      reply.pause()
      await sleep(50)
      req.destroy()
    }
    await expectNoGitLeft(hub)
    await expectClean(hub.domain.git.directory(big.id))
  })

  test('after the whole push was sent: it is decided all the same', async () => {
    const { id } = await createRepo(hub, ada, 'left')
    const next = await commitFiles(work, { 'y.txt': 'y\n' })
    const child = spawn('git', ['pack-objects', '--revs', '--stdout', '-q'], { cwd: work })
    child.stdin.end(`${next}\n`)
    const pack = Buffer.concat(await child.stdout.toArray())
    const body = Buffer.concat([command(ZERO, next, 'refs/heads/main'), FLUSH, pack])
    const { hostname, port } = new URL(hub.url)
    const socket = connect(Number(port), hostname)
    socket.on('error', () => undefined)
    const sent = new Promise((resolve) => {
      socket.write(
        `POST /ada/left/git-receive-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${ada.token}\r\nContent-Type: application/x-git-receive-pack-request\r\nContent-Length: ${body.length}\r\n\r\n`,
      )
      socket.write(body, resolve)
    })
    await sent
    // under way, or over: a push this small may be gone between two looks
    const begun = async () =>
      (await hub.domain.git.pushesInFlight(id)) > 0 ||
      (await hub.domain.git.snapshot(id)).headOid !== null
    await expect.poll(begun, { timeout: 5_000, interval: 1 }).toBe(true)
    socket.destroy()
    await expect.poll(() => hub.domain.git.pushesInFlight(id), { timeout: 30_000 }).toBe(0)
    await expectNoGitLeft(hub)
    // either it was cut off before git had it all, or it is there and recorded
    const left = await git(hub.domain.git.directory(id), ['rev-parse', '-q', '--verify', 'main'])
    const repo = await readRepo(hub, 'ada', 'left')
    expect(repo.headOid).toBe(left.stdout.trim() || null)
    expect(await hub.domain.checker.checkRepo(repo)).toEqual([])
  })
})

test('a body that never ends is cut at the limit, not kept', async () => {
  const line = pktLine(`have ${'c'.repeat(40)}\n`)
  const haves = Buffer.alloc(line.length * 1_000, line)
  const endless = new Readable({
    read() {
      this.push(haves)
    },
  })
  const first = Buffer.concat([pktLine('command=fetch'), pktLine('object-format=sha1'), DELIM])
  endless.unshift(first)
  const reply = await post('upload-pack', endless, V2)
  endless.destroy()
  expect([reply.status, reply.body.toString()]).toEqual([413, 'The negotiation is too large.\n'])
})
