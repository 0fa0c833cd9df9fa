import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Bench } from '../bench.js'
import { addRepositoryRows } from '../generate/repository-rows.js'
import { compare, milliseconds, samplesOf } from '../lib/compare.js'
import { type Ask, Connection, expectOk, type Reply, rate } from '../lib/connection.js'
import type { Figures, Row, Samples } from '../lib/row.js'
import type { Hub } from '../servers/hub.js'

const COMMITS = 'api-commits'
const FILES = 'api-files'
const MAIN = 'main'

/** Where growth is asked about, the grown repository takes the place of those made for one row. */
const placeOf = ({ options }: Bench, repository: string) =>
  options.grow.length > 0 ? (repository === COMMITS ? 'pushed' : MAIN) : repository

type Work = (hub: Hub, connection: Connection) => Promise<number[]>

/** Rows that have the hub alone to measure, over one keep-alive connection. */
export async function hubOnly(
  bench: Bench,
  prepare: (bench: Bench) => Promise<void>,
  work: Work,
): Promise<Figures> {
  const { hub } = bench
  if (!hub) return {}
  const samples: Samples = await samplesOf(async () => {
    await prepare(bench)
    const connection = await Connection.open(hub.url)
    try {
      return await work(hub, connection)
    } finally {
      connection.close()
    }
  })
  return { hub: samples }
}

/** `count` latencies in milliseconds after a few uncounted ones. */
export async function latencies(
  count: number,
  work: (round: number) => Promise<unknown>,
): Promise<number[]> {
  const samples: number[] = []
  for (let round = -3; round < count; round++) {
    const took = await milliseconds(() => work(round + 3))
    if (round >= 0) samples.push(took)
  }
  return samples
}

const seedHub =
  (repository: string, size?: Parameters<Bench['seeded']>[2]) => async (bench: Bench) => {
    const side = bench.sides.find(({ name }) => name === 'hub')
    if (!side) return
    const place = placeOf(bench, repository)
    await bench.seeded(side, place, place === repository ? size : undefined)
  }

const manyFiles = (bench: Bench) =>
  seedHub(FILES, {
    commits: 1,
    files: bench.full ? 100_000 : 2_000,
    filesPerCommit: 0,
    blobBytes: 64,
    refs: 0,
    seed: 2,
  })(bench)

const smallRepository = seedHub(COMMITS, {
  commits: 10,
  files: 100,
  filesPerCommit: 1,
  blobBytes: 400,
  refs: 1,
  seed: 4,
})

function commitAsk(hub: Hub, repository: string, files: ReadonlyMap<string, string>): Ask {
  const records = [
    { key: 'header', value: { summary: 'Bench commit', description: '' } },
    ...Array.from(files, ([path, text]) => ({
      key: 'file',
      value: { path, encoding: 'base64', content: Buffer.from(text).toString('base64') },
    })),
  ]
  return {
    method: 'POST',
    path: `/api/models/${hub.id(repository)}/commit/main`,
    headers: { ...hub.bearer, 'Content-Type': 'application/x-ndjson' },
    body: Buffer.from(records.map((record) => JSON.stringify(record)).join('\n')),
  }
}

export async function get(
  connection: Connection,
  hub: Hub,
  path: string,
  keep = false,
): Promise<Reply> {
  const ask = { path, headers: hub.bearer, keep }
  return expectOk(await connection.ask(ask), ask)
}

export function nextPage(reply: Reply): string | undefined {
  const href = /<([^>]+)>\s*;\s*rel="?next"?/.exec(reply.headers.get('link') ?? '')?.[1]
  if (!href) return undefined
  const url = new URL(href, 'http://hub')
  return url.pathname + url.search
}

async function wholeTree(connection: Connection, hub: Hub, repository: string): Promise<void> {
  let path: string | undefined = `/api/models/${hub.id(repository)}/tree/main?recursive=true`
  while (path) path = nextPage(await get(connection, hub, path))
}

/** The resolve and HEAD rates, with nginx sending a file of the same size beside them. */
function resolveRate(method: 'GET' | 'HEAD') {
  return async (bench: Bench): Promise<Figures> => {
    const { hub, nginx } = bench
    const how = { connections: 8, seconds: bench.full ? 3 : 0.5 }
    await writeFile(join(nginx.staticRoot, 'README.md'), '# Bench\n\nA generated repository.\n')
    const sides: Parameters<typeof compare>[0] = {
      'nginx static': () => rate(nginx.url, [{ method, path: '/static/README.md' }], how),
    }
    if (!hub) return compare(sides, bench)
    await smallRepository(bench)
    const id = hub.id(placeOf(bench, COMMITS))
    const ask = { method, path: `/${id}/resolve/main/README.md`, headers: hub.bearer }
    return compare({ ...sides, hub: () => rate(hub.url, [ask], how) }, bench)
  }
}

