/**
 * How a client puts a byte range of a file together: terms to concatenate, and the byte ranges of stored xorbs that
 * hold them (draft-denis-xet, "Reconstruction"; the JSON shapes v1 and v2 spell the same plan differently).
 * The same range over the same terms always gives the same plan: clients match refreshed URLs by position.
 */
import type { ShardTerm } from './shard-format.js'
import { XetFormatError } from './xet-format-error.js'
import { chunkAt, type XorbIndex } from './xorb-index.js'

/** A run of chunks of one xorb. */
export interface PlannedTerm {
  /** 32 bytes. */
  readonly xorbHash: Uint8Array
  readonly rawBytes: number
  /** Chunk positions, end exclusive. */
  readonly chunkStart: number
  readonly chunkEnd: number
}

/** Adjoining records of one xorb. */
export interface FetchRange {
  /** Chunk positions, end exclusive. */
  readonly chunkStart: number
  readonly chunkEnd: number
  /** First and last byte in the serialized xorb, both inclusive as in a Range header. */
  readonly firstByte: number
  readonly lastByte: number
}

export interface ReconstructionPlan {
  /** Bytes of the first term to skip: less than its first chunk. */
  readonly offsetIntoFirstRange: number
  readonly terms: readonly PlannedTerm[]
  /** Per xorb, in order of first use, what to fetch: ascending, neither overlapping nor touching. */
  readonly fetches: readonly { readonly xorbHash: Uint8Array; readonly ranges: FetchRange[] }[]
}

/**
 * Plans bytes `range.first` to `range.last` (inclusive, last clamped to the file's end).
 * @param terms of the whole file. @param loadIndex is asked once per xorb that the range touches.
 * @returns `undefined` when `first` is at or past the end, but for an empty file from byte 0 (an empty plan).
 * @throws XetFormatError when a term does not fit its xorb.
 */
export async function planReconstruction(
  terms: Iterable<ShardTerm>,
  range: { readonly first: number; readonly last: number },
  loadIndex: (xorbHash: Uint8Array) => Promise<XorbIndex> | XorbIndex,
): Promise<ReconstructionPlan | undefined> {
  const indexes = new Map<string, { xorbHash: Uint8Array; index: XorbIndex; used: Span[] }>()
  const planned: PlannedTerm[] = []
  let offsetIntoFirstRange = 0
  let termAt = 0
  for (const term of terms) {
    const end = termAt + term.rawBytes
    if (termAt > range.last) break
    if (end > range.first) {
      const key = Buffer.from(term.xorbHash).toString('latin1')
      let xorb = indexes.get(key)
      if (!xorb) {
        const index = await loadIndex(term.xorbHash)
        xorb = { xorbHash: term.xorbHash, index, used: [] }
        indexes.set(key, xorb)
      }
      const kept = trim(term, xorb.index, range.first - termAt, range.last - termAt)
      if (planned.length === 0) offsetIntoFirstRange = kept.skipped
      planned.push(kept.term)
      xorb.used.push([kept.term.chunkStart, kept.term.chunkEnd])
    }
    termAt = end
  }
  if (planned.length === 0 && (termAt > 0 || range.first > 0)) return undefined
  const fetches = [...indexes.values()].map(({ xorbHash, index, used }) => ({
    xorbHash,
    ranges: merge(used).map(([chunkStart, chunkEnd]) => ({
      chunkStart,
      chunkEnd,
      firstByte: chunkAt(index, chunkStart).recordStart,
      lastByte: (index.recordEnds[chunkEnd - 1] as number) - 1,
    })),
  }))
  return { offsetIntoFirstRange, terms: planned, fetches }
}

type Span = [start: number, end: number]

/** Drops chunks before byte `first` and after byte `last` of the term. */
function trim(
  term: ShardTerm,
  index: XorbIndex,
  first: number,
  last: number,
): { term: PlannedTerm; skipped: number } {
  let { chunkStart, chunkEnd } = term
  if (chunkStart >= chunkEnd || chunkEnd > index.rawEnds.length) {
    throw new XetFormatError('file term beyond its xorb')
  }
  const endOf = (chunk: number) => index.rawEnds[chunk] as number
  const base = chunkAt(index, chunkStart).rawStart
  if (endOf(chunkEnd - 1) - base !== term.rawBytes) {
    throw new XetFormatError('length of a file term is not that of its chunks')
  }
  while (endOf(chunkStart) - base <= first) chunkStart++
  while (chunkEnd - 1 > chunkStart && endOf(chunkEnd - 2) - base > last) chunkEnd--
  const start = chunkAt(index, chunkStart).rawStart
  return {
    term: {
      xorbHash: term.xorbHash,
      rawBytes: endOf(chunkEnd - 1) - start,
      chunkStart,
      chunkEnd,
    },
    skipped: Math.max(0, first - (start - base)),
  }
}

/** Sorts spans and joins those that overlap or touch. */
function merge(spans: readonly Span[]): Span[] {
  const merged: Span[] = []
  for (const [start, end] of [...spans].sort((a, b) => a[0] - b[0])) {
    const last = merged.at(-1)
    if (last && start <= last[1]) last[1] = Math.max(last[1], end)
    else merged.push([start, end])
  }
  return merged
}
