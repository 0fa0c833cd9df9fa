import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { RefReader } from '../../../src/git/refs.js'
import { git, gitOk, tempDir } from '../../support/hub.js'

let dir: string
let first: string
let second: string
let reader: RefReader

beforeEach(async () => {
  const parent = await tempDir()
  dir = join(parent, 'repo.git')
  await gitOk(parent, ['init', '-q', '--bare', 'repo.git'])
  const tree = await gitOk(dir, ['hash-object', '-t', 'tree', '-w', '/dev/null'])
  first = await gitOk(dir, ['commit-tree', '-m', 'one', tree])
  second = await gitOk(dir, ['commit-tree', '-m', 'two', '-p', first, tree])
  await gitOk(dir, ['update-ref', 'refs/heads/main', first])
  reader = new RefReader()
})

/** What git says, in the shape of a snapshot. */
async function fromGit() {
  const { stdout } = await git(dir, ['for-each-ref', '--format=%(objectname) %(refname)'])
  const head = await git(dir, ['rev-parse', '-q', '--verify', 'HEAD'])
  return {
    defaultBranch: (await gitOk(dir, ['symbolic-ref', 'HEAD'])).slice('refs/heads/'.length),
    headOid: head.stdout.trim() || null,
    refs: stdout.split('\n').filter((it) => it !== ''),
  }
}

/** Reads twice: what is kept must be as good as what was read. */
async function expectLikeGit() {
  for (let n = 0; n < 2; n += 1) {
    const { defaultBranch, headOid, refs } = reader.read(dir)
    const lines = refs.map(({ oid, name }) => `${oid} ${name}`)
    expect({ defaultBranch, headOid, refs: lines }).toEqual(await fromGit())
  }
}

