import type { Request, Response, Router } from 'express'
import { z } from 'zod'
import { requireSiteAdmin } from '../../domain/access/access.js'
import { HubError } from '../../domain/errors.js'
import type { DailyQuery, Paper } from '../../domain/papers/ports.js'
import type { Repo } from '../../domain/types.js'
import { REPO_KINDS } from '../../domain/types.js'
import { check, readJson } from '../../http/body.js'
import { callerOf } from '../../http/caller.js'
import { decode } from './decode.js'
import { intParam, textParam } from './params.js'
import type { HfParts } from './parts.js'
import { hexId, idOf, lastModifiedOf } from './shapes.js'

const MAX_BODY = 1024 * 1024
const DEFAULT_LIMIT = 120
const MAX_LIMIT = 500
const DAY_MS = 24 * 3600 * 1000

const Time = z.iso
  .datetime({ offset: true })
  .or(z.iso.date())
  .nullish()
  .transform((it) => (it ? new Date(it).toISOString() : null))

const Body = z.object({
  title: z.string().trim().max(1_000).nullish(),
  summary: z.string().max(20_000).nullish(),
  authors: z
    .array(
      z.object({
        name: z.string().trim().min(1).max(200),
        user: z.string().max(100).optional(),
        hidden: z.boolean().optional(),
      }),
    )
    .max(5_000)
    .default([]),
  publishedAt: Time,
  source: z.string().max(200).nullish(),
  submittedOnDailyAt: Time,
  submittedOnDailyBy: z.string().max(100).nullish(),
})

/** Papers (huggingface-wire B11), and the endpoints of ours by which an administrator describes them. */
export function paperRoutes(router: Router, parts: HfParts): void {
  router.get('/api/papers/search', async (req, res) => {
    const limit = intParam(req, 'limit', { min: 1, max: MAX_LIMIT }) ?? DEFAULT_LIMIT
    const found = await parts.papers.search(
      callerOf(req),
      textParam(req, 'q')?.trim() || undefined,
      limit,
    )
    res.json(found.map((it) => wrapped(it, parts.baseUrl(req))))
  })
  router.get('/api/daily_papers', async (req, res) => {
    callerOf(req) // open to all, but wrong credentials are told to be wrong
    const found = await parts.papers.daily(readDaily(req))
    res.json(found.map((it) => wrapped(it, parts.baseUrl(req))))
  })
  // ids from before 2007 have a slash in them
  router.get('/api/papers/*id', async (req, res) => {
    const caller = callerOf(req)
    const paper = await parts.papers.read(caller, idIn(req))
    res.json({
      ...toJson(paper, parts.baseUrl(req)),
      ...linkedFields(await parts.papers.linked(caller, paper.id)),
    })
  })
  router.get('/api/arxiv/*id/repos', async (req, res) => {
    const caller = callerOf(req)
    const { id } = await parts.papers.read(caller, idIn(req))
    const repos = await parts.papers.linked(caller, id)
    res.json(
      Object.fromEntries(
        REPO_KINDS.map((kind) => [`${kind}s`, repos.filter((it) => it.kind === kind).map(toRepo)]),
      ),
    )
  })
  router.get('/papers/*id', async (req, res, next) => {
    const [, id] = /^(.+)\.md$/.exec(idIn(req)) ?? []
    if (id === undefined) return next()
    const paper = await parts.papers.read(callerOf(req), id)
    res.type('text/markdown').set('X-Content-Type-Options', 'nosniff').send(toMarkdown(paper))
  })
  router.put('/api/admin/papers/*id', (req, res) => describe(parts, req, res))
  router.delete('/api/admin/papers/*id', async (req, res) => {
    await parts.papers.forget(idIn(req), { caller: callerOf(req), dialect: 'huggingface' })
    res.json({ success: true })
  })
}

async function describe(parts: HfParts, req: Request, res: Response): Promise<void> {
  const caller = callerOf(req)
  // who may not, learns nothing from how the body is judged
  requireSiteAdmin(caller)
  const body = check(Body, await readJson(req, MAX_BODY))
  const { accounts } = parts.stores
  for (const name of [body.submittedOnDailyBy, ...body.authors.map((it) => it.user)])
    if (name && !(await accounts.findUser(name)))
      throw new HubError('account_not_found', `There is no user "${name}".`)
  const paper: Paper = {
    id: idIn(req),
    title: body.title || null,
    summary: body.summary || null,
    authors: body.authors,
    publishedAt: body.publishedAt,
    source: body.source || null,
    submittedOnDailyAt: body.submittedOnDailyAt,
    submittedOnDailyBy: body.submittedOnDailyBy || null,
  }
  await parts.papers.describe(paper, { caller, dialect: 'huggingface' })
  res.json(toJson(paper, parts.baseUrl(req)))
}

function idIn(req: Request): string {
  const { id } = req.params as { id?: string | string[] }
  return decode([id ?? ''].flat().join('/'))
}

