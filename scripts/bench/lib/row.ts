import type { Bench } from '../bench.js'
import type { Unit } from './stats.js'

/** A side that has no figure, and why: "not yet", "skipped: …". */
export interface Missing {
  readonly missing: string
}

export type Samples = readonly number[] | Missing

/** What one row found, by side; the hub's own side is called "hub". */
export type Figures = Readonly<Record<string, Samples>>

export interface Row {
  readonly name: string
  /** One line: what is measured, as a user would say it. */
  readonly what: string
  readonly unit: Unit
  /** Peers that the hub is compared with, and how many times better it is asked to be (undefined: shown only). */
  readonly against: Readonly<Record<string, number | undefined>>
  /** What is asked of the hub alone, in the row's unit. */
  readonly limit?: number
  run(bench: Bench): Promise<Figures>
}

export function isMissing(samples: Samples): samples is Missing {
  return 'missing' in samples
}
