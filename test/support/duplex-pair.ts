import { Duplex } from 'node:stream'

/** Two ends of a pipe in memory: what is written to one is read from the other. */
export function duplexPair(): { here: Duplex; there: Duplex } {
  const ends: Duplex[] = []
  for (const other of [1, 0])
    ends.push(
      new Duplex({
        read() {},
        write(chunk, _encoding, done) {
          ends[other]?.push(chunk)
          done()
        },
        final(done) {
          ends[other]?.push(null)
          done()
        },
      }),
    )
  const [here, there] = ends as [Duplex, Duplex]
  return { here, there }
}
