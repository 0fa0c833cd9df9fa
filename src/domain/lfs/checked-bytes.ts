import { createHash } from 'node:crypto'
import { type Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ByteCheck, ByteCheckError } from '../../lib/byte-check.js'
import { HubError } from '../errors.js'

/** What a failed `ByteCheck` means to the client; anything else stays what it is. */
export function asChecksumError(err: unknown): unknown {
  if (!(err instanceof ByteCheckError)) return err
  return new HubError(
    err.reason === 'too_long' ? 'too_large' : 'checksum_mismatch',
    `The uploaded bytes are not the announced ones: ${err.message}.`,
  )
}

/** Throws `checksum_mismatch` when these are not the expected bytes. */
export function requireBytes(bytes: Buffer, expect: { size: number; sha256: string }): void {
  const right =
    bytes.length === expect.size &&
    createHash('sha256').update(bytes).digest('hex') === expect.sha256
  if (!right)
    throw new HubError('checksum_mismatch', 'The uploaded bytes are not the announced ones.')
}

/** Reads it all and keeps nothing; throws `checksum_mismatch` or `too_large` when it is not what was expected. */
export async function readThrough(
  body: Readable,
  expect: { size: number; sha256: string },
  signal: AbortSignal,
): Promise<void> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  try {
    await pipeline(body, new ByteCheck(expect), nowhere, { signal })
  } catch (err) {
    throw asChecksumError(err)
  }
}
