import { type Request, type RequestHandler, type Response, Router } from 'express'
import type { OpenedRepo } from '../../domain/access/access.js'
import { HubError } from '../../domain/errors.js'
import type { Caller } from '../../domain/types.js'
import { callerOf } from '../../http/caller.js'
import { listed, tableOf } from '../../http/route-list.js'
import { parseRepoPath, type RepoPath, repoUrlPath } from '../../protocol/repo-path.js'
import { sendBundle } from './bundle-uri.js'
import { sendDumbFile } from './dumb.js'
import { gitErrors } from './errors.js'
import { FetchQuestions } from './fetch-questions.js'
import type { GitRequest, GitSmartParts } from './parts.js'
import { Polls } from './polls.js'
import { RefAnswers, RefQuestions } from './ref-answers.js'
import { NO_CACHE } from './request.js'
import { advertise, receivePack } from './smart.js'
import { uploadPack } from './upload-pack.js'

/** Every git route (git's own http-backend.c keeps the same kind of table). */
const ROUTES: readonly {
  readonly method: 'GET' | 'POST'
  readonly path: RegExp
  readonly right: (req: Request) => 'read' | 'write'
  readonly handle: (it: GitRequest) => Promise<void>
}[] = [
  { method: 'GET', path: /^info\/refs$/, right: rightOfService, handle: advertise },
  { method: 'POST', path: /^git-upload-pack$/, right: () => 'read', handle: uploadPack },
  { method: 'POST', path: /^git-receive-pack$/, right: () => 'write', handle: receivePack },
  { method: 'GET', path: /^bundles\/[0-9a-f]+$/, right: () => 'read', handle: sendBundle },
  { method: 'GET', path: /^(HEAD|objects\/.+)$/, right: () => 'read', handle: sendDumbFile },
]

/** The routes, and what answers polls in front of them. */
export function gitSmart(parts: GitSmartParts): { router: Router; polls: Polls } {
  const router = Router()
  const state = {
    ...parts,
    answers: new RefAnswers(),
    questions: new RefQuestions(),
    fetches: new FetchQuestions(),
  }
  const polls = new Polls(state, parts.rights)
  const handler: RequestHandler = async (req, res, next) => {
    const method = req.method === 'HEAD' ? 'GET' : req.method
    const path = parseRepoPath(req.path)
    const route = path && ROUTES.find((it) => it.path.test(path.rest))
    if (!path || !route) return next()
    noCache(res)
    if (route.method !== method) {
      const allowed = route.method === 'GET' ? 'GET, HEAD' : 'POST'
      res.status(405).set('Allow', allowed).type('text/plain').send(`Use ${allowed} here.\n`)
      return
    }
    const right = route.right(req)
    const opened = await open(parts, req, path, right)
    if (opened.redirected && method === 'GET') {
      // git follows the first redirect and uses the new address for the requests after it
      const query = req.originalUrl.includes('?')
        ? req.originalUrl.slice(req.originalUrl.indexOf('?'))
        : ''
      res.redirect(301, `${repoUrlPath(opened.repo)}.git/${path.rest}${query}`)
      return
    }
    await parts.access.requireContent(callerOf(req), opened)
    polls.decided(req, callerOf(req), opened)
    await route.handle({ req, res, opened, parts: state })
  }
  router.use(listed(handler, tableOf('/:namespace/:name.git/', ROUTES)), gitErrors)
  return { router, polls }
}

function rightOfService(req: Request): 'read' | 'write' {
  const { service } = req.query
  if (service === undefined || service === 'git-upload-pack') return 'read'
  if (service === 'git-receive-pack') return 'write'
  throw new HubError(
    'unsupported',
    service === 'git-upload-archive'
      ? 'git archive --remote does not work over HTTP: clone with --depth 1 instead.'
      : 'This service is not available.',
  )
}

async function open(
  parts: GitSmartParts,
  req: Request,
  path: RepoPath,
  right: 'read' | 'write',
): Promise<OpenedRepo> {
  const caller = callerOf(req)
  try {
    return await parts.access.open(caller, path, right)
  } catch (err) {
    if (!(err instanceof HubError && right === 'write')) throw err
    if (err.code === 'forbidden') return openForProposal(parts, caller, path, err)
    if (err.code !== 'repo_not_found') throw err
    if (!parts.createOnPush)
      throw new HubError(
        'repo_not_found',
        `Repository ${path.namespace}/${path.name} not found. Create it first (POST /api/repos/create), then push again.`,
      )
    const repo = await parts.registry.create(
      { ...path, visibility: 'private', start: 'unborn' },
      { caller, dialect: 'git' },
    )
    return parts.access.openRepo(caller, repo, right)
  }
}

/** Readers push to the pull requests that they opened; the guards in pre-receive keep them to that. */
async function openForProposal(
  parts: GitSmartParts,
  caller: Caller,
  path: RepoPath,
  refusal: HubError,
): Promise<OpenedRepo> {
  const opened = await parts.access.open(caller, path, 'read')
  const name = caller.user?.name
  if (caller.role === 'read' || caller.repoIds.length > 0 || name === undefined) throw refusal
  if (!(await parts.pulls.hasOpen(opened.repo, name))) throw refusal
  return opened
}

function noCache(res: Response): void {
  for (let at = 0; at < NO_CACHE.length; at += 2)
    res.setHeader(NO_CACHE[at] as string, NO_CACHE[at + 1] as string)
}
