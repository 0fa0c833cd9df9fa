import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, truncate, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { PROCESS_INSTANCE } from '../../../src/lib/process-instance.js'
import { bringIn, Journal } from '../../../src/storage/objects/journal.js'
import { encodeRecords, type SmallObject } from '../../../src/storage/objects/journal-records.js'
import { recoverJournals } from '../../../src/storage/objects/journal-recovery.js'
import { tempDir } from '../../support/hub.js'

/* What the disk keeps of small objects (decision 013). A power cut is played by another machine's journal. */

const ELSEWHERE = 'h00000000-p1-t1'
/** On this boot, of a process that cannot run: pids end far below. */
const ENDED = PROCESS_INSTANCE.replace(/-p\d+-t\d+/, '-p999999999-t1')

function objectOf(bytes: Buffer, name = ''): SmallObject {
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  return { key: `lfs/${sha256.slice(0, 2)}/${sha256.slice(2, 4)}/${sha256}${name}`, sha256, bytes }
}
const some = (count: number) => Array.from({ length: count }, () => objectOf(randomBytes(3_000)))

async function start(objects: readonly SmallObject[], owner = ELSEWHERE) {
  const root = await tempDir()
  const { records, placed } = encodeRecords(objects)
  const journal = join(root, 'journal', `${owner}-abc`)
  await mkdir(dirname(journal), { recursive: true })
  await writeFile(journal, records)
  const write = async ({ key, bytes }: SmallObject) => {
    await mkdir(dirname(join(root, key)), { recursive: true })
    await writeFile(join(root, key), bytes)
  }
  const held = ({ key }: SmallObject) => readFile(join(root, key)).catch(() => undefined)
  return { root, journal, records, placed, write, held }
}

const wait = async (done: () => Promise<boolean>) => {
  while (!(await done())) await new Promise((resolve) => setTimeout(resolve, 10))
}

test('an object is a file at once, and its journal goes when the files are on the disk', async () => {
  const root = await tempDir()
  const journal = new Journal(root)
  const objects = [...some(3), objectOf(Buffer.alloc(0))]
  const { records, placed } = encodeRecords(objects)
  journal.append(records, placed)
  for (const { key, bytes } of objects) expect(await readFile(join(root, key))).toEqual(bytes)
  const [name = ''] = await readdir(join(root, 'journal'))
  expect(name.startsWith(PROCESS_INSTANCE)).toBe(true)
  expect(await readFile(join(root, 'journal', name))).toEqual(Buffer.from(records))
  await journal.settle()
  expect(await readdir(join(root, 'journal'))).toEqual([])
  for (const { key, bytes } of objects) expect(await readFile(join(root, key))).toEqual(bytes)
})

test('the same object again replaces what a killed process left half-written', async () => {
  const root = await tempDir()
  const [object] = some(1) as [SmallObject]
  await mkdir(dirname(join(root, object.key)), { recursive: true })
  await writeFile(join(root, object.key), object.bytes.subarray(0, 100))
  const journal = new Journal(root)
  const { records, placed } = encodeRecords([object])
  journal.append(records, placed)
  journal.append(...(Object.values(encodeRecords([object])) as [Uint8Array, typeof placed]))
  expect(await readFile(join(root, object.key))).toEqual(object.bytes)
  expect(await readdir(join(root, 'incoming'))).toEqual([])
  await journal.settle()
})

test('after a power cut every whole record is a file again, wherever the journal was cut', async () => {
  const objects = some(6)
  const { records, placed } = encodeRecords(objects)
  const borders = placed.map(({ at, size }) => at + size)
  const cuts = [
    0,
    1,
    45,
    60,
    ...borders,
    ...borders.map((it) => it - 1),
    ...borders.map((it) => it + 3),
  ]
  for (const cut of cuts.filter((it) => it <= records.length)) {
    const { root, journal, write, held } = await start(objects)
    // what the file system had brought to the disk by itself: one whole, one of zeros, one too short
    const [whole, zeros, short] = objects as [SmallObject, SmallObject, SmallObject]
    await write(whole)
    await write({ ...zeros, bytes: Buffer.alloc(zeros.bytes.length) })
    await write({ ...short, bytes: short.bytes.subarray(0, 10) })
    await truncate(journal, cut)
    await recoverJournals(root)
    for (const [at, object] of objects.entries())
      if ((borders[at] ?? 0) <= cut) expect((await held(object))?.equals(object.bytes)).toBe(true)
      else if (at > 2) expect(await held(object)).toBeUndefined()
    expect(await readdir(join(root, 'incoming')).catch(() => [])).toEqual([])
  }
})

