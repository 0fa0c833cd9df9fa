import { LRUCache } from 'lru-cache'
import type { RefSnapshot } from '../../domain/ports.js'

const KEPT_BYTES = 48 * 1024 * 1024
const MAX_ANSWER_BYTES = KEPT_BYTES / 3

/**
 * Encoded lists of refs. A poll asks for the same list again and again, and encoding it costs more than all the rest of
 * the answer. A snapshot is one object for as long as nothing changed, so an answer for it is never an old one; the
 * answers for snapshots that nobody holds any more go with the least recently used ones.
 */
export class RefAnswers {
  readonly #kept = new LRUCache<string, Buffer>({
    maxSize: KEPT_BYTES,
    maxEntrySize: MAX_ANSWER_BYTES,
    sizeCalculation: (it, key) => it.length + key.length + 200,
  })
  readonly #numbers = new WeakMap<RefSnapshot, number>()
  #count = 0

  /** `question` names everything that the answer depends on besides the snapshot. */
  async get(
    snapshot: RefSnapshot,
    question: string,
    encode: () => Promise<Buffer> | Buffer,
  ): Promise<Buffer> {
    const key = `${this.#numberOf(snapshot)} ${question}`
    const known = this.#kept.get(key)
    if (known) return known
    const fresh = await encode()
    this.#kept.set(key, fresh)
    return fresh
  }

  #numberOf(snapshot: RefSnapshot): number {
    let number = this.#numbers.get(snapshot)
    if (number === undefined) {
      number = ++this.#count
      this.#numbers.set(snapshot, number)
    }
    return number
  }
}
