import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { beforeEach, expect, test } from 'vitest'
import { FetchQuestions, readFetch } from '../../src/dialects/git-smart/fetch-questions.js'
import { DELIM, FLUSH, pktLine } from '../../src/protocol/pkt-line.js'
import { createRepo, expectNoGitLeft, initWork } from '../support/git-work.js'
import {
  gitOk,
  runCommand,
  startTestHub,
  type TestHub,
  type TestUser,
  tempDir,
} from '../support/hub.js'
import { rawRequest } from '../support/raw-http.js'

/** A clone of a thousand branches is asked for in 50 KB; git compresses what is over 1 KiB. */
const BRANCHES = 1_000

let hub: TestHub
let ada: TestUser
let dir: string
let work: string
let url: string
let wants: string[]

beforeEach(async () => {
  hub = await startTestHub()
  ada = await hub.user('ada')
  dir = await tempDir()
  await createRepo(hub, ada, 'repo')
  url = hub.gitUrl('ada/repo.git', ada)
  work = await initWork(dir, 'work')
  const commits = Array.from(
    { length: BRANCHES },
    (_, n) =>
      `commit refs/heads/b${n}\nmark :${n + 1}\ncommitter A <a@b.c> ${n} +0000\ndata 0\nM 644 inline f\ndata 1\nx\n\n`,
  )
  await writeFile(join(dir, 'commits'), commits.join(''))
  const imported = await runCommand('sh', ['-c', 'git fast-import --quiet <../commits'], {
    cwd: work,
  })
  expect(imported).toMatchObject({ code: 0, stderr: '' })
  await gitOk(work, ['push', '-q', url, '--all'])
  const lines = await gitOk(work, ['for-each-ref', '--format=%(objectname)', 'refs/heads/b*'])
  wants = lines.split('\n')
  expect(new Set(wants).size).toBe(BRANCHES)
})

function cloneOf(oids: readonly string[], more: readonly string[] = []): Buffer {
  const head = ['command=fetch', 'agent=test', 'object-format=sha1'].map((it) => pktLine(it))
  const args = ['ofs-delta', ...oids.map((it) => `want ${it}`), ...more, 'done']
  return Buffer.concat([...head, DELIM, ...args.map((it) => pktLine(`${it}\n`)), FLUSH])
}

async function ask(body: Buffer | Readable, headers: Record<string, string> = {}) {
  const reply = await rawRequest(hub.url, '/ada/repo.git/git-upload-pack', {
    method: 'POST',
    as: ada,
    headers: {
      'Content-Type': 'application/x-git-upload-pack-request',
      'Git-Protocol': 'version=2',
      ...headers,
    },
    body,
  })
  return { status: reply.status, body: reply.body, text: reply.body.toString('latin1') }
}

const counts = () => hub.domain.git.fetchCounts()
const uses = () => counts().hits + counts().joined
const GZIP = { 'Content-Encoding': 'gzip' }

test('a clone of many branches is answered alike, however its request travelled and however often', async () => {
  const plain = cloneOf(wants)
  const packed = gzipSync(plain)
  const replies = [
    await ask(plain),
    await ask(packed, GZIP),
    await ask(Readable.from([plain.subarray(0, 30_000), plain.subarray(30_000)])),
    await ask(Readable.from([packed.subarray(0, 100), packed.subarray(100)]), GZIP),
    await ask(packed, GZIP),
    await ask(plain),
    await ask(cloneOf([...wants].reverse())),
  ]
  for (const { status, body } of replies) {
    expect(status).toBe(200)
    expect(body.equals(replies[0]?.body as Buffer)).toBe(true)
  }
  expect([counts().made, uses()]).toEqual([1, replies.length - 1])
  // git itself, twice: the same again
  for (const name of ['one', 'two']) await gitOk(dir, ['clone', '-q', '--mirror', url, name])
  expect(counts().made).toBe(2)
  expect(await gitOk(dir, ['-C', 'two', 'show-ref'])).toBe(
    await gitOk(dir, ['-C', 'one', 'show-ref']),
  )
})

test('a request that is known is no longer answered from what is kept once one of its wants is gone', async () => {
  const packed = gzipSync(cloneOf(wants))
  for (let n = 0; n < 2; n += 1) expect((await ask(packed, GZIP)).text).toContain('packfile\n')
  expect([counts().made, uses()]).toEqual([1, 1])
  await gitOk(work, ['push', '-q', url, ':b7'])
  // git decides, and is given the request as it was
  for (let n = 0; n < 2; n += 1) expect((await ask(packed, GZIP)).text).toContain('packfile\n')
  expect([counts().made, uses()]).toEqual([1, 1])
  await gitOk(work, ['push', '-q', url, 'b7'])
  await ask(packed, GZIP)
  expect([counts().made, uses()]).toEqual([1, 2])
  await expectNoGitLeft(hub)
})

test('a request that is too long to be kept reaches git as it is', async () => {
  const unknown = Array.from({ length: 180_000 }, () => `have ${randomBytes(20).toString('hex')}`)
  const long = cloneOf(wants, unknown)
  expect(long.length).toBeGreaterThan(8 * 1024 * 1024)
  const { status, text } = await ask(Readable.from([long.subarray(0, 5e6), long.subarray(5e6)]))
  expect([status, text.includes('packfile\n')]).toEqual([200, true])
  expect(counts()).toMatchObject({ made: 0, hits: 0 })
  await expectNoGitLeft(hub)
})

test('what is not what its encoding says is refused, also the second time', async () => {
  for (let n = 0; n < 2; n += 1)
    expect((await ask(Buffer.from('no gzip at all'.repeat(2_000)), GZIP)).status).toBe(400)
  expect(counts().made).toBe(0)
})

test('a request is read once for each form of it; one with haves is not kept', () => {
  const questions = new FetchQuestions()
  const form = { isV2: true, encoding: '', objectFormat: 'sha1' } as const
  const message = cloneOf(wants)
  const name = questions.nameOf(form, message)
  expect(questions.find(name)).toBeUndefined()
  const request = readFetch(form, message)
  if (!request) throw new Error('not understood')
  questions.keep(name, request)
  expect(questions.find(questions.nameOf(form, Buffer.from(message)))).toBe(request)
  const others = [
    questions.nameOf({ ...form, isV2: false }, message),
    questions.nameOf({ ...form, encoding: 'gzip' }, message),
    questions.nameOf({ ...form, objectFormat: 'sha256' }, message),
    questions.nameOf(form, message.subarray(1)),
  ]
  expect(others.map((it) => questions.find(it))).toEqual(others.map(() => undefined))
  const poll = cloneOf(wants, [`have ${wants[0]}`])
  const asked = readFetch(form, poll)
  expect(asked?.haves).toEqual([wants[0]])
  if (asked) questions.keep(questions.nameOf(form, poll), asked)
  expect(questions.find(questions.nameOf(form, poll))).toBeUndefined()
})