function toJson(it: Paper, base: string) {
  const by = it.submittedOnDailyBy
  return {
    id: it.id,
    title: it.title ?? `arXiv:${it.id}`,
    ...(it.summary === null ? {} : { summary: it.summary }),
    authors: it.authors.map((author) => ({
      name: author.name,
      hidden: author.hidden ?? false,
      ...(author.user ? { user: toUser(author.user, base), status: 'claimed_verified' } : {}),
    })),
    ...(it.publishedAt ? { publishedAt: it.publishedAt } : {}),
    source: it.source ?? 'arxiv',
    upvotes: 0,
    numComments: 0,
    ...(it.submittedOnDailyAt ? { submittedOnDailyAt: it.submittedOnDailyAt } : {}),
    ...(by ? { submittedOnDailyBy: toUser(by, base) } : {}),
  }
}

/** The page of a paper: what is known of it, not its text. */
function toMarkdown(it: Paper): string {
  const authors = it.authors.filter((author) => !author.hidden).map((author) => author.name)
  return [
    `# ${it.title ?? `arXiv:${it.id}`}`,
    ...(authors.length > 0 ? [authors.join(', ')] : []),
    ...(it.publishedAt ? [`Published on ${it.publishedAt.slice(0, 10)}`] : []),
    ...(it.summary ? ['## Abstract', it.summary] : []),
    `arXiv: ${it.id}`,
    '',
  ].join('\n\n')
}

/** Lists have the paper in an object around it. */
function wrapped(paper: Paper, base: string) {
  const { title, summary, publishedAt, numComments, source, ...rest } = toJson(paper, base)
  return {
    paper: { ...rest, title, summary, publishedAt },
    title,
    summary,
    source,
    numComments,
    ...(paper.submittedOnDailyAt ? { submittedOnDailyAt: paper.submittedOnDailyAt } : {}),
    ...(rest.submittedOnDailyBy ? { submittedBy: rest.submittedOnDailyBy } : {}),
  }
}

function toUser(name: string, base: string) {
  return { user: name, fullname: name, avatarUrl: `${base}/api/users/${name}/avatar`, type: 'user' }
}

function linkedFields(repos: readonly Repo[]) {
  const of = (kind: Repo['kind']) => repos.filter((it) => it.kind === kind).map(toRepo)
  const [models, datasets, spaces] = [of('model'), of('dataset'), of('space')]
  return {
    linkedModels: models,
    numTotalModels: models.length,
    linkedDatasets: datasets,
    numTotalDatasets: datasets.length,
    linkedSpaces: spaces,
  }
}

function toRepo(repo: Repo) {
  return {
    _id: hexId(repo),
    id: idOf(repo),
    author: repo.namespace,
    private: repo.visibility !== 'public',
    downloads: repo.downloads,
    likes: repo.likes,
    lastModified: lastModifiedOf(repo),
  }
}

/** `date`, `week` (ISO) or `month`, and `submitter`; without any of them the newest. */
function readDaily(req: Request): DailyQuery {
  const limit = intParam(req, 'limit', { min: 1, max: 100 }) ?? 50
  const sort = textParam(req, 'sort') || 'publishedAt'
  if (sort !== 'publishedAt' && sort !== 'trending')
    throw new HubError('invalid_input', '"sort" must be publishedAt or trending.')
  return {
    ...readSpan(req),
    submitter: textParam(req, 'submitter'),
    sort: sort === 'publishedAt' ? 'publishedAt' : 'submitted',
    limit,
    offset: (intParam(req, 'p', { min: 0, max: 100_000 }) ?? 0) * limit,
  }
}

function readSpan(req: Request): { from?: string; until?: string } {
  const [date, week, month] = ['date', 'week', 'month'].map((it) => textParam(req, it))
  const wrong = new HubError(
    'invalid_input',
    'Give "date" as YYYY-MM-DD, "week" as YYYY-Www, "month" as YYYY-MM.',
  )
  const span = (start: number, end: number) => {
    if (Number.isNaN(start) || Number.isNaN(end)) throw wrong
    return { from: new Date(start).toISOString(), until: new Date(end).toISOString() }
  }
  if (date) {
    if (!/^\d{4}-\d\d-\d\d$/.test(date)) throw wrong
    return span(Date.parse(date), Date.parse(date) + DAY_MS)
  }
  if (week) {
    const [, year, number] = /^(\d{4})-W(\d\d)$/.exec(week) ?? []
    if (!year || Number(number) < 1 || Number(number) > 53) throw wrong
    // the week of 4 January is the first one (ISO 8601)
    const fourth = new Date(`${year}-01-04T00:00:00Z`)
    const monday = fourth.getTime() - ((fourth.getUTCDay() + 6) % 7) * DAY_MS
    const start = monday + (Number(number) - 1) * 7 * DAY_MS
    return span(start, start + 7 * DAY_MS)
  }
  if (month) {
    const [, year, number] = /^(\d{4})-(\d\d)$/.exec(month) ?? []
    if (!year || Number(number) < 1 || Number(number) > 12) throw wrong
    return span(Date.UTC(Number(year), Number(number) - 1), Date.UTC(Number(year), Number(number)))
  }
  return {}
}
