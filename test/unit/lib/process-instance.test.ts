import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { hasEnded, isOfThisMachine, PROCESS_INSTANCE } from '../../../src/lib/process-instance.js'

const MODULE = new URL('../../../src/lib/process-instance.ts', import.meta.url).href

test('a process runs until it has ended', async () => {
  const script = `import(${JSON.stringify(MODULE)}).then((it) => console.log(it.PROCESS_INSTANCE)); setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--import', 'tsx', '-e', script])
  const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string]
  const instance = line.trim()
  expect([hasEnded(instance), hasEnded(`${instance}-upload`)]).toEqual([false, false])
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect([hasEnded(instance), hasEnded(`${instance}-upload`)]).toEqual([true, true])
})

test('a pid that was given out again is another process', () => {
  expect(hasEnded(PROCESS_INSTANCE)).toBe(false)
  expect(hasEnded(PROCESS_INSTANCE.replace(/-t\d+/, '-t1'))).toBe(true)
})

test('of other machines nothing is known', () => {
  const elsewhere = PROCESS_INSTANCE.replace(/^h\w{8}/, 'h00000000')
  expect([hasEnded(elsewhere), isOfThisMachine(elsewhere)]).toEqual([false, false])
  expect([hasEnded('anything'), hasEnded('')]).toEqual([false, false])
})