test('a damaged record ends the journal; nothing is written that does not hash right', async () => {
  const objects = some(3)
  const { placed } = encodeRecords(objects)
  for (const at of [placed[1]?.at ?? 0, (placed[1]?.at ?? 0) - 20, (placed[1]?.at ?? 0) - 118]) {
    const { root, journal, records, held } = await start(objects)
    const bytes = Buffer.from(records)
    bytes[at] = (bytes[at] ?? 0) ^ 1
    await writeFile(journal, bytes)
    await recoverJournals(root)
    expect(await held(objects[0] as SmallObject)).toEqual(objects[0]?.bytes)
    expect(await held(objects[1] as SmallObject)).toBeUndefined()
    expect(await held(objects[2] as SmallObject)).toBeUndefined()
  }
})

test('a journal of a process that ended on this boot is synced and removed; what was deleted stays so', async () => {
  const objects = some(2)
  const { root, write, held } = await start(objects, ENDED)
  await write(objects[0] as SmallObject)
  await recoverJournals(root)
  expect(await readdir(join(root, 'journal'))).toEqual([])
  expect(await held(objects[0] as SmallObject)).toEqual(objects[0]?.bytes)
  expect(await held(objects[1] as SmallObject)).toBeUndefined()
})

test('the journal of a process that runs is left alone, that of another machine until it is old', async () => {
  const objects = some(1)
  const mine = await start(objects, PROCESS_INSTANCE)
  await recoverJournals(mine.root)
  expect(await mine.held(objects[0] as SmallObject)).toBeUndefined()
  expect(await readdir(join(mine.root, 'journal'))).toHaveLength(1)
  const { root, journal, held } = await start(objects)
  await recoverJournals(root)
  expect(await held(objects[0] as SmallObject)).toEqual(objects[0]?.bytes)
  expect(await readdir(join(root, 'journal'))).toHaveLength(1)
  const before = new Date(Date.now() - 3600_000)
  await utimes(journal, before, before)
  await recoverJournals(root)
  expect(await readdir(join(root, 'journal'))).toEqual([])
})

test('what the disk does not take is told, and the next object goes on', async () => {
  const root = await tempDir()
  const journal = new Journal(root)
  const [first, second, third] = some(3) as [SmallObject, SmallObject, SmallObject]
  const append = (object: SmallObject) => {
    const { records, placed } = encodeRecords([object])
    journal.append(records, placed)
  }
  append(first)
  // a directory where the file should be
  await mkdir(join(root, second.key), { recursive: true })
  expect(() => append(second)).toThrow()
  append(third)
  expect(await readFile(join(root, third.key))).toEqual(third.bytes)
  expect(await readdir(join(root, 'incoming'))).toEqual([])
  await journal.settle()
  await wait(async () => (await readdir(join(root, 'journal'))).length === 0)
})

test('without sync -f every file and directory is synced one by one, collected ones left out', async () => {
  const [kept, gone] = some(2) as [SmallObject, SmallObject]
  const { root, write } = await start([kept, gone])
  await write(kept)
  const path = process.env.PATH
  process.env.PATH = await tempDir()
  try {
    await expect(bringIn(root, [kept.key, gone.key])).resolves.toBeUndefined()
    await expect(bringIn(root, [gone.key, `${kept.key}/x`])).rejects.toThrow(/ENOTDIR/)
  } finally {
    process.env.PATH = path
  }
})
