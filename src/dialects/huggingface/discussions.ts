import { z } from 'zod'
import { requireProposer, requireUser } from '../../domain/access/access.js'
import type { DiscussionFilter } from '../../domain/discussions/ports.js'
import { HubError } from '../../domain/errors.js'
import type { Discussion, Repo } from '../../domain/types.js'
import { check, readJson } from '../../http/body.js'
import { actorOf } from './branches.js'
import { intParam, textParam } from './params.js'
import type { HfRequest, RepoRoute } from './parts.js'
import { idOf } from './shapes.js'

const MAX_BODY = 1024 * 1024
const PAGE = 50

const Body = z.object({
  title: z.string().trim().min(1).max(1_000),
  description: z.string().max(500_000).nullish(),
  pullRequest: z.boolean().nullish(),
  base: z.string().nullish(),
})

/** What pull requests need (huggingface-wire B5): open, read, list. */
export const discussionRoutes: readonly RepoRoute[] = [
  { method: 'POST', path: /^discussions$/, right: 'read', handle: create },
  { method: 'GET', path: /^discussions$/, right: 'read', handle: list },
  { method: 'GET', path: /^discussions\/(\d{1,9})$/, right: 'read', handle: show },
]

async function create(it: HfRequest): Promise<void> {
  const { req, res, parts, caller, opened } = it
  requireProposer(caller, opened.repo)
  const author = requireUser(caller)
  const body = check(Body, await readJson(req, MAX_BODY))
  const order = {
    title: body.title,
    description: body.description ?? '',
    base: body.base ?? undefined,
  }
  const made = body.pullRequest
    ? await parts.pulls.openEmpty(opened.repo, { ...order, status: 'draft' }, actorOf(it))
    : await parts.stores.discussions.create({
        repoId: opened.repo.id,
        title: order.title,
        description: order.description,
        isPullRequest: false,
        status: 'open',
        authorId: author.id,
        baseRef: null,
      })
  res.json(toDiscussion(opened.repo, made))
}

async function list({ req, res, parts, opened }: HfRequest): Promise<void> {
  const type = textParam(req, 'type')
  const status = textParam(req, 'status')
  const filter: DiscussionFilter = {
    isPullRequest: type === 'pull_request' ? true : type === 'discussion' ? false : undefined,
    statuses:
      status === 'open'
        ? ['open', 'draft']
        : status === 'closed'
          ? ['closed', 'merged']
          : undefined,
    author: textParam(req, 'author'),
  }
  const start = (intParam(req, 'p', { min: 0, max: 1_000_000 }) ?? 0) * PAGE
  const { discussions } = parts.stores
  const [rows, count] = await Promise.all([
    discussions.list(opened.repo.id, filter, PAGE, start),
    discussions.count(opened.repo.id, filter),
  ])
  // a page beyond the end must not promise more: clients go on while start + length < count
  res.json({
    count: rows.length === 0 ? Math.min(count, start) : count,
    start,
    discussions: rows.map((it) => toDiscussion(opened.repo, it)),
  })
}

async function show({ res, parts, opened, params }: HfRequest): Promise<void> {
  const { repo } = opened
  const it = await parts.stores.discussions.find(repo.id, Number(params[0]))
  if (!it) throw new HubError('not_found', `There is no discussion ${params[0]}.`)
  const author = authorOf(it)
  const comment = {
    id: Buffer.from(`${repo.id} ${it.num}`).toString('hex'),
    type: 'comment',
    createdAt: it.createdAt,
    ...author,
    data: {
      edited: false,
      hidden: false,
      latest: { raw: it.description, html: '', updatedAt: it.createdAt, ...author },
      history: [],
    },
  }
  res.json({
    ...toDiscussion(repo, it),
    events: [comment],
    ...(it.isPullRequest
      ? { changes: { base: it.baseRef }, filesWithConflicts: [], diff: '' }
      : {}),
  })
}

function toDiscussion(repo: Repo, it: Discussion) {
  return {
    num: it.num,
    title: it.title,
    ...authorOf(it),
    createdAt: it.createdAt,
    status: it.status,
    repo: { name: idOf(repo), type: repo.kind },
    isPullRequest: it.isPullRequest,
    numComments: 1,
    pinned: false,
  }
}

/** The key stays away when the account is gone: clients fall over `null` (huggingface-wire 0.1, rule 9). */
function authorOf(it: Discussion): { author?: { name: string; type: 'user' } } {
  return it.authorName === null ? {} : { author: { name: it.authorName, type: 'user' } }
}
