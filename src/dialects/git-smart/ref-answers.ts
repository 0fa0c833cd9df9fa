import { LRUCache } from 'lru-cache'
import type { RefSnapshot } from '../../domain/ports.js'
import { type LsRefsRequest, parseLsRefs } from '../../protocol/git-v2.js'
import { parsePackets } from '../../protocol/pkt-line.js'

const KEPT_BYTES = 48 * 1024 * 1024
const MAX_ANSWER_BYTES = KEPT_BYTES / 3
const KEPT_QUESTIONS = 1_000
/** Longer requests than this name many branches and are hardly asked again by others. */
const MAX_KEPT_QUESTION = 1_024

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
    const known = this.find(snapshot, question)
    if (known) return known
    const fresh = await encode()
    this.#kept.set(this.#keyOf(snapshot, question), fresh)
    return fresh
  }

  find(snapshot: RefSnapshot, question: string): Buffer | undefined {
    return this.#kept.get(this.#keyOf(snapshot, question))
  }

  #keyOf(snapshot: RefSnapshot, question: string): string {
    let number = this.#numbers.get(snapshot)
    if (number === undefined) {
      number = ++this.#count
      this.#numbers.set(snapshot, number)
    }
    return `${number} ${question}`
  }
}

/** An ls-refs request, and what it is called among the kept answers: the same however it was spelled. */
export interface RefQuestion {
  readonly request: LsRefsRequest
  readonly name: string
}

/** Requests that were read before: clients of one version send the same bytes. */
export class RefQuestions {
  readonly #kept = new LRUCache<string, RefQuestion>({ max: KEPT_QUESTIONS })

  find(message: Buffer): RefQuestion | undefined {
    return message.length > MAX_KEPT_QUESTION
      ? undefined
      : this.#kept.get(message.toString('latin1'))
  }

  /** Throws PktLineError. */
  read(message: Buffer): RefQuestion {
    const known = this.find(message)
    if (known) return known
    const request = parseLsRefs(parsePackets(message))
    const question = { request, name: `ls-refs ${JSON.stringify(request)}` }
    if (message.length <= MAX_KEPT_QUESTION) this.#kept.set(message.toString('latin1'), question)
    return question
  }
}
