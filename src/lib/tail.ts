import type { Readable } from 'node:stream'

/** Keeps the last `maxBytes` of a stream; call the result for the text so far. */
export function tail(stream: Readable, maxBytes: number): () => string {
  let kept = Buffer.alloc(0)
  stream.on('data', (chunk: Buffer) => {
    kept = Buffer.concat([kept, chunk])
    if (kept.length > maxBytes) kept = kept.subarray(kept.length - maxBytes)
  })
  stream.on('error', () => undefined)
  return () => kept.toString('utf8')
}
