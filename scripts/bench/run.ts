import type { Closer } from '../../src/lib/closer.js'
import { Bench } from './bench.js'
import { type FsckResult, fsckAll } from './fsck.js'
import { GROWTH_ROWS } from './growth.js'
import type { Peak } from './lib/memory.js'
import { type RowResult, resultOf } from './lib/result.js'
import type { Figures, Row } from './lib/row.js'
import type { Options } from './options.js'
import { rows } from './rows/index.js'

export interface RunResult {
  readonly rows: readonly RowResult[]
  readonly memory: Peak | undefined
  readonly fsck: FsckResult | undefined
  readonly skippedPeers: readonly string[]
}

export function chosenRows(options: Options): Row[] {
  if (options.only.length === 0 && options.grow.length > 0)
    return rows.filter(({ name }) => GROWTH_ROWS.some((it) => it === name))
  if (options.only.length === 0) return [...rows]
  const chosen = rows.filter(({ name }) => options.only.some((only) => name.startsWith(only)))
  if (chosen.length === 0)
    throw new Error(`--only ${options.only.join(',')}: no such row (--list names them)`)
  return chosen
}

/** Starts the servers, runs the rows one after the other, checks the hub's repositories. */
export async function runAll(
  options: Options,
  closer: Closer,
  onRow: (result: RowResult) => void,
): Promise<RunResult> {
  const bench = await Bench.open(options, closer)
  const results: RowResult[] = []
  const peak: Peak = { hubMB: 0, childrenMB: 0 }
  for (const row of chosenRows(options)) {
    await bench.hub?.settle()
    const result = await runRow(row, bench)
    results.push(result)
    onRow(result)
    keepHighest(peak, bench.hub?.memory.take())
    if (row.name === 'memory') keepHighest(peak, peakOf(result))
  }
  const { hub } = bench
  const fsck = hub && options.fsck ? await fsckAll(bench.git, hub.data) : undefined
  const skippedPeers = await bench.skippedPeers()
  return { rows: results, memory: hub ? peak : undefined, fsck, skippedPeers }
}

async function runRow(row: Row, bench: Bench): Promise<RowResult> {
  let figures: Figures = {}
  let failure: string | undefined
  try {
    figures = await row.run(bench)
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error)
    if (bench.hub && !bench.hub.service.alive)
      failure += `\nthe hub has ended:\n${bench.hub.service.output}`
  }
  return resultOf(row, figures, failure)
}

function keepHighest(peak: Peak, sample: Peak | undefined): void {
  peak.hubMB = Math.max(peak.hubMB, sample?.hubMB ?? 0)
  peak.childrenMB = Math.max(peak.childrenMB, sample?.childrenMB ?? 0)
}

/** The memory row takes the sampler's peak for itself. */
function peakOf(result: RowResult): Peak {
  return {
    hubMB: result.sides.hub?.median ?? 0,
    childrenMB: result.sides['its git processes']?.median ?? 0,
  }
}
