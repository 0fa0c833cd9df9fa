import { join } from 'node:path'
import type { Bench } from '../bench.js'
import { compare, type Measure } from '../lib/compare.js'
import { rate } from '../lib/connection.js'
import type { Row } from '../lib/row.js'
import { type GitSide, gitPeers } from '../lib/sides.js'
import { advertisementAsk, lsRefsAsk } from '../lib/smart-http.js'
import { FLOOR, onEverySide, onEverySideAndFloor } from './clone.js'

const MAIN = 'main'
const CONNECTIONS = 8

/** One round is what git sends: GET info/refs, then POST ls-refs on the same connection. */
function polling(bench: Bench, prefixes: readonly string[]) {
  return (side: GitSide): Measure =>
    async () =>
      rate(side.origin, [advertisementAsk(side, MAIN), lsRefsAsk(side, MAIN, prefixes)], {
        connections: CONNECTIONS,
        seconds: bench.full ? 3 : 0.5,
      })
}

function noOpFetch(bench: Bench) {
  return async (side: GitSide): Promise<Measure> => {
    const dir = join(await bench.folder('fetch'), 'up-to-date.git')
    await bench.git.run(['clone', '-q', '--mirror', '--local', (await bench.source()).plain, dir])
    const fetch = ['fetch', '-q', side.remote(MAIN), '+refs/heads/*:refs/heads/*']
    return async () => (await bench.git.run(fetch, { cwd: dir })).seconds * 1000
  }
}

export const refRows: Row[] = [
  {
    name: 'ls-remote-rate',
    what: 'ls-remote (v2 info/refs + ls-refs) over 8 keep-alive connections',
    unit: 'req/s',
    against: { ...gitPeers, 'http-backend': 15 },
    run: async (bench) => compare(await onEverySide(bench, MAIN, polling(bench, [])), bench),
  },
  {
    name: 'fetch-noop-rate',
    what: 'fetch that finds nothing new (info/refs + ls-refs of branches and tags), 8 connections',
    unit: 'req/s',
    against: { ...gitPeers, 'http-backend': 15 },
    run: async (bench) =>
      compare(await onEverySide(bench, MAIN, polling(bench, ['refs/heads/', 'refs/tags/'])), bench),
  },
  {
    name: 'fetch-noop',
    what: 'fetch that finds nothing new, with real git',
    unit: 'ms',
    against: { ...gitPeers, [FLOOR]: undefined },
    run: async (bench) => compare(await onEverySideAndFloor(bench, MAIN, noOpFetch(bench)), bench),
  },
]
