import { link, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Bench } from '../bench.js'
import { packOf } from '../generate/cache.js'
import { compare, type Measure, seconds } from '../lib/compare.js'
import { askOnce, expectOk } from '../lib/connection.js'
import { Pusher } from '../lib/pusher.js'
import type { Row } from '../lib/row.js'
import { type GitSide, gitPeers } from '../lib/sides.js'
import { fetchAsk, fetchPack, wantsOfClone } from '../lib/smart-http.js'
import { MB } from '../lib/stats.js'

const MAIN = 'main'
/** Side of a row: the recorded answers of the hub from memory (servers/replay.ts). */
export const FLOOR = 'floor'
const PUSHED = 'pushed'

type Measured = (side: GitSide) => Measure | Promise<Measure>

/** The same measure on every side, each with its copy of the repository. */
export async function onEverySide(
  bench: Bench,
  repository: string,
  measured: Measured,
): Promise<Record<string, Measure>> {
  const measures: Record<string, Measure> = {}
  for (const side of bench.sides) {
    await bench.seeded(side, repository)
    measures[side.name] = await measured(side)
  }
  return measures
}

/** The same with a server that takes no time beside the others, so that the table says what the client itself needs. */
export async function onEverySideAndFloor(
  bench: Bench,
  repository: string,
  measured: Measured,
): Promise<Record<string, Measure>> {
  const measures = await onEverySide(bench, repository, measured)
  const side = bench.sides[0]
  if (!side) return measures
  const { url } = await bench.replay()
  const remote = (name: string) =>
    side.remote(name).replace(new URL(side.origin).host, new URL(url).host)
  return { ...measures, [FLOOR]: await measured({ ...side, name: FLOOR, origin: url, remote }) }
}

function realClone(bench: Bench, ...flags: string[]) {
  const measured: Measured = (side) => async () => {
    const dir = await bench.folder('clone')
    const args = ['clone', '-q', '--bare', ...flags, side.remote(MAIN), join(dir, 'c.git')]
    const { seconds } = await bench.git.run(args)
    await rm(dir, { recursive: true })
    return seconds
  }
  return async () => compare(await onEverySideAndFloor(bench, MAIN, measured), bench)
}

/** Identical clones at once, the packs dropped: seconds until the last one has all its bytes, and the bytes. */
async function clonesAtOnce(side: GitSide, repository: string, count: number, depth?: number) {
  const wants = await wantsOfClone(side, repository)
  const ask = fetchAsk(side, repository, depth === undefined ? { wants } : { wants, depth })
  let bytes = 0
  const took = await seconds(async () => {
    const replies = await Promise.all(Array.from({ length: count }, () => fetchPack(side, ask)))
    bytes = replies.reduce((sum, reply) => sum + reply.bytes, 0)
  })
  return { took, bytes, megabytesPerSecond: bytes / MB / took }
}

const atOnce =
  (count: number): Measured =>
  (side) =>
  async () =>
    (await clonesAtOnce(side, MAIN, count)).megabytesPerSecond

/** The pack as a plain file, from nginx: what the machine can send at all. */
async function staticPack(bench: Bench): Promise<Measure> {
  const { path } = await packOf((await bench.source()).plain)
  await link(path, join(bench.nginx.staticRoot, 'clone.pack')).catch(() => {})
  const ask = { path: '/static/clone.pack' }
  return async () => {
    let bytes = 0
    const took = await seconds(async () => {
      bytes = expectOk(await askOnce(bench.nginx.url, ask), ask).bytes
    })
    return bytes / MB / took
  }
}

/** Pushes a commit outside the clock, so that nothing prepared for the old state fits, then measures. */
function afterPush(bench: Bench, measure: (side: GitSide) => Promise<number>): Measured {
  return async (side) => {
    const pusher = await Pusher.open(bench, side, PUSHED)
    return async () => {
      await pusher.push()
      return measure(side)
    }
  }
}

export const cloneRows: Row[] = [
  {
    name: 'clone-full-server',
    what: 'repeated full clone, the pack dropped: the server alone',
    unit: 'MB/s',
    against: { ...gitPeers, 'http-backend': 15, 'nginx static': 0.6 },
    run: async (bench) =>
      compare(
        { ...(await onEverySide(bench, MAIN, atOnce(1))), 'nginx static': await staticPack(bench) },
        bench,
      ),
  },
  {
    name: 'clone-full',
    what: 'full clone with real git into a bare directory (index-pack on the client included)',
    unit: 's',
    against: { ...gitPeers, [FLOOR]: undefined },
    run: (bench) => realClone(bench)(),
  },
  {
    name: 'clone-4-server',
    what: '4 identical full clones at once, bytes of all, packs dropped',
    unit: 'MB/s',
    against: gitPeers,
    run: async (bench) => compare(await onEverySide(bench, MAIN, atOnce(4)), bench),
  },
  {
    name: 'clone-8-cold',
    what: '8 identical full clones at once right after a push, until the last has its pack',
    unit: 's',
    against: { ...gitPeers, 'http-backend': 10 },
    run: async (bench) => {
      const measure = async (side: GitSide) => (await clonesAtOnce(side, PUSHED, 8)).took
      const sides = await onEverySide(bench, PUSHED, afterPush(bench, measure))
      return compare(sides, { runs: bench.runs, warmUp: false })
    },
  },
  {
    name: 'clone-after-push',
    what: 'first full clone after a push, the pack dropped',
    unit: 's',
    against: { ...gitPeers, 'http-backend': 3 },
    run: async (bench) => {
      const measure = async (side: GitSide) => (await clonesAtOnce(side, PUSHED, 1)).took
      const sides = await onEverySide(bench, PUSHED, afterPush(bench, measure))
      return compare(sides, { runs: bench.runs, warmUp: false })
    },
  },
  {
    name: 'clone-depth-1',
    what: 'repeated depth-1 clone with real git (one branch, as --depth does)',
    unit: 's',
    against: { ...gitPeers, 'http-backend': 5, [FLOOR]: undefined },
    run: (bench) => realClone(bench, '--depth', '1')(),
  },
  {
    name: 'clone-depth-1-all',
    what: 'repeated depth-1 clone of all branches and tags with real git (--no-single-branch)',
    unit: 's',
    against: { ...gitPeers, 'http-backend': 5, [FLOOR]: undefined },
    run: (bench) => realClone(bench, '--depth', '1', '--no-single-branch')(),
  },
  {
    name: 'clone-depth-1-server',
    what: 'repeated depth-1 fetch of all branches, the pack dropped',
    unit: 's',
    against: gitPeers,
    run: async (bench) => {
      const measured: Measured = (side) => async () => (await clonesAtOnce(side, MAIN, 1, 1)).took
      return compare(await onEverySide(bench, MAIN, measured), bench)
    },
  },
]
