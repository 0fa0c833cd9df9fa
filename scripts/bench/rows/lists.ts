import type { Bench } from '../bench.js'
import type { Connection } from '../lib/connection.js'
import type { Figures, Row } from '../lib/row.js'
import type { Hub } from '../servers/hub.js'
import { get, hubOnly, latencies, manyRepositories, nextPage } from './api.js'

/** What the two administrators' dialects are asked for all the time, with as many repositories as `--repositories` says. */
const PER_PAGE = 20

type Path = (page: number) => string

/** First pages and deep ones in turn. */
async function pages(bench: Bench, pathOf: (hub: Hub, connection: Connection) => Promise<Path>) {
  const last = Math.max(1, Math.floor(bench.options.repositories / PER_PAGE))
  return hubOnly(bench, manyRepositories, async (hub, connection) => {
    const path = await pathOf(hub, connection)
    const asked = [1, 2, Math.ceil(last / 2), last]
    return latencies(bench.runs * 10, (round) =>
      get(connection, hub, path(asked[round % asked.length] ?? 1), true),
    )
  })
}

const ownerOf = (hub: Hub) => hub.id('').replace('/', '')

/** Every repository is on the repository `main` of its owner's personal platform. */
async function projectsPath(hub: Hub, connection: Connection): Promise<Path> {
  const reply = await get(connection, hub, `/api/v1/platforms/${ownerOf(hub)}_personal.json`, true)
  const { platform } = JSON.parse(reply.body.toString())
  const { id } = platform.repositories[0]
  return (page) => `/api/v1/repositories/${id}/projects.json?page=${page}&per_page=${PER_PAGE}`
}

async function search(bench: Bench, path: (text: string) => string): Promise<Figures> {
  return hubOnly(bench, manyRepositories, (hub, connection) =>
    latencies(bench.runs * 10, (round) =>
      // some find one repository, some many, some none
      get(connection, hub, path(['list-77', 'list', `list-${round}7`, 'nothing'][round % 4] ?? '')),
    ),
  )
}

/** Each order, and what one owner has: the first page and the one after it in turn. */
async function sortedPages(bench: Bench): Promise<Figures> {
  return hubOnly(bench, manyRepositories, async (hub, connection) => {
    const asked = [
      ...['lastModified', 'createdAt', 'likes', 'downloads', 'trendingScore'].map(
        (it) => `sort=${it}`,
      ),
      `author=${ownerOf(hub)}`,
    ].map((it) => `/api/models?${it}&limit=50`)
    const paths: string[] = []
    for (const path of asked) paths.push(path, nextPage(await get(connection, hub, path)) ?? path)
    return latencies(bench.runs * 10, (round) =>
      get(connection, hub, paths[round % paths.length] ?? ''),
    )
  })
}

const row = (name: string, what: string, limit: number, run: Row['run']): Row => ({
  name,
  what,
  unit: 'ms',
  against: {},
  limit,
  run,
})

export const listRows: Row[] = [
  row(
    'list-hf',
    'Hugging Face lists of 50 in every order, first and second pages',
    15,
    sortedPages,
  ),
  row('list-outpost', 'pages of 20 of an Outpost namespace with many repositories', 15, (bench) =>
    pages(
      bench,
      async (hub) => (page) =>
        `/auth/v1/${ownerOf(hub)}/repositories?sort=name&order=asc&per_page=${PER_PAGE}&page=${page}`,
    ),
  ),
  row('list-abf', 'pages of 20 projects of an ABF repository with many', 15, (bench) =>
    pages(bench, projectsPath),
  ),
  row('search-abf', 'ABF search for projects among many', 50, (bench) =>
    search(bench, (text) => `/api/v1/search.json?type=projects&query=${text}&per_page=20`),
  ),
  row('search-hf', 'Hugging Face search for models among many', 50, (bench) =>
    search(bench, (text) => `/api/models?search=${text}&limit=20`),
  ),
]
