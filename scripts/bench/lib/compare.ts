import { NotYet } from './connection.js'
import type { Figures, Missing, Samples } from './row.js'

/** How a reason begins that is an error, not a gap. */
export const FAILED = 'failed'

export type Measure = () => Promise<number>

export interface CompareOptions {
  readonly runs: number
  /** One uncounted round first: for rows about the repeated case. */
  readonly warmUp?: boolean
}

/**
 * Measures the sides in turn, round after round, so that what else the machine does meanwhile falls on all of them.
 * A side that fails is left out from then on.
 */
export async function compare(
  sides: Readonly<Record<string, Measure | Missing>>,
  { runs, warmUp = true }: CompareOptions,
): Promise<Figures> {
  const samples: Record<string, number[]> = {}
  const missing: Record<string, Missing> = {}
  for (let round = warmUp ? -1 : 0; round < runs; round++) {
    for (const [name, measure] of Object.entries(sides)) {
      if (typeof measure !== 'function') missing[name] = measure
      if (typeof measure !== 'function' || missing[name]) continue
      const sample = await orMissing(measure)
      if (typeof sample !== 'number') missing[name] = sample
      else if (round >= 0) samples[name] = [...(samples[name] ?? []), sample]
    }
  }
  return { ...samples, ...missing }
}

async function orMissing(measure: Measure): Promise<number | Missing> {
  try {
    return await measure()
  } catch (error) {
    return whyMissing(error)
  }
}

/** A side that fails is named and left out; the others go on. */
export function whyMissing(error: unknown): Missing {
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof NotYet) return { missing: `not yet (${message})` }
  return { missing: `${FAILED}: ${message.replace(/:\/\/[^@\s]+@/g, '://').split('\n')[0]}` }
}

/** Seconds of one call. */
export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now()
  await work()
  return (performance.now() - begin) / 1000
}

export async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  return (await seconds(work)) * 1000
}

/** Several samples that one call gives at once (latencies of many requests). */
export async function samplesOf(work: () => Promise<number[]>): Promise<Samples> {
  try {
    return await work()
  } catch (error) {
    return whyMissing(error)
  }
}
