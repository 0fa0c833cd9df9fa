import { z } from 'zod'
import { requireProposer } from '../../domain/access/access.js'
import type { SignedAction } from '../../domain/access/signed-actions.js'
import { HubError } from '../../domain/errors.js'
import type { DownloadStep, UploadStep } from '../../domain/lfs/objects.js'
import type { Caller } from '../../domain/types.js'
import { noteRead } from '../../http/audit.js'
import { check, readJson } from '../../http/body.js'
import { callerOf } from '../../http/caller.js'
import { LFS_JSON, LFS_STATUS } from './errors.js'
import type { LfsRequest } from './parts.js'

const MAX_BATCH_BYTES = 10 * 1024 * 1024
const MAX_OBJECTS = 10_000
/** A presigned URL lives a week at most (AWS signature version 4). */
const MAX_DIRECT_SECONDS = 7 * 24 * 3600

/** Loose on purpose: a malformed object gets an error of its own inside a 200 answer (git-lfs-test-server-api). */
const BatchRequest = z.object({
  operation: z.enum(['upload', 'download']),
  transfers: z.array(z.string()).nullish(),
  objects: z
    .array(z.object({ oid: z.unknown().optional(), size: z.unknown().optional() }))
    .max(MAX_OBJECTS),
  hash_algo: z.string().nullish(),
  /** Rights are the repository's, not a ref's, so the name is taken and changes nothing. */
  ref: z.object({ name: z.string().max(1024) }).nullish(),
})

interface Asked {
  readonly oid?: unknown
  readonly size?: unknown
}

type Answer = Record<string, unknown>

/** POST objects/batch (git-lfs docs/api/batch.md), also as Hugging Face clients speak it (huggingface-wire C2.2–C2.4). */
export async function batch(it: LfsRequest): Promise<void> {
  const request = check(BatchRequest, await readJson(it.req, MAX_BATCH_BYTES))
  if (request.operation === 'download') noteRead(it.req)
  if (request.hash_algo && !['sha256', 'sha_256'].includes(request.hash_algo))
    throw new HubError('conflict', 'Only the hash algorithm sha256 is supported.')
  const transfers = request.transfers?.length ? request.transfers : ['basic']
  if (!transfers.some((t) => t === 'basic' || t === 'multipart' || t === 'xet'))
    throw new HubError(
      'unprocessable',
      'Only the transfers basic, multipart and xet are supported.',
    )
  const { transfer, objects } =
    request.operation === 'upload'
      ? await uploads(
          { ...it, proposal: await isProposal(it, request) },
          request.objects,
          transfers,
        )
      : await downloads(it, request.objects)
  it.res.type(LFS_JSON).send(JSON.stringify({ transfer, objects, hash_algo: 'sha256' }))
}

/**
 * Readers may upload for a pull request. Hugging Face clients then name no ref, or the pull request's (huggingface-wire
 * C2.2); git-lfs always names the ref that it pushes to, which is one of their own then.
 */
async function isProposal(
  it: LfsRequest,
  request: z.output<typeof BatchRequest>,
): Promise<boolean> {
  const fromHubClient = request.transfers?.some((it) => it === 'multipart' || it === 'xet') ?? false
  const ref = request.ref?.name
  if (it.opened.right !== 'read') return false
  if (ref === undefined) return fromHubClient
  if (fromHubClient) return /^refs\/pr\/\d+$/.test(ref)
  const userId = callerOf(it.req).user?.id
  return userId !== undefined && (await it.parts.pulls.mayPush(it.opened.repo, userId, ref))
}

async function uploads(
  it: LfsRequest,
  asked: readonly Asked[],
  transfers: readonly string[],
): Promise<{ transfer: string; objects: Answer[] }> {
  const caller = callerOf(it.req)
  if (it.proposal) {
    requireProposer(caller, it.opened.repo)
    await it.parts.access.requireContent(caller, it.opened)
  } else await it.parts.access.openRepo(caller, it.opened.repo, 'write')
  const { repo } = it.opened
  if (transfers.includes('xet')) return xetUploads(it, caller, asked)
  // the clients that offer multipart are the ones that do not send an action's headers (huggingface-wire C2.3)
  const parts = transfers.includes('multipart')
  const steps = await it.parts.objects.planUpload(repo, caller, asked, { parts, headers: !parts })
  return {
    transfer: steps.some((step) => step.type === 'parts') ? 'multipart' : 'basic',
    objects: asked.map((object, at) => toUpload(it, object, steps[at] as UploadStep)),
  }
}

/**
 * Clients that can talk to the content-addressed store find everything they need in the action's headers, or ask its href
 * for it (xet-wire 1.3); the bytes come without LFS, so they are all told alike.
 */
