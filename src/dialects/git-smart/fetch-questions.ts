import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { ObjectFormat } from '../../domain/types.js'
import { type FetchRequest, parseCloneV0, parseFetchV2 } from '../../protocol/git-fetch.js'
import { PktLineError, parsePackets } from '../../protocol/pkt-line.js'

/** A few clones of 100,000 refs each, or very many of few. */
const KEPT_BYTES = 24 * 1024 * 1024
const WANT_BYTES = 110

/** How the bytes of a request are to be read. */
export interface FetchForm {
  readonly isV2: boolean
  readonly encoding: string
  readonly objectFormat: ObjectFormat
}

/**
 * Fetches that were read before, by the bytes they came in. Whoever clones the same refs with the same version of git
 * sends the same bytes; unpacking, reading and sorting 10,000 wants costs more than sending what they reach. What is
 * kept says nothing about what may be answered.
 */
export class FetchQuestions {
  readonly #kept = new LRUCache<string, FetchRequest>({
    maxSize: KEPT_BYTES,
    sizeCalculation: ({ wants }) => 500 + wants.length * WANT_BYTES,
  })

  /** `sent`: the body, with its encoding on. */
  nameOf({ isV2, encoding, objectFormat }: FetchForm, sent: Buffer): string {
    return `${hash('sha256', sent, 'base64')} ${isV2 ? 2 : 0} ${objectFormat} ${encoding}`
  }

  find(name: string): FetchRequest | undefined {
    return this.#kept.get(name)
  }

  /** Who has objects already asks what nobody asks again. */
  keep(name: string, request: FetchRequest): void {
    if (request.haves.length === 0) this.#kept.set(name, request)
  }
}

/** Undefined when git has to read it: what it says about such a request is what the client gets to hear. */
export function readFetch(
  { isV2, objectFormat }: FetchForm,
  message: Buffer,
): FetchRequest | undefined {
  try {
    const packets = parsePackets(message)
    return isV2 ? parseFetchV2(packets, objectFormat) : parseCloneV0(packets)
  } catch (err) {
    if (err instanceof PktLineError) return undefined
    throw err
  }
}
