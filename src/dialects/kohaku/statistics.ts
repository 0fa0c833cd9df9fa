import { type KohakuRequest, type KohakuRoute, openRepo } from './parts.js'
import { dayOf } from './repo-lists.js'
import { intQuery } from './shapes.js'

const REPO = '/api/:type/:namespace/:name'

export const statisticsRoutes: readonly KohakuRoute[] = [
  { method: 'get', path: `${REPO}/stats`, handle: showStats },
  { method: 'get', path: `${REPO}/stats/recent`, handle: showRecent },
]

async function showStats(it: KohakuRequest): Promise<void> {
  const opened = await openRepo(it, 'read')
  if (!opened) return
  const { downloads, likes } = opened.repo
  it.res.json({ downloads, likes })
}

/** Download sessions of each day that had any. */
async function showRecent(it: KohakuRequest): Promise<void> {
  const opened = await openRepo(it, 'read')
  if (!opened) return
  const days = intQuery(it, 'days', { min: 1, max: 365, default: 30 })
  const start = dayOf(days - 1)
  const rows = await it.parts.stores.repos.downloadsByDay(opened.repo.id, start)
  it.res.json({
    stats: rows.map(({ day, sessions, authenticated, files }) => ({
      date: day,
      downloads: sessions,
      authenticated,
      anonymous: sessions - authenticated,
      files,
    })),
    period: { start, end: dayOf(0), days },
  })
}
