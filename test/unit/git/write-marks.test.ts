import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { markWriter, pushesInFlight } from '../../../src/git/service.js'
import { PROCESS_INSTANCE } from '../../../src/lib/process-instance.js'
import { tempDir } from '../../support/hub.js'

test('a mark of a killed writer does not count when its pid belongs to another process now', async () => {
  const dir = await tempDir()
  const marks = join(dir, 'packhorse-pushes')
  const unmark = await markWriter(dir)
  const before = PROCESS_INSTANCE.replace(/-t\d+$/, '-t1')
  await writeFile(join(marks, `hub-${before}-1`), '')
  expect(await pushesInFlight(dir)).toBe(1)
  expect(await readdir(marks)).toHaveLength(1)
  await unmark()
  expect(await pushesInFlight(dir)).toBe(0)
})

test('a mark of a machine that is not this one counts for a while', async () => {
  const dir = await tempDir()
  await mkdir(join(dir, 'packhorse-pushes'))
  const mark = join(dir, 'packhorse-pushes', 'hub-h00000000-p7-t123-1')
  await writeFile(mark, '')
  expect(await pushesInFlight(dir)).toBe(1)
  const longAgo = new Date(Date.now() - 2 * 3600_000)
  await utimes(mark, longAgo, longAgo)
  expect(await pushesInFlight(dir)).toBe(0)
})
