import { createHash, type Hash } from 'node:crypto'
import { Transform, type TransformCallback } from 'node:stream'

export class ByteCheckError extends Error {
  readonly reason: 'too_long' | 'size' | 'sha256'
  constructor(reason: 'too_long' | 'size' | 'sha256', message: string) {
    super(message)
    this.reason = reason
  }
}

/**
 * Passes bytes through and fails the pipeline when they are not the promised ones.
 * `size` bytes and a lower-case hex `sha256` are checked where given; more than `maxBytes` stops at once.
 * With `digest: false` no SHA-256 is worked out, for bytes that are checked in another way.
 */
export class ByteCheck extends Transform {
  readonly #hash: Hash | undefined
  readonly #expect: { size?: number | undefined; sha256?: string | undefined; maxBytes?: number }
  #seen = 0
  #digest = ''

  constructor(expect: {
    size?: number | undefined
    sha256?: string | undefined
    maxBytes?: number
    digest?: boolean
  }) {
    super()
    this.#expect = expect
    this.#hash = expect.digest === false ? undefined : createHash('sha256')
  }

  get size(): number {
    return this.#seen
  }

  /** Known once the stream has ended; empty without digest. */
  get sha256(): string {
    return this.#digest
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    this.#seen += chunk.length
    const limit = this.#expect.size ?? this.#expect.maxBytes
    if (limit !== undefined && this.#seen > limit) {
      done(new ByteCheckError('too_long', `more than ${limit} bytes`))
      return
    }
    this.#hash?.update(chunk)
    done(null, chunk)
  }

  override _flush(done: TransformCallback): void {
    this.#digest = this.#hash?.digest('hex') ?? ''
    const { size, sha256 } = this.#expect
    if (size !== undefined && size !== this.#seen)
      done(new ByteCheckError('size', `got ${this.#seen} bytes, expected ${size}`))
    else if (sha256 !== undefined && sha256 !== this.#digest)
      done(new ByteCheckError('sha256', 'content does not match its SHA-256'))
    else done()
  }
}
