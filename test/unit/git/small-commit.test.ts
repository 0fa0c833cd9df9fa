import { execFileSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { expect, test } from 'vitest'
import type { CommitStep } from '../../../src/domain/ports.js'
import { CatFilePool } from '../../../src/git/cat-file.js'
import { updateRefs, writeCommit } from '../../../src/git/commits.js'
import { GitReads } from '../../../src/git/reads.js'
import { moveRefFile } from '../../../src/git/ref-files.js'
import { smallSteps, writeSmallCommit } from '../../../src/git/small-commit.js'
import { gitOk, tempDir } from '../../support/hub.js'

const author = { name: 'Ada', email: 'ada@example.org', at: '2024-01-02T03:04:05.000Z' }
const never = new AbortController().signal

async function repository(format: 'sha1' | 'sha256' = 'sha1') {
  const dir = await tempDir()
  await gitOk(dir, ['init', '-q', '--bare', `--object-format=${format}`, '.'])
  const pool = new CatFilePool(2)
  const reads = new GitReads(dir, pool)
  const attempt = (parent: string, steps: readonly CommitStep[]) => {
    const few = smallSteps(steps)
    if (!few) throw new Error('not a small commit')
    return writeSmallCommit(dir, { parent, message: 'm', author, steps: few }, (it) =>
      reads.readTree(it),
    )
  }
  const small = async (...order: Parameters<typeof attempt>) => {
    const made = await attempt(...order)
    if (!made) throw new Error('left to git')
    return made
  }
  const large = (parent: string | null, steps: readonly CommitStep[]) =>
    writeCommit(dir, { parent, message: 'm', author, steps }, never)
  return { dir, pool, attempt, small, large }
}

const put = (path: string, text: string, mode = '100644'): CommitStep => {
  const content = Buffer.from(text)
  return { type: 'put', path, mode, content, size: content.length }
}

const NAMES = ['a', 'b', 'a.b', 'a-b', 'a0', 'ab', 'ü', 'Z', 'x.txt']

function randomSteps(blob: string): CommitStep[] {
  return Array.from({ length: randomInt(1, 12) }, () => {
    const path = Array.from({ length: randomInt(1, 4) }, () => NAMES[randomInt(NAMES.length)]).join(
      '/',
    )
    const kind = randomInt(6)
    if (kind === 0) return { type: 'delete', path }
    if (kind === 1) return { type: 'link', path, mode: '100644', oid: blob }
    return put(path, `${randomInt(5)}`, kind === 2 ? '100755' : '100644')
  })
}

test.each(['sha1', 'sha256'] as const)(
  'a small commit in %s is the commit that git makes',
  async (format) => {
    const { dir, pool, small, large } = await repository(format)
    let parent = await large(null, [put('a/b/c', '1'), put('x', '2')])
    const blob = execFileSync('git', ['rev-parse', `${parent}:x`], {
      cwd: dir,
      encoding: 'utf8',
    }).trim()
    for (let round = 0; round < 60; round += 1) {
      const steps = randomSteps(blob)
      const theirs = await large(parent, steps)
      const ours = await small(parent, steps)
      expect([ours, steps]).toEqual([theirs, steps])
      parent = ours
    }
    const [first] = await Promise.all([
      small(parent, [put('same', 's')]),
      small(parent, [put('same', 's')]),
    ])
    await gitOk(dir, ['update-ref', 'refs/heads/main', first])
    expect(await gitOk(dir, ['fsck', '--full', '--strict', '--no-dangling'])).toBe('')
    pool.close()
  },
)

test('a tree with names that are not UTF-8 is written by git', async () => {
  const { dir, pool, attempt, large } = await repository()
  const blob = execFileSync('git', ['hash-object', '-w', '--stdin'], { cwd: dir, input: 'x' })
  const oid = blob.toString().trim()
  const tree = execFileSync('git', ['mktree', '-z'], {
    cwd: dir,
    input: Buffer.from(`100644 blob ${oid}\tcaf\xe9\x00100644 blob ${oid}\tcaf\xea\x00`, 'latin1'),
  })
  const inside = tree.toString().trim()
  const root = execFileSync('git', ['mktree'], {
    cwd: dir,
    input: `040000 tree ${inside}\told\n100644 blob ${oid}\ttop\n`,
  })
  const parent = await gitOk(dir, ['commit-tree', '-m', 'm', root.toString().trim()])
  expect(await attempt(parent, [put('old/new', '1')])).toBeUndefined()
  // where the folder itself is left alone, nothing stands in the way
  expect(await attempt(parent, [put('new', '1')])).toBe(await large(parent, [put('new', '1')]))
  pool.close()
})

test('many files or large ones are no small commit', () => {
  expect(smallSteps(Array.from({ length: 51 }, (_, n) => put(`${n}`, 'x')))).toBeUndefined()
  expect(smallSteps([put('a', 'x'.repeat(600_000))])).toBeUndefined()
  expect(smallSteps([{ ...put('a', 'x'), content: () => new (class {})() }])).toBeUndefined()
  expect(smallSteps([put('a', 'x')])).toHaveLength(1)
})

test('a branch moves only from where it is thought to be, together with git', async () => {
  const { dir, pool, large } = await repository()
  const one = await large(null, [put('a', '1')])
  const two = await large(one, [put('a', '2')])
  await updateRefs(dir, [{ name: 'refs/heads/main', oldOid: null, newOid: one }])
  expect(await moveRefFile(dir, 'refs/heads/main', one, two)).toBe(true)
  expect(await gitOk(dir, ['rev-parse', 'main'])).toBe(two)
  await expect(moveRefFile(dir, 'refs/heads/main', one, two)).rejects.toMatchObject({
    code: 'conflict',
  })
  await gitOk(dir, ['pack-refs', '--all', '--prune'])
  // git alone knows what to do with a packed ref
  expect(await moveRefFile(dir, 'refs/heads/main', two, one)).toBe(false)
  expect(await moveRefFile(dir, 'refs/heads/not/there', two, one)).toBe(false)
  expect(await gitOk(dir, ['rev-parse', 'main'])).toBe(two)
  await gitOk(dir, ['update-ref', 'refs/heads/main', one])
  const moves = await Promise.allSettled(
    Array.from({ length: 20 }, (_, n) =>
      n % 2
        ? gitOk(dir, ['update-ref', 'refs/heads/main', two, one])
        : moveRefFile(dir, 'refs/heads/main', one, two),
    ),
  )
  expect(moves.filter((it) => it.status === 'fulfilled').length).toBe(1)
  expect(await gitOk(dir, ['rev-parse', 'main'])).toBe(two)
  expect(await gitOk(dir, ['for-each-ref', '--format=%(refname)'])).toBe('refs/heads/main')
  pool.close()
})
