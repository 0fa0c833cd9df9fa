import type { Bench } from '../bench.js'
import { compare, type Measure } from '../lib/compare.js'
import { Pusher } from '../lib/pusher.js'
import type { Figures, Row } from '../lib/row.js'
import { gitPeers } from '../lib/sides.js'
import { onEverySide } from './clone.js'

const PUSHED = 'pushed'

/** The whole repository into a new empty one: megabytes by chunked transfer, unpacked and checked by the server. */
async function initialPush(bench: Bench): Promise<Figures> {
  const { plain } = await bench.source()
  const refs = ['refs/heads/*:refs/heads/*', 'refs/tags/*:refs/tags/*']
  const sides: Record<string, Measure> = {}
  // Long: one peer is enough.
  for (const side of bench.sides.filter(({ name }) => ['hub', 'http-backend'].includes(name))) {
    let round = 0
    sides[side.name] = async () => {
      const repository = `first-${round++}`
      await side.create(repository)
      const push = ['push', '-q', side.remote(repository), ...refs]
      return (await bench.git.run(push, { cwd: plain })).seconds
    }
  }
  return compare(sides, { runs: bench.runs, warmUp: false })
}

export const pushRows: Row[] = [
  {
    name: 'push-small',
    what: 'push of a new one-file commit with real git (http-backend runs no hooks)',
    unit: 'ms',
    // At most 1.25 times its time, with hooks and metadata.
    against: { ...gitPeers, 'http-backend': 0.8 },
    run: async (bench) => {
      const sides = await onEverySide(bench, PUSHED, async (side) => {
        const pusher = await Pusher.open(bench, side, PUSHED)
        return async () => (await pusher.push()) * 1000
      })
      // Cheap and noisy: more samples than the rest.
      return compare(sides, { runs: bench.runs * 3 })
    },
  },
  {
    name: 'push-initial',
    what: 'push of the whole generated repository into an empty one, with real git',
    unit: 's',
    against: { 'http-backend': undefined },
    run: initialPush,
  },
]
