import { z } from 'zod'
import type { SignedAction } from '../../domain/access/signed-actions.js'
import { HubError } from '../../domain/errors.js'
import type { UploadStep } from '../../domain/lfs/objects.js'
import type { LfsObject } from '../../domain/ports.js'
import { check, readJson } from '../../http/body.js'
import { callerOf } from '../../http/caller.js'
import { LFS_JSON, LFS_STATUS } from './errors.js'
import type { LfsRequest } from './parts.js'

const MAX_BATCH_BYTES = 10 * 1024 * 1024
const MAX_OBJECTS = 10_000

/** Loose on purpose: a malformed object gets an error of its own inside a 200 answer (git-lfs-test-server-api). */
const BatchRequest = z.object({
  operation: z.enum(['upload', 'download']),
  transfers: z.array(z.string()).nullish(),
  objects: z.array(z.object({ oid: z.unknown(), size: z.unknown() })).max(MAX_OBJECTS),
  hash_algo: z.string().nullish(),
  ref: z.object({ name: z.string() }).nullish(),
})

interface Asked {
  readonly oid: unknown
  readonly size: unknown
}

/** POST objects/batch (git-lfs docs/api/batch.md), also as Hugging Face clients speak it (huggingface-wire C2.2–C2.4). */
export async function batch(it: LfsRequest): Promise<void> {
  const request = check(BatchRequest, await readJson(it.req, MAX_BATCH_BYTES))
  if (request.hash_algo && !['sha256', 'sha_256'].includes(request.hash_algo))
    throw new HubError('conflict', 'Only the hash algorithm sha256 is supported.')
  const transfers = request.transfers ?? ['basic']
  if (transfers.length > 0 && !transfers.some((t) => t === 'basic' || t === 'multipart'))
    throw new HubError('unprocessable', 'Only the transfers basic and multipart are supported.')
  const objects =
    request.operation === 'upload'
      ? await uploads(it, request.objects, transfers.includes('multipart'))
      : await downloads(it, request.objects)
  const transfer = objects.some((o) => 'multipart' in o) ? 'multipart' : 'basic'
  const body = {
    transfer,
    objects: objects.map(({ multipart: _, ...o }: Record<string, unknown>) => o),
    hash_algo: 'sha256',
  }
  it.res.type(LFS_JSON).send(JSON.stringify(body))
}

async function uploads(
  it: LfsRequest,
  asked: readonly Asked[],
  multipart: boolean,
): Promise<Record<string, unknown>[]> {
  const caller = callerOf(it.req)
  const { repo, right } = await it.parts.access.openRepo(caller, it.opened.repo, 'write')
  const steps = await it.parts.objects.planUpload(repo, caller, asked, { multipart })
  void right
  return Promise.all(asked.map((object, at) => toUpload(it, object, steps[at] as UploadStep)))
}

async function toUpload(
  it: LfsRequest,
  object: Asked,
  step: UploadStep,
): Promise<Record<string, unknown>> {
  if (step.type === 'error') return toError(object, step.error)
  const { oid, size } = object as { oid: string; size: number }
  if (step.type === 'stored') return { oid, size, authenticated: true }
  const expires = expiry(it)
  const verify = { href: href(it, 'lfs.verify', { oid, size }), ...expires }
  if (step.type === 'multipart') {
    const { id } = step.upload
    const header: Record<string, string> = { chunk_size: String(step.upload.partSize) }
    for (let part = 1; part <= step.parts; part += 1)
      header[String(part).padStart(5, '0')] = href(it, 'lfs.part', {
        oid,
        size,
        uploadId: id,
        part,
      })
    const upload = {
      href: href(it, 'lfs.complete', { oid, size, uploadId: id }),
      header,
      ...expires,
    }
    return { oid, size, authenticated: true, actions: { upload, verify }, multipart: true }
  }
  const upload = { href: href(it, 'lfs.upload', { oid, size }), ...expires }
  return { oid, size, authenticated: true, actions: { upload, verify } }
}

async function downloads(
  it: LfsRequest,
  asked: readonly Asked[],
): Promise<Record<string, unknown>[]> {
  const found = await it.parts.objects.planDownload(it.opened.repo, asked)
  return asked.map((object, at) => {
    const result = found[at] as LfsObject | HubError
    if (result instanceof HubError) return toError(object, result)
    const { oid, size } = result
    const download = { href: href(it, 'lfs.download', { oid, size }), ...expiry(it) }
    return { oid, size, authenticated: true, actions: { download } }
  })
}

function toError(object: Asked, error: HubError): Record<string, unknown> {
  const oid = typeof object.oid === 'string' ? object.oid.slice(0, 200) : ''
  const size = typeof object.size === 'number' ? object.size : 0
  return { oid, size, error: { code: LFS_STATUS[error.code], message: error.message } }
}

/** A URL that carries its own right: clients send nothing else with it (huggingface-wire C2.3). */
export function href(
  it: Pick<LfsRequest, 'req' | 'opened' | 'parts'>,
  op: SignedAction['op'],
  what: Pick<SignedAction, 'oid' | 'size' | 'uploadId' | 'part'>,
): string {
  const { id: repoId } = it.opened.repo
  const userId = callerOf(it.req).user?.id ?? null
  const token = it.parts.signer.sign(
    { op, repoId, userId, ...what },
    it.parts.objects.limits.actionSeconds,
  )
  const step = op.slice('lfs.'.length)
  return `${it.parts.baseUrl(it.req)}/lfs/${repoId}/${what.oid}/${step}?token=${token}`
}

function expiry(it: LfsRequest): { expires_in: number; expires_at: string } {
  const seconds = it.parts.objects.limits.actionSeconds
  const at = new Date(Date.now() + seconds * 1000).toISOString().replace(/\.\d+/, '')
  return { expires_in: seconds, expires_at: at }
}
