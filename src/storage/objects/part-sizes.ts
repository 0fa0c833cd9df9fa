import { HubError } from '../../domain/errors.js'

const LISTED = 10

/** Throws `unprocessable` unless `held` (number -> bytes) are all the parts, each of its size. */
export function requireParts(
  held: ReadonlyMap<number, number>,
  expect: { size: number; partSize: number },
): void {
  const count = Math.max(1, Math.ceil(expect.size / expect.partSize))
  const wrong: number[] = []
  for (let number = 1; number <= count; number += 1) {
    const bytes = number < count ? expect.partSize : expect.size - (count - 1) * expect.partSize
    if (held.get(number) !== bytes) wrong.push(number)
  }
  if (wrong.length === 0 && held.size === count) return
  const listed = wrong.slice(0, LISTED).join(', ')
  throw new HubError(
    'unprocessable',
    wrong.length === 0
      ? `There are ${held.size} parts instead of ${count}.`
      : `Parts are missing or have the wrong size: ${listed}${wrong.length > LISTED ? ', …' : ''}.`,
  )
}
