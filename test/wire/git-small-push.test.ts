import { execFileSync, spawn } from 'node:child_process'
import { appendFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { FLUSH, parsePackets, pktLine } from '../../src/protocol/pkt-line.js'
import {
  bareDir,
  commitFiles,
  createRepo,
  expectClean,
  initWork,
  readRepo,
} from '../support/git-work.js'
import { gitOk, startTestHub, type TestHub, type TestUser, tempDir } from '../support/hub.js'
import { rawRequest } from '../support/raw-http.js'

const ZERO = '0'.repeat(40)
let hub: TestHub
let ada: TestUser
let bare: string
let work: string
let tip: string

beforeEach(async () => {
  hub = await startTestHub()
  ada = await hub.user('ada')
  await createRepo(hub, ada, 'repo')
  bare = await bareDir(hub, 'ada', 'repo')
  work = await initWork(await tempDir(), 'work', { files: { 'a/b.txt': 'b\n', 'c.txt': 'c\n' } })
  await gitOk(work, ['push', '-q', hub.gitUrl('ada/repo', ada), 'main'])
  tip = await gitOk(work, ['rev-parse', 'main'])
})

async function packOf(...revisions: string[]): Promise<Buffer> {
  const child = spawn('git', ['pack-objects', '--revs', '--stdout', '--thin', '-q'], { cwd: work })
  child.stdin.end(`${revisions.join('\n')}\n`)
  return Buffer.concat(await child.stdout.toArray())
}

async function push(
  command: string,
  pack: Buffer,
  capabilities = 'report-status side-band-64k object-format=sha1',
) {
  const body = Buffer.concat([pktLine(`${command}\0 ${capabilities}`), FLUSH, pack])
  const reply = await rawRequest(hub.url, '/ada/repo.git/git-receive-pack', {
    method: 'POST',
    as: ada,
    headers: { 'Content-Type': 'application/x-git-receive-pack-request' },
    body,
  })
  return { status: reply.status, body: reply.body }
}

/** The report on side band 1, and what the terminal shows. */
function told(body: Buffer): { report: string; shown: string } {
  const band = (n: number) =>
    Buffer.concat(
      parsePackets(body).flatMap((it) =>
        it.type === 'data' && it.data[0] === n ? [it.data.subarray(1)] : [],
      ),
    )
  return { report: band(1).toString(), shown: band(2).toString() }
}

const tipOf = (branch: string) => gitOk(bare, ['rev-parse', `refs/heads/${branch}`])

describe('the advertisement of receive-pack is git’s own but for the agent', () => {
  const texts = (body: Buffer) =>
    parsePackets(body).map((it) =>
      it.type === 'data' ? it.data.toString().replace(/agent=\S+/, 'agent=') : it.type,
    )
  const ofGit = (protocol: string) =>
    texts(
      execFileSync('git', ['receive-pack', '--http-backend-info-refs', '.'], {
        cwd: bare,
        env: { ...process.env, GIT_PROTOCOL: protocol },
      }),
    )

  test('branches, tags, symbolic refs, packed refs, names of every kind; protocols 0, 1, 2', async () => {
    await gitOk(bare, ['update-ref', 'refs/heads/ünïcode/深い', tip])
    await gitOk(bare, ['symbolic-ref', 'refs/heads/alias', 'refs/heads/main'])
    await gitOk(bare, ['update-ref', 'refs/packhorse/hidden', tip])
    await gitOk(work, ['tag', '-a', '-m', 'note', 'v1'])
    await gitOk(work, ['push', '-q', hub.gitUrl('ada/repo', ada), 'v1'])
    await gitOk(bare, ['pack-refs', '--all'])
    await gitOk(bare, ['update-ref', 'refs/heads/loose', tip])
    for (const version of ['0', '1', '2']) {
      const reply = await rawRequest(hub.url, '/ada/repo.git/info/refs?service=git-receive-pack', {
        as: ada,
        headers: { 'Git-Protocol': `version=${version}` },
      })
      expect(texts(reply.body)).toEqual([
        '# service=git-receive-pack\n',
        'flush',
        ...ofGit(`version=${version}`),
      ])
    }
  })

  test('of an empty repository, and of one whose alternates git has to tell', async () => {
    await createRepo(hub, ada, 'empty')
    const url = '/ada/empty.git/info/refs?service=git-receive-pack'
    bare = await bareDir(hub, 'ada', 'empty')
    const reply = await rawRequest(hub.url, url, { as: ada })
    expect(texts(reply.body).slice(2)).toEqual(ofGit(''))
    const other = await bareDir(hub, 'ada', 'repo')
    await appendFile(join(bare, 'objects/info/alternates'), `${other}/objects\n`)
    const more = await rawRequest(hub.url, url, { as: ada })
    expect(more.body.toString()).toContain(`${tip} .have`)
  })
})

describe('a small push', () => {
  test('is unpacked, reported and recorded, in both forms of the report', async () => {
    const next = await commitFiles(work, { 'a/b.txt': 'changed\n', 'd/e/f.txt': 'new\n' })
    const pack = await packOf(next, `^${tip}`)
    const reply = await push(`${tip} ${next} refs/heads/main`, pack)
    const report = (ref: string) =>
      Buffer.concat([pktLine('unpack ok\n'), pktLine(`ok ${ref}\n`), FLUSH]).toString()
    expect(told(reply.body)).toEqual({ report: report('refs/heads/main'), shown: '' })
    const plain = await push(`${ZERO} ${next} refs/heads/copy`, pack, 'report-status')
    expect(plain.body.toString()).toBe(report('refs/heads/copy'))
    expect([await tipOf('main'), await tipOf('copy')]).toEqual([next, next])
    expect((await readRepo(hub, 'ada', 'repo')).headOid).toBe(next)
    expect(await gitOk(bare, ['count-objects'])).toMatch(/^12 objects/)
    await expectClean(bare)
    expect((await readdir(join(bare, 'objects'))).filter((it) => it.startsWith('tmp'))).toEqual([])
  })

  test('onto a branch that is elsewhere moves nothing', async () => {
    const next = await commitFiles(work, { 'c.txt': '2\n' })
    const pack = await packOf(next, `^${tip}`)
    await push(`${tip} ${next} refs/heads/main`, pack)
    const late = await commitFiles(work, { 'c.txt': '3\n' })
    const reply = await push(`${tip} ${late} refs/heads/main`, await packOf(late, `^${next}`))
    expect(told(reply.body).report).toMatch(/ng refs\/heads\/main failed to update ref/)
    const made = await push(`${ZERO} ${late} refs/heads/main`, await packOf(late, `^${next}`))
    expect(told(made.body).report).toMatch(/ng refs\/heads\/main /)
    expect(await tipOf('main')).toBe(next)
    await expectClean(bare)
  })

  test('whose parent, tree or blob is not there is refused', async () => {
    const middle = await commitFiles(work, { 'c.txt': 'middle\n' })
    const next = await commitFiles(work, { 'c.txt': 'next\n' })
    const all = (await gitOk(work, ['rev-list', '--objects', next, `^${middle}`])).split('\n')
    const oids = all.map((it) => it.split(' ')[0] as string)
    // the parent is missing; then the tree, then the blob
    for (const left of [[], [1], [2]]) {
      const some = oids.filter((_, n) => !left.includes(n))
      const pack = execFileSync('git', ['pack-objects', '--stdout', '-q'], {
        cwd: work,
        input: `${some.join('\n')}\n`,
        stdio: ['pipe', 'pipe', 'ignore'],
      })
      const reply = await push(`${tip} ${next} refs/heads/main`, pack)
      expect(told(reply.body).report).toMatch(/unpack (?!ok)|ng refs\/heads\/main/)
    }
    expect(await tipOf('main')).toBe(tip)
    await expectClean(bare)
  })

  test('that builds on objects below no ref, incomplete ones, is refused', async () => {
    // a commit lies in the repository whose tree is not there: git's connectivity check must see it
    const middle = await commitFiles(work, { 'c.txt': 'middle\n' })
    const raw = execFileSync('git', ['cat-file', 'commit', middle], { cwd: work })
    const stray = ['hash-object', '-t', 'commit', '-w', '--literally', '--stdin']
    execFileSync('git', stray, { cwd: bare, input: raw })
    const next = await commitFiles(work, { 'c.txt': 'next\n' })
    const reply = await push(`${tip} ${next} refs/heads/main`, await packOf(next, `^${middle}`))
    expect(told(reply.body).report).toContain('ng refs/heads/main')
    expect(await tipOf('main')).toBe(tip)
  })

  test('in which files only move is accepted', async () => {
    await gitOk(work, ['mv', 'a', 'moved'])
    const next = await commitFiles(work, {})
    await gitOk(work, ['push', '-q', hub.gitUrl('ada/repo', ada), 'main'])
    expect(await tipOf('main')).toBe(next)
    await expectClean(bare)
  })

  test('follows the settings that an operator gave to this repository', async () => {
    await appendFile(join(bare, 'config'), '[receive]\n\tdenyNonFastForwards = true\n')
    await gitOk(work, ['commit', '-q', '--amend', '-m', 'other'])
    const other = await gitOk(work, ['rev-parse', 'main'])
    const reply = await push(`${tip} ${other} refs/heads/main`, await packOf(other))
    expect(told(reply.body).report).toContain('ng refs/heads/main non-fast-forward')
    expect(await tipOf('main')).toBe(tip)
  })

  test('that the policy refuses leaves nothing', async () => {
    const reply = await push(
      `${ZERO} ${tip} refs/heads/a..b`,
      await packOf(await commitFiles(work, { 'c.txt': 'x\n' }), `^${tip}`),
    )
    expect(told(reply.body).report).toContain('ng refs/heads/a..b')
    const repo = await readRepo(hub, 'ada', 'repo')
    await hub.domain.holds.run(repo, 'squash', 'ada', async () => {
      const next = await commitFiles(work, { 'c.txt': 'y\n' })
      const held = await push(`${tip} ${next} refs/heads/main`, await packOf(next, `^${tip}`))
      expect(told(held.body).report).toContain('ng refs/heads/main pre-receive hook declined')
      expect(told(held.body).shown).not.toBe('')
    })
    expect(await tipOf('main')).toBe(tip)
    expect(await gitOk(bare, ['count-objects'])).toMatch(/^5 objects/)
    await expect.poll(() => hub.domain.git.pushesInFlight(repo.id)).toBe(0)
  })
})
