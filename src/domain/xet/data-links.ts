import { createHmac, timingSafeEqual } from 'node:crypto'
import { HubError } from '../errors.js'
import type { ByteRange } from '../ports.js'
import type { Xorb } from './ports.js'

/** Long enough for a slow client to come to the end of a reconstruction; one that is late asks anew. */
const SECONDS = 3600
/** Links are renewed in steps, so that the same question has the same answer for a while. */
const STEP_SECONDS = 300

/** What a link permits: these bytes of this xorb's records. */
export interface DataLink {
  readonly hash: string
  readonly nonce: string
  readonly ranges: readonly ByteRange[]
}

/**
 * Links to byte ranges of stored xorbs. A xorb holds chunks of many files, so a link names the ranges that it is for:
 * the signature (HMAC-SHA256) is over xorb, ranges and expiry.
 */
export class DataLinks {
  readonly #key: Buffer

  constructor(secret: string) {
    this.#key = createHmac('sha256', secret).update('xet data link').digest()
  }

  /** Path and query below the store's base URL. */
  sign(xorb: Pick<Xorb, 'hash' | 'nonce'>, ranges: readonly ByteRange[]): string {
    const now = Math.floor(Date.now() / 1000)
    const expires = Math.ceil((now + SECONDS) / STEP_SECONDS) * STEP_SECONDS
    const list = ranges.map((it) => `${it.first}-${it.last}`).join(',')
    const name = `${xorb.hash}.${xorb.nonce}`
    const signature = this.#signature(name, list, expires)
    return `/data/${name}?ranges=${list}&expires=${expires}&signature=${signature}`
  }

  /** Throws `forbidden` for a link that is forged or too old: clients then ask for a new reconstruction. */
  verify(name: string, query: Readonly<Record<string, unknown>>): DataLink {
    const [, hash, nonce] = /^([0-9a-f]{64})\.([0-9a-f]{16})$/.exec(name) ?? []
    const list = typeof query.ranges === 'string' ? query.ranges : ''
    const signature = typeof query.signature === 'string' ? query.signature : ''
    const expires = Number(query.expires)
    const expected = Buffer.from(this.#signature(name, list, expires))
    const given = Buffer.from(signature)
    if (!hash || !nonce || given.length !== expected.length || !timingSafeEqual(given, expected))
      throw new HubError('forbidden', 'This link is not valid.')
    if (expires * 1000 < Date.now()) throw new HubError('forbidden', 'This link has expired.')
    const ranges = list.split(',').map((it) => {
      const [first = 0, last = 0] = it.split('-').map(Number)
      return { first, last }
    })
    return { hash, nonce, ranges }
  }

  #signature(name: string, ranges: string, expires: number): string {
    return createHmac('sha256', this.#key)
      .update(`${name}\n${ranges}\n${expires}`)
      .digest('base64url')
  }
}
