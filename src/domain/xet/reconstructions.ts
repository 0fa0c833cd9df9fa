import { hashToHex, isHashHex } from '../../protocol/xet/hash-string.js'
import {
  type FetchRange,
  type PlannedTerm,
  planReconstruction,
} from '../../protocol/xet/reconstruction.js'
import type { ShardTerm } from '../../protocol/xet/shard-format.js'
import { decodeTerms } from '../../protocol/xet/term-page.js'
import { XetFormatError } from '../../protocol/xet/xet-format-error.js'
import { HubError } from '../errors.js'
import type { ByteRange } from '../ports.js'
import type { XetFile, XetStore, Xorb } from './ports.js'
import type { XetSession } from './tokens.js'
import type { Xorbs } from './xorbs.js'

export interface Reconstruction {
  readonly offsetIntoFirstRange: number
  readonly terms: readonly PlannedTerm[]
  readonly fetches: readonly { readonly xorb: Xorb; readonly ranges: readonly FetchRange[] }[]
}

/** How Xet clients put files together. A file hash grants nothing: the session's repository must be linked to the file. */
export class Reconstructions {
  readonly #xet: XetStore
  readonly #xorbs: Xorbs

  constructor(parts: { xet: XetStore; xorbs: Xorbs }) {
    this.#xet = parts.xet
    this.#xorbs = parts.xorbs
  }

  /** Throws `object_not_found`. */
  async read({ repo }: XetSession, hash: string): Promise<XetFile> {
    const file = isHashHex(hash) ? await this.#xet.findLinkedFile(repo.id, hash) : undefined
    if (!file) throw new HubError('object_not_found', 'There is no such file in this repository.')
    return file
  }

  /** Plans bytes of the file, `last` clamped to its end. Throws `range_not_satisfiable`, `storage_failed`. */
  async plan(file: XetFile, range: ByteRange | undefined): Promise<Reconstruction> {
    const first = range?.first ?? 0
    const last = Math.min(range?.last ?? file.size - 1, file.size - 1)
    if (first > last) throw new HubError('range_not_satisfiable', 'Range Not Satisfiable')
    const pages = await this.#xet.readTerms(file.hash, first, last)
    const base = pages[0]?.firstByte ?? 0
    const xorbs = new Map<string, Xorb>()
    try {
      const plan = await planReconstruction(
        termsOf(pages.map((it) => it.terms)),
        { first: first - base, last: last - base },
        async (xorbHash) => {
          const xorb = await this.#find(hashToHex(xorbHash))
          xorbs.set(xorb.hash, xorb)
          return this.#xorbs.index(xorb)
        },
      )
      if (!plan) throw new XetFormatError('the terms end before the file')
      return {
        offsetIntoFirstRange: plan.offsetIntoFirstRange,
        terms: plan.terms,
        fetches: plan.fetches.map(({ xorbHash, ranges }) => ({
          xorb: xorbs.get(hashToHex(xorbHash)) as Xorb,
          ranges,
        })),
      }
    } catch (err) {
      if (err instanceof XetFormatError)
        throw new HubError('storage_failed', 'A stored file does not fit its chunks.', {}, err)
      throw err
    }
  }

  async #find(hash: string): Promise<Xorb> {
    const xorb = (await this.#xet.findXorbs([hash])).get(hash)
    if (!xorb) throw new HubError('storage_failed', 'A stored chunk is missing.', { xorb: hash })
    return xorb
  }
}

function* termsOf(pages: readonly Buffer[]): Generator<ShardTerm, void> {
  for (const page of pages) yield* decodeTerms(page)
}
