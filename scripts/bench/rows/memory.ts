import type { Bench } from '../bench.js'
import { describeNoise, noiseStream } from '../generate/lfs-file.js'
import { downloadLfs, uploadLfs } from '../lib/lfs-client.js'
import type { Figures, Row } from '../lib/row.js'
import { fetchAsk, fetchPack, wantsOfClone } from '../lib/smart-http.js'
import { MB } from '../lib/stats.js'

const MAIN = 'main'
const CLONES = 4

/** A large object goes up and then down while clones go on, over and over, as long as that takes. */
async function load(bench: Bench): Promise<Figures> {
  const { hub } = bench
  const side = bench.sides.find(({ name }) => name === 'hub')
  if (!hub || !side) return {}
  await bench.seeded(side, MAIN)
  const seed = Date.now()
  const object = describeNoise(bench.full ? 5_000 * MB : 256 * MB, seed)
  const ask = fetchAsk(side, MAIN, { wants: await wantsOfClone(side, MAIN) })
  hub.memory.take()
  let busy = true
  const objects = async () => {
    try {
      await uploadLfs(hub.lfs(MAIN), object, noiseStream(object.size, seed))
      await downloadLfs(hub.lfs(MAIN), object)
    } finally {
      busy = false
    }
  }
  const clones = async () => {
    do await fetchPack(side, ask)
    while (busy)
  }
  await Promise.all([objects(), ...Array.from({ length: CLONES }, clones)])
  const peak = hub.memory.take()
  return { hub: [peak.hubMB], 'its git processes': [peak.childrenMB] }
}

export const memoryRows: Row[] = [
  {
    name: 'memory',
    what: 'peak RSS of the hub while a 5 GB object (256 MB at small scale) goes up and down beside 4 clones',
    unit: 'MB',
    against: {},
    limit: 350,
    run: load,
  },
]
