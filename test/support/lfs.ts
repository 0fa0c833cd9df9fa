import { createHash, randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { request as secureRequest } from 'node:https'
import type { ApiReply, TestHub, TestUser } from './hub.js'

/* LFS as its clients speak it, in raw requests. */

export const LFS_JSON = 'application/vnd.git-lfs+json'
export const LFS_HEADERS = { Accept: LFS_JSON, 'Content-Type': LFS_JSON }

export interface TestObject {
  readonly bytes: Buffer
  readonly oid: string
  readonly size: number
}

export function objectOf(bytes: Buffer): TestObject {
  return { bytes, oid: createHash('sha256').update(bytes).digest('hex'), size: bytes.length }
}

export const randomObject = (size: number) => objectOf(randomBytes(size))
export const pointerOf = ({ oid, size }: TestObject) => ({ oid, size })

export interface LfsAction {
  readonly href: string
  readonly header?: Record<string, string>
  readonly expires_in: number
  readonly expires_at: string
}

export interface BatchObject {
  readonly oid: string
  readonly size: number
  readonly authenticated?: boolean
  /** `verify` stands only beside uploads that do not pass through the hub in one piece. */
  readonly actions?: Record<'upload' | 'download', LfsAction> & { readonly verify?: LfsAction }
  readonly error?: { code: number; message: string }
}

export interface BatchOptions {
  readonly as?: TestUser | undefined
  readonly transfers?: readonly string[] | undefined
  readonly extra?: Record<string, unknown>
}

export function postBatch(
  hub: TestHub,
  path: string,
  operation: 'upload' | 'download',
  objects: readonly unknown[],
  { as, transfers, extra }: BatchOptions = {},
): Promise<ApiReply> {
  return hub.api(`/${path}/info/lfs/objects/batch`, {
    ...(as ? { as } : {}),
    body: { operation, objects, ...(transfers ? { transfers } : {}), ...extra },
    headers: LFS_HEADERS,
  })
}

/** The objects of a batch that must have been answered with 200. */
export async function batch(
  ...args: Parameters<typeof postBatch>
): Promise<{ transfer: string; objects: BatchObject[] }> {
  const { status, json, text } = await postBatch(...args)
  if (status !== 200) throw new Error(`batch: ${status} ${text}`)
  return json
}

export interface RawReply {
  readonly status: number
  readonly headers: Record<string, string | string[] | undefined>
  readonly body: Buffer
}

/** Without fetch's own headers and rules; chunked when there is no Content-Length. */
export function send(
  method: string,
  url: string,
  options: { headers?: Record<string, string>; body?: Buffer | readonly Buffer[] } = {},
): Promise<RawReply> {
  const { headers = {}, body } = options
  return new Promise((resolve, reject) => {
    const make = url.startsWith('https:') ? secureRequest : request
    const req = make(url, { method, headers }, (res) => {
      const chunks: Buffer[] = []
      res.on('data', (chunk: Buffer) => chunks.push(chunk))
      res.on('error', reject)
      res.on('end', () =>
        resolve({ status: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(chunks) }),
      )
    })
    req.on('error', reject)
    if (Array.isArray(body)) for (const piece of body) req.write(piece)
    else if (body) req.write(body)
    req.end()
  })
}

/** As git-lfs does: the headers that the action names, and the length. */
export function put(action: LfsAction, bytes: Buffer): Promise<RawReply> {
  const headers = { ...action.header, 'Content-Length': String(bytes.length) }
  return send('PUT', action.href, { headers, body: bytes })
}

export function postJson(href: string, body: unknown): Promise<RawReply> {
  return send('POST', href, {
    headers: { ...LFS_HEADERS },
    body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
  })
}

/** A link that asks whether the repository has the object, as a batch gives it out for uploads that need one. */
export function verifyHref(hub: TestHub, as: TestUser, repoId: string, object: TestObject): string {
  const action = { op: 'lfs.verify', repoId, userId: as.user.id, ...pointerOf(object) } as const
  return `${hub.url}/lfs/${repoId}/${object.oid}/verify?token=${hub.domain.signer.sign(action, 60)}`
}

/** Batch, PUT and, where there is one, verify of objects that must all be taken in. */
export async function uploadAll(
  hub: TestHub,
  path: string,
  as: TestUser,
  objects: readonly TestObject[],
): Promise<void> {
  const answer = await batch(hub, path, 'upload', objects.map(pointerOf), { as })
  for (const [at, { actions, error }] of answer.objects.entries()) {
    if (error) throw new Error(`upload: ${error.code} ${error.message}`)
    const object = objects[at]
    if (!actions || !object) continue
    const stored = await put(actions.upload, object.bytes)
    if (stored.status !== 200) throw new Error(`PUT: ${stored.status} ${stored.body}`)
    if (!actions.verify) continue
    const verified = await postJson(actions.verify.href, pointerOf(object))
    if (verified.status !== 200) throw new Error(`verify: ${verified.status} ${verified.body}`)
  }
}

/** The bytes a repository serves under this oid; a number is the error's code. */
export async function download(
  hub: TestHub,
  path: string,
  as: TestUser | undefined,
  object: { oid: string; size: number },
): Promise<Buffer | number> {
  const { oid, size } = object
  const { objects } = await batch(hub, path, 'download', [{ oid, size }], { as })
  const [found] = objects
  if (!found?.actions) return found?.error?.code ?? 0
  const { status, body } = await send('GET', found.actions.download.href)
  if (status !== 200) throw new Error(`GET: ${status} ${body}`)
  return body
}

export async function createRepo(
  hub: TestHub,
  as: TestUser,
  name: string,
  options: { type?: 'model' | 'dataset' | 'space'; private?: boolean; organization?: string } = {},
): Promise<void> {
  const { type = 'model', organization } = options
  const { status, text } = await hub.api('/api/repos/create', {
    as,
    body: {
      name,
      type,
      private: options.private ?? false,
      auto_init: false,
      ...(organization ? { organization } : {}),
      ...(type === 'space' ? { sdk: 'static' } : {}),
    },
  })
  if (status !== 200) throw new Error(`create: ${status} ${text}`)
}

export async function repoOf(hub: TestHub, namespace: string, name: string) {
  const repo = await hub.domain.stores.repos.findByAddress({ kind: 'model', namespace, name })
  if (!repo) throw new Error(`there is no ${namespace}/${name}`)
  return repo
}

/** Keys of the LFS objects that the store holds. */
export async function storedKeys(hub: TestHub): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of hub.domain.store.list('lfs/')) keys.push(key)
  return keys.sort()
}
