import { createHmac, timingSafeEqual } from 'node:crypto'
import { HubError } from '../errors.js'
import type { ByteRange, DirectTransfer } from '../ports.js'
import type { Xorb } from './ports.js'
import { xorbKey } from './xorbs.js'

/** Long enough for a slow client to come to the end of a reconstruction; one that is late asks anew. */
const SECONDS = 3600
/** Links are renewed in steps, so that the same question has the same answer for a while. */
const STEP_SECONDS = 300

/** Ranges that one link of the hub names at most: what a request may ask for at once, and URLs have an end. */
const RANGES_PER_LINK = 50
/** Presigned URLs in one answer; signing each takes the time of a small request. Further ranges go through the hub. */
const MAX_PRESIGNED = 500

/** What a link permits: these bytes of this xorb's records. */
export interface DataLink {
  readonly hash: string
  readonly nonce: string
  readonly ranges: readonly ByteRange[]
}

/**
 * Links to byte ranges of stored xorbs. A xorb holds chunks of many files, so a link names the ranges that it is for:
 * the signature (HMAC-SHA256) is over xorb, ranges and expiry. Where the object store hands out presigned URLs (and the
 * operator lets it) a link is one of those, its signature over one range: S3 answers no more at once.
 */
export class DataLinks {
  readonly #key: Buffer
  readonly #direct: DirectTransfer | undefined

  constructor(secret: string, direct?: DirectTransfer) {
    this.#key = createHmac('sha256', secret).update('xet data link').digest()
    this.#direct = direct
  }

  /** Links to all of these ranges, each with those that it is good for. `base` is the store's base URL. */
  async toRanges<R>(
    wanted: readonly { readonly xorb: Xorb; readonly ranges: readonly R[] }[],
    bytesOf: (range: R) => ByteRange,
    base: string,
    perLink = RANGES_PER_LINK,
  ): Promise<{ xorb: Xorb; url: string; ranges: readonly R[] }[]> {
    let left = this.#direct ? MAX_PRESIGNED : 0
    const links = wanted.flatMap(({ xorb, ranges }) => {
      const found: Promise<{ xorb: Xorb; url: string; ranges: readonly R[] }>[] = []
      for (let at = 0; at < ranges.length; ) {
        const some = ranges.slice(at, at + (left > 0 ? 1 : perLink))
        found.push(this.#link(xorb, some, bytesOf, base, left > 0))
        left -= 1
        at += some.length
      }
      return found
    })
    return Promise.all(links)
  }

  async #link<R>(
    xorb: Xorb,
    ranges: readonly R[],
    bytesOf: (range: R) => ByteRange,
    base: string,
    presigned: boolean,
  ): Promise<{ xorb: Xorb; url: string; ranges: readonly R[] }> {
    const [first] = ranges
    if (!presigned || !this.#direct || first === undefined)
      return { xorb, url: `${base}${this.sign(xorb, ranges.map(bytesOf))}`, ranges }
    const range = bytesOf(first)
    const url = await this.#direct.presignGet(xorbKey(xorb), { seconds: SECONDS, range })
    return { xorb, url, ranges }
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
