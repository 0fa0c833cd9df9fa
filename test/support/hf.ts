import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import { type ApiReply, gitOk, startTestHub, type TestHub, type TestUser, tempDir } from './hub.js'

/** Raw requests as Hugging Face clients send them. */
export interface CommitLine {
  readonly key: string
  readonly value: Record<string, unknown>
}

export const header = (summary = 'a commit', more: Record<string, unknown> = {}): CommitLine => ({
  key: 'header',
  value: { summary, description: '', ...more },
})

export const file = (
  path: string,
  text: string | Buffer,
  more: Record<string, unknown> = {},
): CommitLine => ({
  key: 'file',
  value: { content: Buffer.from(text).toString('base64'), path, encoding: 'base64', ...more },
})

export function commit(
  hub: TestHub,
  as: TestUser | undefined,
  lines: readonly CommitLine[],
  path = '/api/models/ada/m/commit/main',
): Promise<ApiReply> {
  return hub.api(path, {
    ...(as ? { as } : {}),
    body: lines.map((it) => JSON.stringify(it)).join('\n'),
    headers: { 'Content-Type': 'application/x-ndjson' },
  })
}

/** A hub with the model ada/m as the API creates it. */
export async function hubWithRepo(
  env: Record<string, string> = {},
): Promise<{ hub: TestHub; ada: TestUser }> {
  const hub = await startTestHub(env)
  const ada = await hub.user('ada')
  const made = await hub.api('/api/repos/create', { as: ada, body: { name: 'm' } })
  expect(made.status).toBe(200)
  return { hub, ada }
}

export async function clone(
  hub: TestHub,
  as: TestUser,
  options: { repo?: string; ref?: string } = {},
): Promise<string> {
  const dir = await tempDir()
  const url = hub.gitUrl(options.repo ?? 'ada/m', as)
  await gitOk(dir, ['clone', '-q', url, 'c', '-b', options.ref ?? 'main'])
  return `${dir}/c`
}

/** By the batch API and a PUT, as clients do; answers the oid. */
export async function uploadLfs(
  hub: TestHub,
  as: TestUser,
  repo: string,
  bytes: Buffer,
): Promise<string> {
  const oid = createHash('sha256').update(bytes).digest('hex')
  const batch = await hub.api(`/${repo}.git/info/lfs/objects/batch`, {
    as,
    body: { operation: 'upload', transfers: ['basic'], objects: [{ oid, size: bytes.length }] },
    headers: { 'Content-Type': 'application/vnd.git-lfs+json' },
  })
  const { href, header: headers } = batch.json.objects[0].actions.upload
  const put = await fetch(href, { method: 'PUT', body: new Uint8Array(bytes), headers })
  expect(put.status).toBe(200)
  return oid
}
