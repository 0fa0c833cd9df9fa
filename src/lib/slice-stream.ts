import { Readable } from 'node:stream'

/** Bytes `first` to `last` (inclusive) of a stream; the source is ended as soon as they have passed. */
export function sliceStream(source: Readable, range: { first: number; last: number }): Readable {
  async function* slice() {
    let at = 0
    for await (const chunk of source as AsyncIterable<Buffer>) {
      const from = Math.max(range.first - at, 0)
      const to = Math.min(range.last + 1 - at, chunk.length)
      if (from < to) yield chunk.subarray(from, to)
      at += chunk.length
      if (at > range.last) break // leaving the loop destroys the source
    }
  }
  return Readable.from(slice(), { objectMode: false })
}
