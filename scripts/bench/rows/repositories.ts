import type { Bench } from '../bench.js'
import { milliseconds, samplesOf } from '../lib/compare.js'
import type { Figures, Row } from '../lib/row.js'
import type { Hub } from '../servers/hub.js'

const TYPE = 'model'

async function move(hub: Hub, from: string, to: string): Promise<void> {
  await hub.post('/api/repos/move', { fromRepo: hub.id(from), toRepo: hub.id(to), type: TYPE })
}

/** There and back, so that the repository ends under the name it began with. */
async function moves(bench: Bench): Promise<Figures> {
  const { hub } = bench
  const side = bench.sides.find(({ name }) => name === 'hub')
  if (!hub || !side) return {}
  await bench.seeded(side, 'moved')
  const samples = await samplesOf(async () => {
    const found: number[] = []
    for (let round = 0; round < bench.runs * 2; round++) {
      const names: [string, string] =
        round % 2 === 0 ? ['moved', 'moved-away'] : ['moved-away', 'moved']
      found.push(await milliseconds(() => move(hub, ...names)))
    }
    return found
  })
  return { hub: samples }
}

async function squashes(bench: Bench): Promise<Figures> {
  const { hub } = bench
  const side = bench.sides.find(({ name }) => name === 'hub')
  if (!hub || !side) return {}
  const samples = await samplesOf(async () => {
    const found: number[] = []
    for (let round = 0; round < bench.runs; round++) {
      const repository = `squashed-${round}`
      await bench.seeded(side, repository)
      found.push(
        await milliseconds(() =>
          hub.post('/api/repos/squash', { repo: hub.id(repository), type: TYPE }),
        ),
      )
    }
    return found
  })
  return { hub: samples }
}

export const repositoryRows: Row[] = [
  {
    name: 'move',
    what: 'move of the generated repository, until the answer',
    unit: 'ms',
    against: {},
    limit: 10,
    run: moves,
  },
  {
    name: 'squash',
    what: 'squash of the generated repository, until the answer',
    unit: 'ms',
    against: {},
    limit: 300,
    run: squashes,
  },
]
