import { type Request, type RequestHandler, type Response, Router } from 'express'
import type { OpenedRepo } from '../../domain/access/access.js'
import { HubError } from '../../domain/errors.js'
import type { LfsObject } from '../../domain/lfs/ports.js'
import type { GitOid, Repo, RepoFile } from '../../domain/types.js'
import { abortSignalOf } from '../../http/body.js'
import { callerOf } from '../../http/caller.js'
import { listed } from '../../http/route-list.js'
import { sendBytes } from '../../http/send-bytes.js'
import { parseRepoPath, repoUrlPath } from '../../protocol/repo-path.js'
import { contentDisposition, contentTypeOf, etagOf, FILE_POLICY } from './file-headers.js'
import type { HfParts, RepoRoute } from './parts.js'
import { readRevisionPath } from './revision-path.js'
import { offerXet } from './xet-links.js'

const PRESIGNED_SECONDS = 3_600
type Form = 'resolve' | 'raw'

interface FileRequest {
  readonly parts: HfParts
  readonly req: Request
  readonly res: Response
  readonly opened: OpenedRepo
  readonly form: Form
  /** `{rev}/{path}`, still percent-encoded. */
  readonly encoded: string
}

/** resolve and raw: the files themselves, outside /api (huggingface-wire C1). */
export function contentRoutes(parts: HfParts): Router {
  const router = Router()
  const handler: RequestHandler = async (req, res, next) => {
    if (req.method !== 'GET' && req.method !== 'HEAD') return next()
    const target = parseRepoPath(req.path)
    const [, form, encoded = ''] = /^(resolve|raw)\/(.+)$/s.exec(target?.rest ?? '') ?? []
    if (!target || !form) return next()
    const opened = await parts.access.open(callerOf(req), target, 'read')
    if (opened.redirected) {
      const query = req.originalUrl.slice(req.path.length)
      res.redirect(307, `${repoUrlPath(opened.repo)}/${form}/${encoded}${query}`)
      return
    }
    await sendFile({ parts, req, res, opened, form: form as Form, encoded })
  }
  const routes = ['resolve', 'raw'].map((form) => ({
    method: 'GET',
    path: `/:namespace/:name/${form}/:revision/:path`,
  }))
  router.use(listed(handler, routes))
  return router
}

/** KohakuHub spells resolve below /api, too. */
export const apiContentRoutes: readonly RepoRoute[] = [
  {
    method: 'GET',
    path: /^resolve\/.+$/s,
    right: 'read',
    handle: ({ parts, req, res, opened, rest }) =>
      sendFile({ parts, req, res, opened, form: 'resolve', encoded: rest.slice(8) }),
  },
]

async function sendFile(it: FileRequest): Promise<void> {
  const { parts, req, res, opened, form } = it
  const { repo } = opened
  await parts.access.requireContent(callerOf(req), opened)
  const { commit, path } = await readRevisionPath(parts, repo, it.encoded)
  const entry = await parts.contents.find(repo, commit, path)
  if (entry?.type !== 'file') throw new HubError('entry_not_found', 'Entry not found', { commit })
  setHeaders(it, commit, entry)
  if (form === 'raw') return sendRaw(it, repo, entry)
  if (countsAsDownload(req)) parts.downloads.count(repo.id, callerOf(req), agentOf(req))
  const object = entry.lfsOid ? await parts.objects.read(repo, entry.lfsOid) : undefined
  if (object && offerXet(it, { repo, commit, object })) return
  if (object && (await redirectToStore(it, entry, object))) return
  const signal = abortSignalOf(res)
  await sendBytes(req, res, {
    size: entry.size,
    etag: etagOf(entry),
    localKey: object && parts.objects.localKey(object),
    open: (range) => parts.contents.open(repo, entry, range, signal),
  })
}

async function sendRaw({ parts, req, res }: FileRequest, repo: Repo, file: RepoFile) {
  const size = file.pointerSize ?? file.size
  const signal = abortSignalOf(res)
  await sendBytes(req, res, {
    size,
    etag: file.blobOid.slice(0, 40),
    open: (range) => parts.contents.openBlob(repo, { oid: file.blobOid, size }, range, signal),
  })
}

function setHeaders({ req, res, form }: FileRequest, commit: GitOid, file: RepoFile): void {
  const isLfs = file.lfsOid !== null
  const type =
    form === 'raw' && isLfs ? 'text/plain; charset=utf-8' : contentTypeOf(file.path, isLfs)
  res.set({
    'Content-Type': type,
    'X-Repo-Commit': commit,
    'Content-Security-Policy': FILE_POLICY,
    'Cache-Control': 'private, no-cache, no-transform',
  })
  const disposition = req.query.download !== undefined ? 'attachment' : 'inline'
  if (req.query.noContentDisposition === undefined || disposition === 'attachment')
    res.set('Content-Disposition', contentDisposition(file.path, disposition))
  if (form === 'resolve' && isLfs)
    res.set({ 'X-Linked-Etag': `"${file.lfsOid}"`, 'X-Linked-Size': String(file.size) })
}

/**
 * Sends the client to the object store where clients survive that: another host name than ours, on GET only (a HEAD of a
 * presigned GET is refused by the store, and all its answers are known here).
 */
async function redirectToStore(
  it: FileRequest,
  file: RepoFile,
  object: LfsObject,
): Promise<boolean> {
  const { parts, req, res } = it
  const { direct } = parts.objects.store
  if (!direct || req.method !== 'GET' || file.size === 0) return false
  if (object.storage !== 'raw' || !object.key) return false
  const filename = file.path.slice(file.path.lastIndexOf('/') + 1)
  const url = await direct.presignGet(object.key, { seconds: PRESIGNED_SECONDS, filename })
  if (new URL(url).hostname === req.hostname) return false
  res.set({ ETag: `"${file.lfsOid}"`, 'Accept-Ranges': 'bytes', 'Cache-Control': 'no-store' })
  res.redirect(302, url)
  return true
}

/** One download of a file is one count, though clients look first (HEAD, `bytes=0-0`) and may take it in pieces. */
function countsAsDownload(req: Request): boolean {
  const range = req.get('range')
  return req.method === 'GET' && (range === undefined || /^bytes=0-(?!0$)/.test(range))
}

function agentOf(req: Request): string {
  return (req.get('user-agent') ?? '').slice(0, 200)
}
