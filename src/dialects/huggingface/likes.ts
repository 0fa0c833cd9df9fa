import type { Request, Response, Router } from 'express'
import { requireProposer, requireUser } from '../../domain/access/access.js'
import { HubError } from '../../domain/errors.js'
import { callerOf } from '../../http/caller.js'
import { intParam, linkNext } from './params.js'
import type { HfParts, HfRequest, RepoRoute } from './parts.js'
import { idOf, toUserJson } from './shapes.js'

const PAGE = 500

/** Likes (huggingface-wire B3); liking twice is no error, KohakuHub's count is in the answer. */
export const likeRoutes: readonly RepoRoute[] = [
  { method: 'POST', path: /^like$/, right: 'read', handle: (it) => setLike(it, true) },
  { method: 'DELETE', path: /^like$/, right: 'read', handle: (it) => setLike(it, false) },
  { method: 'GET', path: /^like$/, right: 'read', handle: showLike },
  { method: 'GET', path: /^likers$/, right: 'read', handle: listLikers },
]

async function setLike(it: HfRequest, liked: boolean): Promise<void> {
  const { res, parts, caller, opened } = it
  requireProposer(caller, opened.repo)
  const user = requireUser(caller)
  const { repos } = parts.stores
  if (liked) await repos.addLike(opened.repo.id, user.id)
  else await repos.removeLike(opened.repo.id, user.id)
  const after = await repos.findById(opened.repo.id)
  res.json({ success: true, liked, likes_count: after?.likes ?? 0 })
}

async function showLike({ res, parts, caller, opened }: HfRequest): Promise<void> {
  const liked = caller.user
    ? await parts.stores.repos.hasLike(opened.repo.id, caller.user.id)
    : false
  res.json({ liked, likes_count: opened.repo.likes })
}

async function listLikers({ req, res, parts, opened }: HfRequest): Promise<void> {
  const { limit, offset } = pageOf(req)
  const rows = await parts.stores.repos.listLikers(opened.repo.id, limit + 1, offset)
  if (rows.length > limit) setNext(req, res, parts, offset + limit)
  res.json(
    rows.slice(0, limit).map(({ user, at }) => ({
      ...toUserJson(user, parts.baseUrl(req)),
      likedAt: at,
    })),
  )
}

/** What a user liked and the caller may see. */
export function likedRoutes(router: Router, parts: HfParts): void {
  router.get('/api/users/:user/likes', async (req, res) => {
    const caller = callerOf(req)
    const user = await parts.stores.accounts.findUser(req.params.user)
    if (!user) throw new HubError('account_not_found', 'This user does not exist')
    const { limit, offset } = pageOf(req)
    const rows = await parts.stores.repos.listLikes(user.id, limit + 1, offset)
    if (rows.length > limit) setNext(req, res, parts, offset + limit)
    const visible = await Promise.all(
      rows.slice(0, limit).map(async ({ repo, at }) => {
        const right = await parts.access.rightOn(caller, repo)
        return right && { createdAt: at, repo: { name: idOf(repo), type: repo.kind } }
      }),
    )
    res.json(visible.filter((it) => it !== undefined))
  })
}

function pageOf(req: Request): { limit: number; offset: number } {
  return {
    limit: intParam(req, 'limit', { min: 1, max: PAGE }) ?? PAGE,
    offset: intParam(req, 'cursor', { min: 0, max: Number.MAX_SAFE_INTEGER }) ?? 0,
  }
}

function setNext(req: Request, res: Response, parts: HfParts, cursor: number): void {
  res.set('Link', linkNext(parts.baseUrl(req), req, { cursor: String(cursor) }))
}
