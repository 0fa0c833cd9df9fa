import type { RowResult, SideResult } from './result.js'
import { figure } from './stats.js'

/** Names to the left, figures to the right; the last column is free text and widens nothing. */
export function table(lines: readonly (readonly string[])[]): string {
  const names = 3
  const text = 8
  const widths: number[] = []
  for (const line of lines) {
    for (const [index, cell] of line.slice(0, text).entries()) {
      widths[index] = Math.max(widths[index] ?? 0, cell.length)
    }
  }
  const padded = (cell: string, index: number) => {
    const width = widths[index] ?? 0
    return index < names ? cell.padEnd(width) : cell.padStart(width)
  }
  return lines.map((line) => line.map(padded).join('  ').trimEnd()).join('\n')
}

export const tableHead = [
  'row',
  'side',
  'unit',
  'median',
  'low',
  'high',
  'times',
  'asked',
  '',
] as const

/** One line for each side; the hub's first, then the peers with how many times better the hub is. */
export function tableLines(result: RowResult): string[][] {
  if (result.failure !== undefined)
    return [[result.name, 'failed', '', '', '', '', '', '', result.failure.split('\n')[0] ?? '']]
  const names = Object.keys(result.sides).sort((a, b) => Number(b === 'hub') - Number(a === 'hub'))
  if (names.length === 0) return [[result.name, 'nothing to measure here', '']]
  return names.map((name, index) => [
    index === 0 ? result.name : '',
    name,
    result.unit,
    ...cells(result.sides[name] ?? {}),
    ...judgement(result, name),
  ])
}

function cells(side: SideResult): string[] {
  // The reason stands in the last column, where it does not widen the figures.
  if (side.median === undefined) return ['-', '', '', '', '', side.missing ?? '']
  const samples = side.samples ?? []
  return [figure(side.median), figure(Math.min(...samples)), figure(Math.max(...samples))]
}

function judgement(result: RowResult, side: string): string[] {
  if (side === 'hub') {
    if (result.limit === undefined || result.withinLimit === undefined) return []
    return ['', `${result.limit} ${result.unit}`, result.withinLimit ? 'ok' : 'NOT REACHED']
  }
  const ratio = result.ratios.find(({ peer }) => peer === side)
  if (!ratio) return []
  const times = `${ratio.times.toFixed(2)}x`
  if (ratio.asked === undefined) return [times]
  return [times, `${ratio.asked}x`, ratio.reached ? 'ok' : 'NOT REACHED']
}
