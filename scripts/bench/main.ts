import { writeFile } from 'node:fs/promises'
import { Closer } from '../../src/lib/closer.js'
import { grownSize, printGrowth, sizeName } from './growth.js'
import { FAILED } from './lib/compare.js'
import { killEverything } from './lib/process.js'
import type { RowResult } from './lib/result.js'
import { table, tableHead, tableLines } from './lib/table.js'
import { describeMachine } from './machine.js'
import { HELP, type Options, readOptions } from './options.js'
import { chosenRows, type RunResult, runAll } from './run.js'

const closer = new Closer()
let closing: Promise<void> | undefined
const closeOnce = () => {
  closing ??= closer.close()
  return closing
}

/** Ends with everything stopped and removed, however the end came. */
function leave(code: number): void {
  closeOnce()
    .catch((error) => console.error(error))
    .finally(() => {
      killEverything()
      process.exit(code)
    })
}

process.on('SIGINT', () => leave(130))
process.on('SIGTERM', () => leave(143))
process.on('uncaughtException', (error) => {
  console.error(error)
  leave(1)
})

function progress(result: RowResult): void {
  console.log(table(tableLines(result)))
}

/** A peer that fails is the peer's affair; the hub failing, or a row as a whole, is not. */
function worked({ failure, sides }: RowResult): boolean {
  return failure === undefined && !sides.hub?.missing?.startsWith(FAILED)
}

function summarise(result: RunResult): boolean {
  console.log(`\n${table([tableHead, ...result.rows.flatMap(tableLines)])}\n`)
  const { memory, fsck, skippedPeers } = result
  for (const peer of skippedPeers) console.log(`skipped: ${peer}`)
  if (memory) {
    console.log(
      `peak RSS: hub ${memory.hubMB.toFixed(0)} MB, its git processes ${memory.childrenMB.toFixed(0)} MB`,
    )
  }
  if (fsck) {
    console.log(
      fsck.broken.length === 0
        ? `git fsck --full: ${fsck.checked} repositories clean (${fsck.empty} without objects)`
        : `git fsck --full: BROKEN\n${fsck.broken.join('\n')}`,
    )
  }
  return result.rows.every(worked) && !fsck?.broken.length
}

/** Grown sizes run one after the other, each with servers and data of its own. */
async function runs(options: Options): Promise<RunResult[]> {
  if (options.grow.length === 0) return [await runAll(options, closer, progress)]
  const found: RunResult[] = []
  for (const growth of options.grow) {
    console.log(`\n${sizeName(growth, options.repository)}`)
    const inner = closer.add(new Closer(), (it) => it.close())
    const repository = grownSize(growth, options.repository)
    found.push(await runAll({ ...options, repository }, inner, progress))
    await inner.close()
  }
  return found
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2))
  if (options === 'help') {
    console.log(HELP)
    return 0
  }
  if (options.list) {
    console.log(table(chosenRows(options).map(({ name, what }) => [name, what])))
    return 0
  }
  const begin = performance.now()
  const machine = await describeMachine()
  console.log(
    Object.entries(machine)
      .map(([name, value]) => `${name}: ${value}`)
      .join('\n'),
  )
  const found = await runs(options)
  const allGood = found.map(summarise).every(Boolean)
  if (options.grow.length > 0) printGrowth(options, found)
  console.log(
    `${((performance.now() - begin) / 1000).toFixed(0)} s, ${options.runs} runs, scale ${options.scale}`,
  )
  if (options.json) {
    const date = new Date().toISOString()
    await writeFile(
      options.json,
      `${JSON.stringify({ date, machine, options, runs: found }, null, 2)}\n`,
    )
  }
  return allGood ? 0 : 1
}

main().then(leave, (error) => {
  console.error(error instanceof Error ? error.message : error)
  leave(1)
})
