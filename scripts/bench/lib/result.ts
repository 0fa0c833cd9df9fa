import { type Figures, isMissing, type Row } from './row.js'
import { median, timesBetter, withinLimit } from './stats.js'

export interface SideResult {
  readonly median?: number
  readonly samples?: readonly number[]
  readonly missing?: string
}

export interface Ratio {
  readonly peer: string
  readonly times: number
  readonly asked: number | undefined
  readonly reached: boolean
}

export interface RowResult {
  readonly name: string
  readonly what: string
  readonly unit: Row['unit']
  readonly sides: Readonly<Record<string, SideResult>>
  readonly ratios: readonly Ratio[]
  readonly limit: number | undefined
  readonly withinLimit: boolean | undefined
  readonly failure: string | undefined
}

export function resultOf(row: Row, figures: Figures, failure?: string): RowResult {
  const sides: Record<string, SideResult> = {}
  for (const [name, samples] of Object.entries(figures)) {
    sides[name] = isMissing(samples) ? samples : { median: median(samples), samples }
  }
  const hub = sides.hub?.median
  return {
    name: row.name,
    what: row.what,
    unit: row.unit,
    sides,
    ratios: hub === undefined ? [] : ratiosOf(row, hub, sides),
    limit: row.limit,
    withinLimit:
      hub === undefined || row.limit === undefined
        ? undefined
        : withinLimit(row.unit, hub, row.limit),
    failure,
  }
}

function ratiosOf(row: Row, hub: number, sides: Readonly<Record<string, SideResult>>): Ratio[] {
  return Object.entries(row.against).flatMap(([peer, asked]) => {
    const other = sides[peer]?.median
    if (other === undefined) return []
    const times = timesBetter(row.unit, hub, other)
    return [{ peer, times, asked, reached: asked === undefined || times >= asked }]
  })
}
