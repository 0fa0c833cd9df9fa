import type { Request, RequestHandler, Router } from 'express'
import { z } from 'zod'
import { HubError } from '../../domain/errors.js'
import type { AccessRequest, AccessStatus } from '../../domain/gating/ports.js'
import { check, readBody, readJson } from '../../http/body.js'
import { callerOf } from '../../http/caller.js'
import { listed } from '../../http/route-list.js'
import { parseRepoPath, repoUrlPath } from '../../protocol/repo-path.js'
import { actorOf } from './branches.js'
import { intParam, linkNext } from './params.js'
import type { HfParts, HfRequest, RepoRoute } from './parts.js'
import { gatedOf, toHexId, toUserJson } from './shapes.js'

const MAX_BODY = 1024 * 1024
/** Clients before 1.0 read one page only. */
const PAGE = 10_000

const HandleBody = z.object({
  user: z.string().min(1).max(100).nullish(),
  requestId: z
    .string()
    .regex(/^0{10}[0-9a-f]{14}$/)
    .nullish(),
  status: z.enum(['pending', 'accepted', 'rejected']),
  rejectionReason: z.string().max(200).nullish(),
})
const GrantBody = z.object({ user: z.string().min(1).max(100) })

/** Access requests as those who may write to a gated repository see and decide them (huggingface-wire B9). */
export const accessRequestRoutes: readonly RepoRoute[] = [
  {
    method: 'GET',
    path: /^user-access-request\/(pending|accepted|rejected)$/,
    right: 'write',
    handle: list,
  },
  { method: 'POST', path: /^user-access-request\/handle$/, right: 'write', handle: decide },
  { method: 'POST', path: /^user-access-request\/grant$/, right: 'write', handle: grant },
]

/** The side of those who want in: below /api, and where the site's form goes (`POST /{P}{id}/ask-access`). */
export const askAccessRoutes: readonly RepoRoute[] = [
  { method: 'GET', path: /^ask-access$/, right: 'read', handle: showForm },
  { method: 'POST', path: /^ask-access$/, right: 'read', handle: ask },
]

async function list(it: HfRequest): Promise<void> {
  const { req, res, parts, opened, params } = it
  const limit = intParam(req, 'limit', { min: 1, max: PAGE }) ?? PAGE
  const afterUserId = intParam(req, 'cursor', { min: 0, max: Number.MAX_SAFE_INTEGER }) ?? 0
  const status = params[0] as AccessStatus
  const rows = await parts.accessRequests.list(opened.repo, status, {
    afterUserId,
    limit: limit + 1,
  })
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  if (rows.length > limit && last)
    res.set('Link', linkNext(parts.baseUrl(req), req, { cursor: String(last.user.id) }))
  res.json(shown.map((row) => toJson(row, parts.baseUrl(req))))
}

/** Who asked agreed to share the e-mail address with the authors; who was let in without asking did not. */
function toJson({ user, ...it }: AccessRequest, base: string) {
  const id = toHexId(user.id)
  return {
    // a user has one request with a repository, so the user's id tells them apart
    requestId: id,
    user: {
      _id: id,
      ...toUserJson(user, base),
      ...(it.askedAt !== null && user.email ? { email: user.email } : {}),
    },
    status: it.status,
    timestamp: it.askedAt ?? it.decidedAt,
    ...(it.decidedBy ? { grantedBy: { user: it.decidedBy } } : {}),
    ...(it.reason ? { rejectionReason: it.reason } : {}),
    ...(Object.keys(it.answers).length > 0 ? { fields: it.answers } : {}),
  }
}

async function decide(it: HfRequest): Promise<void> {
  const body = check(HandleBody, await readJson(it.req, MAX_BODY))
  const { status, rejectionReason } = body
  const who = body.user ?? (body.requestId ? Number.parseInt(body.requestId, 16) : undefined)
  if (who === undefined) throw new HubError('invalid_input', 'Give "user" or "requestId".')
  if (rejectionReason && status !== 'rejected')
    throw new HubError('invalid_input', '"rejectionReason" belongs to a rejection.')
  const { repo } = it.opened
  await it.parts.accessRequests.decide(repo, who, status, rejectionReason || null, actorOf(it))
  it.res.json({})
}

async function grant(it: HfRequest): Promise<void> {
  const { user } = check(GrantBody, await readJson(it.req, MAX_BODY))
  await it.parts.accessRequests.grant(it.opened.repo, user, actorOf(it))
  it.res.json({})
}

async function showForm({ res, parts, caller, opened }: HfRequest): Promise<void> {
  const { accessRequests } = parts
  const { status, reason } = await accessRequests.standing(caller, opened)
  res.json({
    gated: gatedOf(opened.repo.gate),
    status,
    ...(reason ? { rejectionReason: reason } : {}),
    form: await accessRequests.form(opened.repo),
  })
}

type AskRequest = Pick<HfRequest, 'req' | 'res' | 'parts' | 'caller' | 'opened'>

async function ask({ req, res, parts, caller, opened }: AskRequest): Promise<void> {
  const actor = { caller, dialect: 'huggingface' }
  const { status } = await parts.accessRequests.ask(opened, await readGiven(req), actor)
  // a browser that sent the page's form goes back to the page
  if (isForm(req) && req.accepts(['json', 'html']) === 'html')
    res.redirect(303, repoUrlPath(opened.repo))
  else res.json({ success: true, status })
}

/** A form's fields, or JSON: `{"fields": {…}}` or the fields themselves. */
async function readGiven(req: Request): Promise<ReadonlyMap<string, unknown>> {
  if (isForm(req)) {
    const fields = new URLSearchParams((await readBody(req, MAX_BODY)).toString('utf8'))
    return new Map(
      [...fields].map(([key, value]) => [/^fields\[(.*)\]$/s.exec(key)?.[1] ?? key, value]),
    )
  }
  const body = check(z.record(z.string(), z.unknown()), await readJson(req, MAX_BODY))
  const { fields } = body
  return new Map(Object.entries(fields && typeof fields === 'object' ? fields : body))
}

function isForm(req: Request): boolean {
  return req.is('application/x-www-form-urlencoded') !== false && req.is('json') === false
}

export function askFromSite(router: Router, parts: HfParts): void {
  const handler: RequestHandler = async (req, res, next) => {
    const target = req.method === 'POST' ? parseRepoPath(req.path) : undefined
    if (target?.rest !== 'ask-access') return next()
    const caller = callerOf(req)
    const opened = await parts.access.open(caller, target, 'read')
    if (opened.redirected) res.redirect(307, `${repoUrlPath(opened.repo)}/ask-access`)
    else await ask({ req, res, parts, caller, opened })
  }
  const routes = [{ method: 'POST', path: '/:namespace/:name/ask-access' }]
  router.use(listed(handler, routes))
}