/** Long enough for what was read to be trusted. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 60))

test('a kept snapshot is given out again, and every change is seen', async () => {
  await expectLikeGit()
  await settle()
  reader.read(dir)
  const kept = reader.read(dir)
  expect(reader.read(dir)).toBe(kept)

  const steps: [string, readonly string[]][] = [
    ['update', ['update-ref', 'refs/heads/main', second]],
    ['another branch', ['update-ref', 'refs/heads/deep/er/est', first]],
    ['pack', ['pack-refs', '--all']],
    ['update of a packed one', ['update-ref', 'refs/heads/main', first]],
    ['deletion of a packed one', ['update-ref', '-d', 'refs/heads/deep/er/est']],
    ['tag', ['tag', '-m', 'tag', '-a', 'v1', second]],
    ['pack again', ['pack-refs', '--all']],
    ['HEAD', ['symbolic-ref', 'HEAD', 'refs/heads/elsewhere']],
    ['HEAD back', ['symbolic-ref', 'HEAD', 'refs/heads/main']],
    ['deletion of the last branch', ['update-ref', '-d', 'refs/heads/main']],
  ]
  const digests = new Set([kept.digest])
  for (const [, args] of steps) {
    await settle()
    reader.read(dir)
    await gitOk(dir, args)
    await expectLikeGit()
    digests.add(reader.read(dir).digest)
  }
  // the two packings, HEAD's way back and the return to what was at first are states seen before
  expect(digests.size).toBe(7)
})

test('changes within one tick of the clock are seen', async () => {
  for (let n = 0; n < 300; n += 1) {
    const oid = n % 2 ? first : second
    // as git does it: a lock file renamed over the ref
    await writeFile(join(dir, 'refs/heads/main.lock'), `${oid}\n`)
    await rename(join(dir, 'refs/heads/main.lock'), join(dir, 'refs/heads/main'))
    expect(reader.read(dir).headOid).toBe(oid)
  }
})

test('packing and deleting beside a reader never hides a ref', async () => {
  const names = Array.from({ length: 40 }, (_, n) => `refs/heads/dir-${n % 4}/${n}`)
  for (const it of names) {
    await mkdir(join(dir, it, '..'), { recursive: true })
    await writeFile(join(dir, it), `${first}\n`)
  }
  const moving = names.slice(0, 5)
  const staying = ['refs/heads/main', ...names.slice(5)]
  let going = true
  let reads = 0
  const reading = (async () => {
    while (going) {
      const seen = new Set(reader.read(dir).refs.map((it) => it.name))
      expect(staying.filter((it) => !seen.has(it))).toEqual([])
      reads += 1
      await new Promise((resolve) => setImmediate(resolve))
    }
  })()
  const working = (async () => {
    for (let round = 0; round < 8; round += 1) {
      await gitOk(dir, ['pack-refs', '--all', '--prune'])
      for (const it of moving) await gitOk(dir, ['update-ref', '-d', it])
      for (const it of moving) await gitOk(dir, ['update-ref', it, first])
      for (const it of staying) await writeFile(join(dir, it), `${first}\n`).catch(() => undefined)
    }
  })().finally(() => {
    going = false
  })
  await Promise.all([reading, working])
  expect(reads).toBeGreaterThan(50)
  await expectLikeGit()
})

test('while refs are being packed, what was made of them before holds', async () => {
  const names = Array.from({ length: 20 }, (_, n) => `refs/heads/b${String(n).padStart(2, '0')}`)
  for (const name of names) await gitOk(dir, ['update-ref', name, first])
  await settle()
  const before = reader.read(dir)
  await gitOk(dir, ['pack-refs', '--all', '--no-prune'])
  for (const name of names) {
    await rm(join(dir, name))
    expect(reader.read(dir)).toBe(before)
    await expectLikeGit()
  }
  // the last one: from here on everything is read out of packed-refs
  await rm(join(dir, 'refs/heads/main'))
  expect(reader.read(dir).digest).toBe(before.digest)
  await expectLikeGit()
})

test('a symbolic ref that leads elsewhere, to the same commit, is a change', async () => {
  await gitOk(dir, ['update-ref', 'refs/heads/same', first])
  await gitOk(dir, ['symbolic-ref', 'refs/heads/link', 'refs/heads/main'])
  await settle()
  const before = reader.read(dir)
  await gitOk(dir, ['symbolic-ref', 'refs/heads/link', 'refs/heads/same'])
  const now = reader.read(dir)
  const leads = (it: typeof now) => it.refs.find(({ name }) => name === 'refs/heads/link')?.symref
  expect(now.digest).toBe(before.digest)
  expect([leads(before), leads(now)]).toEqual(['refs/heads/main', 'refs/heads/same'])
})

test('names beyond the BMP are in the order of their bytes', async () => {
  for (const it of ['\u{1f40e}', '\ue000', '\uffee', 'z', '\u{10ffff}', 'é'])
    await gitOk(dir, ['update-ref', `refs/heads/${it}`, first])
  await expectLikeGit()
  await gitOk(dir, ['pack-refs', '--all'])
  await expectLikeGit()
})

test('symbolic refs are followed, dangling and circular ones left out', async () => {
  await gitOk(dir, ['symbolic-ref', 'refs/heads/alias', 'refs/heads/main'])
  await gitOk(dir, ['symbolic-ref', 'refs/heads/gone', 'refs/heads/nowhere'])
  await writeFile(join(dir, 'refs/heads/a'), 'ref: refs/heads/b\n')
  await writeFile(join(dir, 'refs/heads/b'), 'ref: refs/heads/a\n')
  const { refs } = reader.read(dir)
  expect(refs).toEqual([
    { name: 'refs/heads/alias', oid: first, symref: 'refs/heads/main' },
    { name: 'refs/heads/main', oid: first },
  ])
})

test('a HEAD that is a link, an object id or anything else is refused', async () => {
  const refuse = () => expect(() => reader.read(dir)).toThrow('HEAD is not a branch')
  await rm(join(dir, 'HEAD'))
  await symlink('refs/heads/main', join(dir, 'HEAD'))
  refuse()
  await rm(join(dir, 'HEAD'))
  await writeFile(join(dir, 'other'), 'ref: refs/heads/main\n')
  await symlink('other', join(dir, 'HEAD'))
  refuse()
  for (const text of [`${first}\n`, '', 'ref: refs/tags/v1\n', 'ref: ../../x\n']) {
    await rm(join(dir, 'HEAD'))
    await writeFile(join(dir, 'HEAD'), text)
    refuse()
  }
})

test('what is no ref is passed over', async () => {
  await writeFile(join(dir, 'refs/heads/half.lock'), first)
  await writeFile(join(dir, 'refs/heads/.hidden'), `${first}\n`)
  await writeFile(join(dir, 'refs/heads/garbage'), 'not an id\n')
  await writeFile(join(dir, 'refs/heads/zero'), `${'0'.repeat(40)}\n`)
  await symlink('main', join(dir, 'refs/heads/link'))
  await writeFile(
    Buffer.concat([Buffer.from(`${dir}/refs/heads/`), Buffer.from([0xff, 0x41])]),
    `${first}\n`,
  )
  await mkdir(join(dir, 'refs/packhorse'))
  await writeFile(join(dir, 'refs/packhorse/own'), `${first}\n`)
  expect(reader.read(dir).refs).toEqual([{ name: 'refs/heads/main', oid: first }])
  await rm(join(dir, 'refs/heads/link'))
  await gitOk(dir, ['update-ref', 'refs/packhorse/other', first])
  await gitOk(dir, ['pack-refs', '--all'])
  expect(await readFile(join(dir, 'packed-refs'), 'latin1')).toContain('refs/packhorse/other')
  expect(reader.read(dir).refs.map((it) => it.name)).toEqual(['refs/heads/main'])
})

test('a packed-refs file that is not sorted or not peeled is read all the same', async () => {
  await gitOk(dir, ['tag', '-m', 't', '-a', 'v1', first])
  const tag = await gitOk(dir, ['rev-parse', 'v1'])
  await rm(join(dir, 'refs/tags/v1'))
  await writeFile(
    join(dir, 'packed-refs'),
    `${tag} refs/tags/v1\n^${first}\n${first} refs/heads/a\n`,
  )
  expect(reader.read(dir).refs).toEqual([
    { name: 'refs/heads/a', oid: first },
    { name: 'refs/heads/main', oid: first },
    { name: 'refs/tags/v1', oid: tag, peeled: first },
  ])
})

test('a directory that is not there is told', () => {
  expect(() => reader.read(join(dir, 'nothing'))).toThrow('repository directory is missing')
})

/** 20,000 packed refs, names with letters of several bytes among them, and two loose ones that hide packed ones. */
async function fillWithRefs(count: number): Promise<void> {
  const names = Array.from({ length: count }, (_, n) => `refs/heads/team-${n % 97}/größe-${n}`)
  const lines = names.map((it) => `${first} ${it}`)
  await writeFile(join(dir, 'packed-refs'), `# pack-refs with: peeled \n${lines.join('\n')}\n`)
  // git itself puts them into order
  await gitOk(dir, ['pack-refs', '--all'])
  await gitOk(dir, ['update-ref', names[0] as string, second])
  await gitOk(dir, ['update-ref', names[count - 1] as string, second])
}

