import { type Request, type Response, Router } from 'express'
import { z } from 'zod'
import type { SignedAction } from '../../domain/access/signed-actions.js'
import { HubError } from '../../domain/errors.js'
import { SMALL_OBJECT_BYTES } from '../../domain/ports.js'
import type { Caller, Repo, Right } from '../../domain/types.js'
import { abortSignalOf, check, readAnnounced, readJson, takeBody } from '../../http/body.js'
import { actAs } from '../../http/caller.js'
import { sendBytes } from '../../http/send-bytes.js'
import { LFS_JSON } from './errors.js'
import type { LfsParts } from './parts.js'

const NEVER = new AbortController().signal
/** Body of verify and of a multipart completion. */
const VerifyBody = z.object({ oid: z.string(), size: z.number().int().nonnegative() })
const CompleteBody = z.object({
  oid: z.string(),
  parts: z.array(z.object({ partNumber: z.number().int(), etag: z.string().max(200) })).max(10_000),
})

/**
 * /lfs/{repository id}/{oid}/{upload|download|part|complete|verify}: where the actions of a batch lead. The path holds
 * the repository's id, so a rename does not break an upload that is under way.
 */
export function objectRoutes(parts: LfsParts): Router {
  const router = Router()
  const path = '/:repoId/:oid'
  router.put(`${path}/upload`, (req, res) => upload(parts, req, res))
  router.get(`${path}/download`, (req, res) => download(parts, req, res))
  router.put(`${path}/part`, (req, res) => part(parts, req, res))
  router.post(`${path}/complete`, (req, res) => complete(parts, req, res))
  router.post(`${path}/verify`, (req, res) => verify(parts, req, res))
  return router
}

async function upload(parts: LfsParts, req: Request, res: Response): Promise<void> {
  const { action, repo } = await authorise(parts, req, 'lfs.upload', 'write')
  requireLength(req, action.size)
  const small = await readAnnounced(req, SMALL_OBJECT_BYTES)
  // it is all here: whether the client waits for the answer or not, it may stay
  if (small) await parts.objects.receive(repo, action, small, NEVER)
  else await takeBody(req, (body) => parts.objects.receive(repo, action, body, abortSignalOf(res)))
  res.status(200).end()
}

async function part(parts: LfsParts, req: Request, res: Response): Promise<void> {
  const { action } = await authorise(parts, req, 'lfs.part', 'write')
  const { uploads } = parts.objects
  const { uploadId = '', part: number = 0 } = action
  requireLength(req, await uploads.partBytes(uploadId, number))
  const { etag } = await takeBody(req, (body) =>
    uploads.receivePart(uploadId, number, body, abortSignalOf(res)),
  )
  res.status(200).set('ETag', `"${etag}"`).end()
}

/** Content-Length is a claim, but one that is known to be wrong need not be waited for. */
function requireLength(req: Request, bytes: number): void {
  const claimed = req.get('content-length')
  if (claimed !== undefined && Number(claimed) !== bytes)
    throw new HubError('unprocessable', `There are ${bytes} bytes to come, not ${claimed}.`)
}

async function complete(parts: LfsParts, req: Request, res: Response): Promise<void> {
  const { action, repo } = await authorise(parts, req, 'lfs.complete', 'write')
  const body = check(CompleteBody, await readJson(req, 4 * 1024 * 1024))
  if (body.oid !== action.oid)
    throw new HubError('unprocessable', 'The oid is not the one of this upload.')
  await parts.objects.uploads.complete(action.uploadId ?? '', repo, action)
  res.type(LFS_JSON).send('{}')
}

async function verify(parts: LfsParts, req: Request, res: Response): Promise<void> {
  const { action, repo } = await authorise(parts, req, 'lfs.verify', 'read')
  const body = check(VerifyBody, await readJson(req, 64 * 1024))
  if (body.oid !== action.oid)
    throw new HubError('unprocessable', 'The oid is not the one of this upload.')
  await parts.objects.verify(repo, body)
  res.type(LFS_JSON).send('{}')
}

async function download(parts: LfsParts, req: Request, res: Response): Promise<void> {
  const { action, repo } = await authorise(parts, req, 'lfs.download', 'read')
  const object = await parts.objects.read(repo, action.oid)
  res.set({ 'Content-Type': 'application/octet-stream', 'Content-Disposition': 'attachment' })
  await sendBytes(req, res, {
    size: object.size,
    etag: object.oid,
    localKey: parts.objects.localKey(object),
    open: (range) => parts.objects.openBody(object, range),
  })
}

/** The token is the right, but the user must still have it: a removed member's links stop working at once. */
async function authorise(
  parts: LfsParts,
  req: Request,
  op: SignedAction['op'],
  right: Right,
): Promise<{ action: SignedAction; repo: Repo }> {
  const { token } = req.query
  const action = parts.signer.verify(typeof token === 'string' ? token : '', op)
  if (action.repoId !== req.params.repoId || action.oid !== req.params.oid)
    throw new HubError('not_authenticated', 'This link is for another object.')
  const caller = actAs(req, await parts.login.byAction(action, req.ip ?? ''))
  return { action, repo: await openFor(parts, action, caller, right) }
}

/** The repository that a link leads to, when `caller`, for whom it speaks, still has the right on it. */
export async function openFor(
  { repos, access }: LfsParts,
  action: SignedAction,
  caller: Caller,
  right: Right,
): Promise<Repo> {
  const found = await repos.findById(action.repoId)
  if (!found) throw new HubError('repo_not_found', 'Repository not found')
  const opened = await access.openStored(caller, found, action.proposal ? 'read' : right)
  await access.requireContent(caller, opened)
  return opened.repo
}
