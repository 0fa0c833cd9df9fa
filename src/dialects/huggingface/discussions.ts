import { z } from 'zod'
import { requireProposer, requireUser } from '../../domain/access/access.js'
import type { Participant } from '../../domain/discussions/permissions.js'
import type { DiscussionFilter } from '../../domain/discussions/ports.js'
import { checkTitle } from '../../domain/discussions/texts.js'
import { HubError } from '../../domain/errors.js'
import type { Discussion } from '../../domain/types.js'
import { check, readJson } from '../../http/body.js'
import { streamJson } from '../../http/send-json.js'
import { actorOf } from './branches.js'
import { toDiscussion, toEvent } from './discussion-shapes.js'
import { boolParam, intParam, textParam } from './params.js'
import type { HfRequest, RepoRoute } from './parts.js'

export const MAX_BODY = 1024 * 1024
const PAGE = 50
const ENTRIES = 100
const CUT = '\\ The diff is longer than this and is cut here: fetch the ref to see all of it.\n'

const Body = z.object({
  title: z.string().max(10_000),
  description: z.string().max(MAX_BODY).nullish(),
  pullRequest: z.boolean().nullish(),
  /** Branch to merge into; ours. */
  base: z.string().max(500).nullish(),
})

/** Opening and reading discussions and pull requests (huggingface-wire B5). */
export const discussionRoutes: readonly RepoRoute[] = [
  { method: 'POST', path: /^discussions$/, right: 'read', handle: create },
  { method: 'GET', path: /^discussions$/, right: 'read', handle: list },
  { method: 'GET', path: /^discussions\/(\d{1,9})$/, right: 'read', handle: show },
]

/** Who may not act at all hears that before anything else of the request is looked at. */
export function participantOf(it: HfRequest): Participant {
  requireProposer(it.caller, it.opened.repo)
  return { actor: actorOf(it), right: it.opened.right }
}

async function create(it: HfRequest): Promise<void> {
  const { req, res, parts, caller, opened } = it
  const who = participantOf(it)
  requireUser(caller)
  const body = check(Body, await readJson(req, MAX_BODY))
  const title = checkTitle(body.title)
  const description = body.description ?? ''
  const base = body.base ?? undefined
  const made = body.pullRequest
    ? await parts.pulls.openEmpty(
        opened.repo,
        { title, description, base, status: 'draft' },
        actorOf(it),
      )
    : await parts.discussions.open(opened.repo, { title, description }, who)
  res.json(toDiscussion(opened.repo, made))
}

const TYPES = { all: undefined, discussion: false, pull_request: true } as const
const STATUSES = { all: undefined, open: ['open', 'draft'], closed: ['closed', 'merged'] } as const

async function list({ req, res, parts, opened }: HfRequest): Promise<void> {
  const filter: DiscussionFilter = {
    isPullRequest: TYPES[wordParam(req, 'type', TYPES)],
    statuses: STATUSES[wordParam(req, 'status', STATUSES)],
    author: textParam(req, 'author'),
  }
  const start = (intParam(req, 'p', { min: 0, max: 1_000_000 }) ?? 0) * PAGE
  const { discussions } = parts.stores
  const [rows, count, closed] = await Promise.all([
    discussions.list(opened.repo.id, filter, PAGE, start),
    discussions.count(opened.repo.id, filter),
    discussions.count(opened.repo.id, { ...filter, statuses: ['closed', 'merged'] }),
  ])
  // a page beyond the end must not promise more: clients go on while start + length < count
  res.json({
    count: rows.length === 0 ? Math.min(count, start) : count,
    start,
    numClosedDiscussions: closed,
    discussions: rows.map((it) => toDiscussion(opened.repo, it)),
  })
}

function wordParam<T extends object>(req: HfRequest['req'], name: string, words: T): keyof T {
  const word = textParam(req, name) || 'all'
  if (!Object.hasOwn(words, word))
    throw new HubError(
      'invalid_input',
      `"${name}" must be one of ${Object.keys(words).join(', ')}.`,
    )
  return word as keyof T
}

async function show({ req, res, parts, caller, opened, params }: HfRequest): Promise<void> {
  const { repo } = opened
  const it = await parts.discussions.read(repo, Number(params[0]))
  const head = {
    ...toDiscussion(repo, it),
    ...(it.isPullRequest ? await pullFacts(it) : {}),
  }
  async function* pieces(): AsyncGenerator<string> {
    yield `${JSON.stringify(head).slice(0, -1)},"events":[`
    let comma = ''
    for (let after = 0; ; ) {
      const page = await parts.stores.discussions.listEntries(repo.id, it.num, after, ENTRIES)
      for (const entry of page) {
        const edited = entry.type === 'comment' && entry.comment.edited && !entry.comment.hidden
        const versions = edited ? await parts.stores.discussions.listVersions(entry.id) : []
        yield comma + JSON.stringify(toEvent(entry, versions))
        comma = ','
      }
      const last = page.at(-1)
      if (!last || page.length < ENTRIES) break
      after = last.seq
    }
    yield ']}'
  }
  await streamJson(res, pieces())

  async function pullFacts(pull: Discussion) {
    const { paths } = await parts.pullView.conflicts(repo, pull)
    const { baseRef, mergeOid } = pull
    // a diff is content: behind a gate the discussion is read without it
    const mayDiff = boolParam(req, 'diff') && (await parts.access.mayReadContent(caller, opened))
    const diff = mayDiff ? await parts.pullView.diff(repo, pull) : undefined
    return {
      changes: { base: baseRef, ...(mergeOid ? { mergeCommitId: mergeOid } : {}) },
      // true: not mergeable, and no path tells why
      filesWithConflicts: paths ?? true,
      ...(diff
        ? { diff: diff.isCut ? diff.text + CUT : diff.text, diffIsTruncated: diff.isCut }
        : {}),
    }
  }
}
