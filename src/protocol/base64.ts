import { Transform, type TransformCallback } from 'node:stream'

/** Checks base64 text (RFC 4648 section 4, padded, no line breaks) piece by piece and tells how long the bytes are. */
export class Base64Check {
  #chars = 0
  #padding = 0
  #good = true

  add(text: Buffer): void {
    this.#chars += text.length
    if (!this.#good) return
    const tail = /^[A-Za-z0-9+/]*(=*)$/.exec(text.toString('latin1'))
    if (!tail || (this.#padding > 0 && tail[1]?.length !== text.length)) this.#good = false
    else this.#padding += tail[1]?.length ?? 0
  }

  /** Undefined when the text was not base64. */
  get decodedSize(): number | undefined {
    if (!this.#good || this.#chars % 4 !== 0 || this.#padding > 2) return undefined
    return (this.#chars / 4) * 3 - this.#padding
  }
}

/** Base64 text in, bytes out; the text was checked before. */
export class Base64Decode extends Transform {
  #rest: Buffer = Buffer.alloc(0)

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const text = this.#rest.length ? Buffer.concat([this.#rest, chunk]) : chunk
    const whole = text.length - (text.length % 4)
    this.#rest = Buffer.from(text.subarray(whole))
    done(null, Buffer.from(text.toString('latin1', 0, whole), 'base64'))
  }

  override _flush(done: TransformCallback): void {
    done(null, Buffer.from(this.#rest.toString('latin1'), 'base64'))
  }
}
