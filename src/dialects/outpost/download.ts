import { Router } from 'express'
import { HubError } from '../../domain/errors.js'
import { abortSignalOf } from '../../http/body.js'
import { actAs } from '../../http/caller.js'
import { sendBytes } from '../../http/send-bytes.js'
import { sliceStream } from '../../lib/slice-stream.js'
import type { OutpostParts, RepoRequest } from './parts.js'

const LINK_SECONDS = 15 * 60

/** A link to one file's bytes that works with plain curl for a quarter of an hour. */
export function signDownload(
  { req, parts, repo, caller }: RepoRequest,
  file: { path: string; oid: string; lfs: boolean; size: number },
): string {
  const token = parts.signer.sign(
    {
      op: 'blob.download',
      repoId: repo.id,
      oid: file.oid,
      size: file.size,
      userId: caller.user?.id ?? null,
      role: caller.role,
      siteAdmin: caller.isSiteAdmin && !caller.user,
      lfs: file.lfs,
    },
    LINK_SECONDS,
  )
  const name = encodeURIComponent(file.path.slice(file.path.lastIndexOf('/') + 1))
  return `${parts.baseUrl(req)}/auth/v1/download/${repo.id}/${name}?token=${token}`
}

/** GET /auth/v1/download/{repository id}/{file name}?token=… */
export function downloadRoute(parts: OutpostParts): Router {
  const router = Router()
  router.get('/:repoId/:name', async (req, res) => {
    const { token } = req.query
    const action = parts.signer.verify(typeof token === 'string' ? token : '', 'blob.download')
    const { repoId, oid, lfs, size } = action
    const found = await parts.stores.repos.findById(repoId)
    if (!found || req.params.repoId !== repoId)
      throw new HubError('repo_not_found', 'Repository not found')
    // the link is the right, but whoever asked for it must still have it
    const caller = actAs(req, await parts.login.byAction(action, req.ip ?? ''))
    const opened = await parts.access.openRepo(caller, found, 'read')
    await parts.access.requireContent(caller, opened)
    const { repo } = opened
    res.set({
      'Content-Type': 'application/octet-stream',
      'Content-Disposition': `attachment; filename*=UTF-8''${encodeURIComponent(req.params.name)}`,
    })
    if (lfs) {
      const object = await parts.objects.read(repo, oid)
      await sendBytes(req, res, {
        size,
        etag: oid,
        localKey: parts.objects.localKey(object),
        open: (range) => parts.objects.open(object, range),
      })
      return
    }
    await sendBytes(req, res, {
      size,
      etag: oid,
      open: async (range) => {
        const { stream } = await parts.git.openBlob(repo.id, oid, abortSignalOf(res))
        return range ? sliceStream(stream, range) : stream
      },
    })
  })
  return router
}
