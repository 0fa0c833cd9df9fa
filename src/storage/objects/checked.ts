import { PassThrough, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { HubError } from '../../domain/errors.js'
import { ByteCheck, ByteCheckError } from '../../lib/byte-check.js'

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

/** What a failed `ByteCheck` means to the client; anything else stays what it is. */
export function asChecksumError(err: unknown): unknown {
  if (!(err instanceof ByteCheckError)) return err
  return new HubError(
    err.reason === 'too_long' ? 'too_large' : 'checksum_mismatch',
    `The uploaded bytes are not the announced ones: ${err.message}.`,
  )
}

/** Reads it all; throws `checksum_mismatch` when it is not what was expected. */
export async function readThrough(
  body: Readable,
  expect: { size: number; sha256: string },
  signal: AbortSignal,
): Promise<void> {
  const sink = new PassThrough()
  sink.resume()
  try {
    await pipeline(body, new ByteCheck(expect), sink, { signal })
  } catch (err) {
    throw asChecksumError(err)
  }
}