const filled = new WeakSet<Hub>()

/** Made by the API; more than these are rows of the database (generate/repository-rows.ts). */
const MADE_BY_API = 500

export async function manyRepositories(bench: Bench): Promise<void> {
  const { hub } = bench
  if (!hub || filled.has(hub)) return
  filled.add(hub)
  let next = 0
  const create = async () => {
    const connection = await Connection.open(hub.url)
    while (next < Math.min(MADE_BY_API, bench.options.repositories)) {
      next += 1
      const body = Buffer.from(
        JSON.stringify({ type: 'model', name: `list-${next}`, auto_init: false }),
      )
      const headers = { ...hub.bearer, 'Content-Type': 'application/json' }
      const ask = { method: 'POST', path: '/api/repos/create', headers, body }
      expectOk(await connection.ask(ask), ask)
    }
    connection.close()
  }
  await Promise.all(Array.from({ length: 4 }, create))
  addRepositoryRows(join(hub.data, 'packhorse.sqlite'), {
    like: 'list-1',
    prefix: 'list',
    first: next + 1,
    last: bench.options.repositories,
  })
}

export const apiRows: Row[] = [
  {
    name: 'api-commit-1',
    what: 'commit of one small file by the commit API, one after the other',
    unit: 'ms',
    against: {},
    limit: 12,
    run: (bench) =>
      hubOnly(bench, smallRepository, (hub, connection) =>
        latencies(bench.runs * 10, async (round) => {
          const ask = commitAsk(
            hub,
            placeOf(bench, COMMITS),
            new Map([[`notes/${round % 20}.txt`, `${Date.now()} ${round}\n`]]),
          )
          expectOk(await connection.ask(ask), ask)
        }),
      ),
  },
  {
    name: 'api-commit-many',
    what: 'one commit of 10,000 files (500 at small scale) by the commit API',
    unit: 'ms',
    against: {},
    limit: 1_500,
    run: (bench) =>
      hubOnly(bench, smallRepository, (hub, connection) =>
        latencies(bench.runs, async (round) => {
          const count = bench.full ? 10_000 : 500
          const files = Array.from({ length: count }, (_, index): [string, string] => [
            `many/${index % 100}/${index}.txt`,
            `${round} ${index} ${Date.now()}\n`,
          ])
          const ask = commitAsk(hub, placeOf(bench, COMMITS), new Map(files))
          expectOk(await connection.ask(ask), ask)
        }),
      ),
  },
  {
    name: 'api-tree-page',
    what: 'first page of the recursive tree of a 100,000-file repository (2,000 at small scale)',
    unit: 'ms',
    against: {},
    run: (bench) =>
      hubOnly(bench, manyFiles, (hub, connection) =>
        latencies(bench.runs * 4, () =>
          get(
            connection,
            hub,
            `/api/models/${hub.id(placeOf(bench, FILES))}/tree/main?recursive=true`,
          ),
        ),
      ),
  },
  {
    name: 'api-tree-all',
    what: 'the whole recursive tree of that repository, page by page',
    unit: 'ms',
    against: {},
    run: (bench) =>
      hubOnly(bench, manyFiles, (hub, connection) =>
        latencies(bench.runs, () => wholeTree(connection, hub, placeOf(bench, FILES))),
      ),
  },
  {
    name: 'api-info',
    what: 'information about one repository',
    unit: 'ms',
    against: {},
    limit: 3,
    run: (bench) =>
      hubOnly(bench, seedHub(MAIN), (hub, connection) =>
        latencies(bench.runs * 10, () => get(connection, hub, `/api/models/${hub.id(MAIN)}`)),
      ),
  },
  {
    name: 'api-list-50',
    what: 'list of 50 out of many repositories (--repositories)',
    unit: 'ms',
    against: {},
    limit: 15,
    run: (bench) =>
      hubOnly(bench, manyRepositories, (hub, connection) =>
        latencies(bench.runs * 10, () => get(connection, hub, '/api/models?limit=50')),
      ),
  },
  {
    name: 'api-resolve-rate',
    what: 'small file by resolve, 8 keep-alive connections',
    unit: 'req/s',
    against: { 'nginx static': undefined },
    run: resolveRate('GET'),
  },
  {
    name: 'api-head-rate',
    what: 'HEAD of a small file by resolve, 8 keep-alive connections',
    unit: 'req/s',
    against: { 'nginx static': undefined },
    run: resolveRate('HEAD'),
  },
]