test('many refs are read between other work, and are the same', async () => {
  await fillWithRefs(20_000)
  await settle()
  const [one, two] = await Promise.all([reader.readSoon(dir), reader.readSoon(dir)])
  expect(two).toBe(one)
  expect(reader.read(dir)).toBe(one)
  const known = await fromGit()
  expect(one.refs.map(({ oid, name }) => `${oid} ${name}`)).toEqual(known.refs)
  expect(one.refs.length).toBe(20_001)
  // what the database remembers a state by
  const text = `refs/heads/main\n${known.refs.map((it) => `${it}\n`).join('')}`
  expect(one.digest).toBe(createHash('sha256').update(text).digest('hex'))
  expect(new RefReader().read(dir)).toEqual(one)

  await gitOk(dir, ['update-ref', 'refs/heads/team-5/größe-102', second])
  await gitOk(dir, ['update-ref', '-d', 'refs/heads/team-0/größe-0'])
  const changed = await reader.readSoon(dir)
  expect(changed.refs.map(({ oid, name }) => `${oid} ${name}`)).toEqual((await fromGit()).refs)
  expect(changed.refs.length).toBe(20_000)
})

test('a file of many refs that changes while it is read leaves no old state behind', async () => {
  await fillWithRefs(20_000)
  for (let n = 0; n < 5; n += 1) {
    const reading = reader.readSoon(dir)
    await gitOk(dir, ['update-ref', `refs/heads/new-${n}`, second])
    await gitOk(dir, ['pack-refs', '--all'])
    await reading
    const { refs } = await reader.readSoon(dir)
    expect(refs.filter((it) => it.name.startsWith('refs/heads/new-')).length).toBe(n + 1)
  }
})

test('a packed-refs file out of order, with a name twice, is read like one in order', async () => {
  const lines = [
    `${first} refs/heads/z`,
    `${first} refs/heads/b`,
    `${second} refs/heads/b`,
    `${first} refs/packhorse/hidden`,
    `^${second}`,
    `${first} refs/heads/a`,
  ]
  await writeFile(join(dir, 'packed-refs'), `# pack-refs with: peeled \n${lines.join('\n')}\n`)
  const { refs } = reader.read(dir)
  expect(refs.map(({ oid, name, peeled }) => [name, oid, peeled])).toEqual([
    ['refs/heads/a', first, undefined],
    ['refs/heads/b', second, undefined],
    ['refs/heads/main', first, undefined],
    ['refs/heads/z', first, undefined],
  ])
})
