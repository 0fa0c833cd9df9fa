import { compare } from '../lib/compare.js'
import { Pusher } from '../lib/pusher.js'
import type { Row } from '../lib/row.js'
import { onEverySide } from './clone.js'

const PUSHED = 'pushed'

export const pushRows: Row[] = [
  {
    name: 'push-small',
    what: 'push of a new one-file commit with real git (http-backend runs no hooks)',
    unit: 'ms',
    // At most 1.25 times its time, with hooks and metadata.
    against: { 'http-backend': 0.8, 'http-backend+bitmaps': undefined, apache: undefined },
    run: async (bench) => {
      const sides = await onEverySide(bench, PUSHED, async (side) => {
        const pusher = await Pusher.open(bench, side, PUSHED)
        return async () => (await pusher.push()) * 1000
      })
      // Cheap and noisy: more samples than the rest.
      return compare(sides, { runs: bench.runs * 3 })
    },
  },
]