async function xetUploads(
  it: LfsRequest,
  caller: Caller,
  asked: readonly Asked[],
): Promise<{ transfer: string; objects: Answer[] }> {
  const { repo } = it.opened
  const client = { parts: false, headers: false }
  const steps = await it.parts.objects.planUpload(repo, caller, asked, client)
  const { token, expiresAt } = it.parts.xetTokens.issue(caller, repo, 'write', {
    proposal: it.proposal ?? false,
  })
  const base = it.parts.baseUrl(it.req)
  const upload = {
    href: `${base}/api/${repo.kind}s/${repo.namespace}/${repo.name}/xet-write-token/main`,
    header: {
      'X-Xet-Cas-Url': `${base}/xet`,
      'X-Xet-Access-Token': token,
      'X-Xet-Token-Expiration': String(expiresAt),
    },
    ...expiry(it),
  }
  const objects = asked.map((object, at): Answer => {
    const step = steps[at] as UploadStep
    if (step.type === 'error' || step.type === 'stored') return toUpload(it, object, step)
    return { oid: object.oid, size: object.size, authenticated: true, actions: { upload } }
  })
  return { transfer: 'xet', objects }
}

function toUpload(it: LfsRequest, object: Asked, step: UploadStep): Answer {
  if (step.type === 'error') return toError(object, LFS_STATUS[step.error.code], step.error.message)
  const { oid, size } = object as { oid: string; size: number }
  // authenticated: the URLs carry their right, git-lfs must not add credentials to them
  const known = { oid, size, authenticated: true }
  if (step.type === 'stored') return known
  const upload = uploadAction(it, { oid, size }, step)
  // what came through the hub was checked before the PUT was answered; git-lfs verifies on a connection of its own each time
  if (step.type === 'proxied') return { ...known, actions: { upload } }
  const verify = { href: href(it, 'lfs.verify', { oid, size }), ...expiry(it) }
  return { ...known, actions: { upload, verify } }
}

function uploadAction(
  it: LfsRequest,
  object: { oid: string; size: number },
  step: Exclude<UploadStep, { type: 'stored' | 'error' }>,
): Answer {
  switch (step.type) {
    case 'proxied':
      return { href: href(it, 'lfs.upload', object), ...expiry(it) }
    case 'direct':
      return { href: step.url, header: step.headers, ...expiry(it, MAX_DIRECT_SECONDS) }
    case 'parts': {
      const { id: uploadId, partSize } = step.upload
      const header: Record<string, string> = { chunk_size: String(partSize) }
      for (let part = 1; part <= step.parts; part += 1)
        header[String(part).padStart(5, '0')] =
          step.urls?.[part - 1] ?? href(it, 'lfs.part', { ...object, uploadId, part })
      const seconds = step.urls ? MAX_DIRECT_SECONDS : undefined
      return {
        href: href(it, 'lfs.complete', { ...object, uploadId }),
        header,
        ...expiry(it, seconds),
      }
    }
  }
}

async function downloads(
  it: LfsRequest,
  asked: readonly Asked[],
): Promise<{ transfer: string; objects: Answer[] }> {
  const steps = await it.parts.objects.planDownload(it.opened.repo, asked)
  const objects = asked.map((object, at) => toDownload(it, object, steps[at] as DownloadStep))
  return { transfer: 'basic', objects }
}

function toDownload(it: LfsRequest, object: Asked, step: DownloadStep): Answer {
  if (step.type === 'error') return toError(object, LFS_STATUS[step.error.code], step.error.message)
  if (step.type === 'removed')
    return toError(
      object,
      410,
      'Object was removed: no commit of this repository names it any more',
    )
  const { oid, size } = step.object
  const download = step.url
    ? { href: step.url, ...expiry(it, step.seconds) }
    : { href: href(it, 'lfs.download', { oid, size }), ...expiry(it) }
  return { oid, size, authenticated: true, actions: { download } }
}

/** In the caller's own words, as far as they can be an oid and a size. */
function toError(object: Asked, code: number, message: string): Answer {
  const oid = typeof object.oid === 'string' ? object.oid.slice(0, 200) : ''
  const size = typeof object.size === 'number' ? object.size : 0
  return { oid, size, error: { code, message } }
}

/** A URL that carries its own right: clients send nothing else with it (huggingface-wire C2.3). */
function href(
  it: LfsRequest,
  op: Extract<SignedAction['op'], `lfs.${string}`>,
  what: Pick<SignedAction, 'oid' | 'size' | 'uploadId' | 'part'>,
): string {
  const { id: repoId } = it.opened.repo
  const { user, role, isSiteAdmin } = callerOf(it.req)
  const token = it.parts.signer.sign(
    {
      op,
      repoId,
      userId: user?.id ?? null,
      role,
      siteAdmin: isSiteAdmin && !user,
      ...(it.proposal ? { proposal: true } : {}),
      ...what,
    },
    it.parts.objects.limits.actionSeconds,
  )
  const step = op.slice('lfs.'.length)
  return `${it.parts.baseUrl(it.req)}/lfs/${repoId}/${what.oid}/${step}?token=${token}`
}

function expiry(it: LfsRequest, atMost = Number.POSITIVE_INFINITY): Answer {
  const seconds = Math.min(it.parts.objects.limits.actionSeconds, atMost)
  const at = new Date(Date.now() + seconds * 1000).toISOString().replace(/\.\d+/, '')
  return { expires_in: seconds, expires_at: at }
}
