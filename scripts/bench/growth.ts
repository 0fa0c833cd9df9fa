import { figure } from './lib/stats.js'
import { table } from './lib/table.js'
import type { RunResult } from './run.js'

/** One line for each row and side, one column for each size: how the cost grows. */
export function printGrowth(
  what: string,
  runs: readonly { factor: number; result: RunResult }[],
): void {
  const lines = new Map<string, string[]>()
  for (const [column, { result }] of runs.entries()) {
    for (const row of result.rows) {
      for (const [side, { median }] of Object.entries(row.sides)) {
        const key = `${row.name} ${side}`
        const line = lines.get(key) ?? [row.name, side, row.unit]
        lines.set(key, line)
        while (line.length < 3 + column) line.push('')
        line.push(median === undefined ? '-' : figure(median))
      }
    }
  }
  const head = ['row', 'side', 'unit', ...runs.map(({ factor }) => `${factor}x ${what}`)]
  console.log(`${table([head, ...lines.values()])}\n`)
}
