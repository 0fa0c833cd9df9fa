import type { Readable } from 'node:stream'
import { type Ask, askOnce, expectOk } from './connection.js'

const LFS_JSON = 'application/vnd.git-lfs+json'

/** The `info/lfs` of one repository on one server. */
export interface LfsEndpoint {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

export interface LfsObject {
  readonly oid: string
  readonly size: number
}

interface Action {
  readonly href: string
  readonly header?: Readonly<Record<string, string>>
}

interface Planned extends LfsObject {
  readonly actions?: Partial<Record<'upload' | 'download' | 'verify', Action>>
  readonly error?: { readonly code: number; readonly message: string }
}

async function batch(
  at: LfsEndpoint,
  operation: 'upload' | 'download',
  object: LfsObject,
): Promise<NonNullable<Planned['actions']>> {
  const ask: Ask = {
    method: 'POST',
    path: `${new URL(at.url).pathname}/objects/batch`,
    headers: { ...at.headers, 'Content-Type': LFS_JSON, Accept: LFS_JSON },
    body: Buffer.from(JSON.stringify({ operation, transfers: ['basic'], objects: [object] })),
    keep: true,
  }
  const reply = expectOk(await askOnce(at.url, ask), ask)
  const planned = (JSON.parse(reply.body.toString()) as { objects: Planned[] }).objects[0]
  if (planned?.error) throw new Error(`LFS batch: ${planned.error.code} ${planned.error.message}`)
  return planned?.actions ?? {}
}

async function follow(action: Action, ask: Omit<Ask, 'path'>): Promise<number> {
  const url = new URL(action.href)
  const full = {
    ...ask,
    path: url.pathname + url.search,
    headers: { ...action.header, ...ask.headers },
  }
  return expectOk(await askOnce(url, full), full).bytes
}

/** Batch, PUT and verify, as git-lfs does it. */
export async function uploadLfs(at: LfsEndpoint, object: LfsObject, body: Readable): Promise<void> {
  const actions = await batch(at, 'upload', object)
  if (!actions.upload) throw new Error('the server did not ask for an object that it cannot have')
  const headers = { 'Content-Type': 'application/octet-stream' }
  await follow(actions.upload, { method: 'PUT', body, bodySize: object.size, headers })
  if (!actions.verify) return
  const verify = Buffer.from(JSON.stringify(object))
  await follow(actions.verify, {
    method: 'POST',
    body: verify,
    headers: { 'Content-Type': LFS_JSON, Accept: LFS_JSON },
  })
}

/** Batch and GET; the bytes are counted and dropped. */
export async function downloadLfs(at: LfsEndpoint, object: LfsObject): Promise<void> {
  const actions = await batch(at, 'download', object)
  if (!actions.download) throw new Error('the server does not offer the object')
  const bytes = await follow(actions.download, {})
  if (bytes !== object.size) throw new Error(`${bytes} of ${object.size} bytes came`)
}
