export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5)
}

export function quantile(samples: readonly number[], at: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  const place = (sorted.length - 1) * at
  const low = sorted[Math.floor(place)] ?? Number.NaN
  const high = sorted[Math.ceil(place)] ?? Number.NaN
  return low + (high - low) * (place - Math.floor(place))
}

export type Unit = 'MB/s' | 'req/s' | 's' | 'ms' | 'MB'

const higherIsBetter: Record<Unit, boolean> = {
  'MB/s': true,
  'req/s': true,
  s: false,
  ms: false,
  MB: false,
}

/** How many times better the hub is than the peer, whichever way the unit counts. */
export function timesBetter(unit: Unit, hub: number, peer: number): number {
  return higherIsBetter[unit] ? hub / peer : peer / hub
}

/** A ceiling for times and sizes, a floor for rates. */
export function withinLimit(unit: Unit, value: number, limit: number): boolean {
  return higherIsBetter[unit] ? value >= limit : value <= limit
}

export function figure(value: number): string {
  if (value >= 100) return value.toFixed(0)
  if (value >= 10) return value.toFixed(1)
  return value.toFixed(value >= 1 ? 2 : 3)
}

export const MB = 1_000_000
