import { createHash, randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { joinedAnswer } from '../../../src/git/fetch-cache/joined-answer.js'
import { PackSums } from '../../../src/git/fetch-cache/pack-sums.js'
import { Recipe, writeRecipe } from '../../../src/git/fetch-cache/recipe.js'
import { tempDir } from '../../support/hub.js'

const ENTRIES = randomBytes(5_000_000)
const TAIL = randomBytes(1_000)
let directory: string
let path: string
let expected: string

beforeEach(async () => {
  directory = await tempDir()
  path = join(directory, 'recipe')
  const head = Buffer.from('PACK\0\0\0\x02\0\0\0\x03', 'latin1')
  const pack = Buffer.concat([head, ENTRIES])
  const packSum = createHash('sha1').update(pack).digest()
  await mkdir(join(directory, 'objects/pack'), { recursive: true })
  await writeFile(join(directory, 'objects/pack/pack-1.pack'), Buffer.concat([pack, packSum]))
  await writeRecipe(path, {
    format: 'sha1',
    pack: 'pack-1.pack',
    packBytes: pack.length + packSum.length,
    packSum: packSum.toString('hex'),
    objects: 4,
    tail: TAIL,
  })
  head.writeUInt32BE(4, 8)
  expected = createHash('sha1').update(head).update(ENTRIES).update(TAIL).digest('hex')
})

function openSums(): PackSums {
  const abort = new AbortController()
  const sums = new PackSums(abort.signal)
  onTestFinished(async () => {
    abort.abort()
    await sums.close()
  })
  return sums
}

async function openRecipe(): Promise<Recipe> {
  const recipe = await Recipe.open(path, directory)
  if (!recipe) throw new Error('no recipe')
  return recipe
}

test('who leaves at once takes the sum from nobody', async () => {
  const sums = openSums()
  const [one, other] = [await openRecipe(), await openRecipe()]
  const left = sums.of(one)
  left.catch(() => undefined)
  await one.close()
  const stays = sums.of(other)
  expect(Buffer.from(await stays).toString('hex')).toBe(expected)
  expect(Buffer.from(await left).toString('hex')).toBe(expected)
  await other.close()
  // and it stays noted
  const again = await openRecipe()
  expect((await again.notedSum())?.toString('hex')).toBe(expected)
  await again.close()
})

test('a reader that is closed twice does not close the files under the others', async () => {
  const recipe = await openRecipe()
  const held = recipe.share()
  const sum = Promise.resolve(Buffer.alloc(20))
  const reader = joinedAnswer(recipe, sum).read(0, new AbortController().signal)
  await reader.close()
  await reader.close()
  expect(await held.notedSum()).toBeUndefined()
  await held.close()
  await expect(held.notedSum()).rejects.toThrow()
})
