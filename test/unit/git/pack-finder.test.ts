import { randomBytes } from 'node:crypto'
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { PackFinder } from '../../../src/git/fetch-cache/pack-finder.js'
import { commitFiles, initWork } from '../../support/git-work.js'
import { gitOk, tempDir } from '../../support/hub.js'

let work: string
let directory: string
let finder: PackFinder

const { signal } = new AbortController()
const find = (wants: readonly string[]) => finder.find(directory, wants, 'sha1', signal)
const oidOf = (revision: string) => gitOk(work, ['rev-parse', revision])

beforeEach(async () => {
  work = await initWork(await tempDir(), 'work', { files: { 'big.bin': randomBytes(17_000_000) } })
  await gitOk(work, ['repack', '-a', '-d', '-q', '--write-bitmap-index'])
  directory = join(work, '.git')
  finder = new PackFinder()
})

test('a failure of the moment does not speak against a pack', async () => {
  const wants = [await oidOf('main')]
  expect(await find(['f'.repeat(40)])).toBeUndefined()
  const objects = await gitOk(work, ['rev-list', '--objects', '--count', 'main'])
  await rename(join(directory, 'HEAD'), join(directory, 'HEAD.away'))
  expect(await find(wants)).toBeUndefined()
  await rename(join(directory, 'HEAD.away'), join(directory, 'HEAD'))
  expect(await find(wants)).toMatchObject({ objects: Number(objects) })
})

test('a pack that lacks very much, or holds too much, is not tried again for every clone', async () => {
  const first = await oidOf('main')
  await commitFiles(work, { 'more.bin': randomBytes(17_000_000) }, 'more')
  expect(await find([await oidOf('main')])).toBeUndefined()
  expect(await find([first])).toBeUndefined()
  finder = new PackFinder()
  expect(await find([first])).toMatchObject({ objects: 3 })

  await gitOk(work, ['repack', '-a', '-d', '-q', '--write-bitmap-index'])
  await gitOk(work, ['reset', '-q', '--hard', first])
  expect(await find([first])).toBeUndefined()
})
