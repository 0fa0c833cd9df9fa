/** The wanted part of a stream: after `skip` bytes, `length` of them. */
export class ByteWindow {
  #skip: number
  #left: number

  constructor(skip: number, length: number) {
    this.#skip = skip
    this.#left = length
  }

  /** What is wanted of the stream's next bytes; may be empty. */
  take(bytes: Buffer): Buffer {
    const from = Math.min(this.#skip, bytes.length)
    const to = Math.min(from + this.#left, bytes.length)
    this.#skip -= from
    this.#left -= to - from
    return bytes.subarray(from, to)
  }
}
