import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import type { TestHub, TestUser } from './hub.js'

export interface CapturedUpload {
  readonly xorbHash: string
  readonly chunks: number
  /** By Xet file hash. */
  readonly files: Readonly<Record<string, { name: string; size: number; sha256: string }>>
  readonly xorb: Buffer
  readonly shard: Buffer
}

/** What a real client sent (fixtures/xet). */
export function readCapture(client: string): CapturedUpload {
  const read = (name: string) =>
    readFileSync(new URL(`../../fixtures/xet/${client}/${name}`, import.meta.url))
  const { xorb, chunks, files } = JSON.parse(read('expected.json').toString())
  return { xorbHash: xorb, chunks, files, xorb: read('xorb.bin'), shard: read('shard.bin') }
}

export interface XetClient {
  readonly casUrl: string
  readonly token: string
  call(
    path: string,
    options?: { method?: string; body?: Buffer; range?: string },
  ): Promise<Response>
}

/** A token and calls with it, as hf_xet makes them. */
export async function xetClient(
  hub: TestHub,
  repo: string,
  as: TestUser | undefined,
  right: 'read' | 'write' = 'write',
): Promise<XetClient> {
  const reply = await hub.api(`/api/models/${repo}/xet-${right}-token/main`, as ? { as } : {})
  expect(reply.status).toBe(200)
  const { casUrl, accessToken } = reply.json
  return {
    casUrl,
    token: accessToken,
    call: (path, { method, body, range } = {}) =>
      fetch(`${casUrl}${path}`, {
        method: method ?? (body ? 'POST' : 'GET'),
        headers: { Authorization: `Bearer ${accessToken}`, ...(range ? { Range: range } : {}) },
        ...(body ? { body: new Uint8Array(body) } : {}),
      }),
  }
}

/** Uploads a capture: its xorb, then its shard. */
export async function sendCapture(client: XetClient, it: CapturedUpload): Promise<void> {
  const xorb = await client.call(`/v1/xorbs/default/${it.xorbHash}`, { body: it.xorb })
  expect([xorb.status, await xorb.json()]).toEqual([200, { was_inserted: true }])
  const shard = await client.call('/v1/shards', { body: it.shard })
  expect([shard.status, await shard.json()]).toEqual([200, { result: 1 }])
}
