import type { RepositorySize } from './generate/repository.js'
import { figure } from './lib/stats.js'
import { table } from './lib/table.js'
import type { Growth, Options } from './options.js'
import type { RunResult } from './run.js'

/** What is asked of every size when --only names nothing else. */
export const GROWTH_ROWS = [
  'ls-remote-rate',
  'fetch-noop',
  'clone-full-server',
  'clone-depth-1-server',
  'fetch-100-server',
  'push-small',
  'api-commit-1',
  'api-info',
  'api-tree-page',
  'squash',
] as const

export function grownSize({ axis, factor }: Growth, base: RepositorySize): RepositorySize {
  return { ...base, [axis]: base[axis] * factor }
}

export function sizeName({ axis, factor }: Growth, base: RepositorySize): string {
  const named = (size: number) => size.toLocaleString('en')
  if (factor > 1) return `${factor}x: ${named(base[axis] * factor)} ${axis}`
  return `1x: ${named(base.refs)} refs, ${named(base.commits)} commits, ${named(base.files)} files`
}

/** One line for each row and side, one column for each size: how the cost grows. */
export function printGrowth({ grow, repository }: Options, results: readonly RunResult[]): void {
  const lines = new Map<string, string[]>()
  for (const [column, { rows }] of results.entries()) {
    for (const row of rows) {
      for (const [side, { median }] of Object.entries(row.sides)) {
        const key = `${row.name} ${side}`
        const line = lines.get(key) ?? [row.name, side, row.unit]
        lines.set(key, line)
        while (line.length < 3 + column) line.push('')
        line.push(median === undefined ? '-' : figure(median))
      }
    }
  }
  const head = [
    'row',
    'side',
    'unit',
    ...grow.map((it) => `${it.factor}x${it.factor > 1 ? ` ${it.axis}` : ''}`),
  ]
  console.log(`${grow.map((it) => sizeName(it, repository)).join('\n')}\n`)
  console.log(`${table([head, ...lines.values()])}\n`)
}
