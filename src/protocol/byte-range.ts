/*
 * Range of bytes (RFC 9110 14.1.2):  bytes=0-499   bytes=500-   bytes=-500   bytes=0-0,5-9
 * Positions count from 0 and are inclusive; "-n" means the last n bytes.
 */
export interface Span {
  readonly first: number
  readonly last: number
}

const MAX_SPANS = 50

/**
 * The asked spans of a body of `size` bytes, clamped to it, overlapping or touching ones joined, in ascending order.
 * `[]` = none of them lies in the body; undefined = no range that we understand (the whole body is the answer then).
 */
export function parseRange(header: string | undefined, size: number): Span[] | undefined {
  const list = /^bytes=(.+)$/i.exec(header?.trim() ?? '')?.[1]?.split(',')
  if (!list || list.length > MAX_SPANS) return undefined
  const spans: Span[] = []
  for (const item of list) {
    const match = /^\s*(\d{0,18})-(\d{0,18})\s*$/.exec(item)
    if (!match || (!match[1] && !match[2])) return undefined
    const [, from = '', to = ''] = match
    if (from && to && Number(from) > Number(to)) return undefined
    const first = from ? Number(from) : Math.max(size - Number(to), 0)
    const last = from && to ? Math.min(Number(to), size - 1) : size - 1
    if (first <= last) spans.push({ first, last })
  }
  return join(spans)
}

function join(spans: readonly Span[]): Span[] {
  const joined: Span[] = []
  for (const it of [...spans].sort((a, b) => a.first - b.first)) {
    const before = joined.at(-1)
    if (before && it.first <= before.last + 1)
      joined[joined.length - 1] = { first: before.first, last: Math.max(before.last, it.last) }
    else joined.push(it)
  }
  return joined
}
