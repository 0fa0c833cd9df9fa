import type { Request, Response, Router } from 'express'
import { z } from 'zod'
import { requireUser } from '../../domain/access/access.js'
import { HubError } from '../../domain/errors.js'
import type { Namespace } from '../../domain/types.js'
import { check } from '../../http/body.js'
import { callerOf } from '../../http/caller.js'
import { decodeCursor, encodeCursor, intParam, linkNext, textParam } from './params.js'
import type { HfParts, HfRequest, RepoRoute } from './parts.js'
import { idOf } from './shapes.js'

const PAGE = 1_000
const Position = z.object({ value: z.string().max(50), seq: z.int() }).optional()

/** GET …/lfs-files: the LFS objects of a repository, for those who look after its storage (`list_lfs_files`). */
export const storageRoutes: readonly RepoRoute[] = [
  { method: 'GET', path: /^lfs-files$/, right: 'write', handle: listLfsFiles },
]

async function listLfsFiles({ req, res, parts, opened }: HfRequest): Promise<void> {
  const limit = intParam(req, 'limit', { min: 1, max: PAGE }) ?? PAGE
  const after = textParam(req, 'cursor') ?? ''
  const { repo } = opened
  const rows = await parts.stores.lfs.listFiles(repo.id, after, limit + 1)
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  if (last && rows.length > limit)
    res.set('Link', linkNext(parts.baseUrl(req), req, { cursor: last.oid }))
  res.json(
    page.map(({ oid, size, path, linkedAt }) => ({
      fileOid: oid,
      oid,
      // other branches may name it otherwise; where the default branch does not have it, there is no name to tell
      filename: path ?? '',
      ref: path === null ? null : `refs/heads/${repo.defaultBranch}`,
      size,
      pushedAt: linkedAt,
    })),
  )
}

/** Repositories with their storage, of the caller or of an organisation it belongs to (`list_user_repos`). */
export function storageSiteRoutes(router: Router, parts: HfParts): void {
  router.get('/api/settings/repositories', async (req, res) => {
    const user = requireUser(callerOf(req))
    await listStorage(parts, req, res, await parts.stores.accounts.findNamespace(user.name))
  })
  router.get('/api/organizations/:org/settings/repositories', async (req, res) => {
    requireUser(callerOf(req))
    const namespace = await parts.stores.accounts.findNamespace(req.params.org)
    await listStorage(parts, req, res, namespace)
  })
}

async function listStorage(
  parts: HfParts,
  req: Request,
  res: Response,
  namespace: Namespace | undefined,
): Promise<void> {
  const caller = callerOf(req)
  if (!namespace) throw new HubError('account_not_found', 'This organization does not exist')
  if (parts.access.namespaceRight(caller, namespace) === undefined)
    throw new HubError('forbidden', 'This is told to members only.')
  const limit = intParam(req, 'limit', { min: 1, max: PAGE }) ?? PAGE
  const after = check(Position, decodeCursor(textParam(req, 'cursor')))
  const visibleTo = parts.access.visibleTo(caller)
  const rows = await parts.stores.repos.list({
    namespaceId: namespace.id,
    sort: 'createdAt',
    order: 'desc',
    limit: limit + 1,
    ...(after ? { after } : {}),
    ...(visibleTo ? { visibleTo } : {}),
  })
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  if (last && rows.length > limit) {
    const cursor = encodeCursor({ value: last.createdAt, seq: last.seq })
    res.set('Link', linkNext(parts.baseUrl(req), req, { cursor }))
  }
  const all = await parts.stores.quotas.nominal(namespace.id)
  res.json(
    page.map((repo) => {
      const storage = repo.gitBytes + repo.lfsBytes
      return {
        id: idOf(repo),
        type: repo.kind,
        updatedAt: repo.updatedAt,
        visibility: repo.visibility,
        storage,
        storagePercent: all === 0 ? 0 : (100 * storage) / all,
      }
    }),
  )
}
