import type { Reply } from './connection.js'

type State =
  | 'head'
  | 'length'
  | 'chunk-size'
  | 'chunk-data'
  | 'chunk-end'
  | 'trailer'
  | 'until-close'
  | 'done'

const HEAD_END = Buffer.from('\r\n\r\n')
const LINE_END = Buffer.from('\r\n')

/** Takes one HTTP/1.1 answer apart as it arrives; the bytes fed are only valid during the call. */
export class ReplyParser {
  readonly #bodyless: boolean
  readonly #keep: boolean
  readonly #done: (reply: Reply) => void
  #state: State = 'head'
  #held: Buffer = Buffer.alloc(0)
  #left = 0
  #status = 0
  #headers = new Map<string, string>()
  #bytes = 0
  #kept: Buffer[] = []

  constructor(bodyless: boolean, keep: boolean, done: (reply: Reply) => void) {
    this.#bodyless = bodyless
    this.#keep = keep
    this.#done = done
  }

  feed(input: Buffer): void {
    let rest = input
    while (rest.length > 0 && this.#state !== 'done') rest = this.#step(rest)
  }

  /** An answer without a length ends with the connection. */
  finishAtClose(): boolean {
    if (this.#state === 'until-close') this.#finish()
    return this.#state === 'done'
  }

  #step(input: Buffer): Buffer {
    switch (this.#state) {
      case 'head':
        return this.#line(input, HEAD_END, (head) => this.#readHead(head))
      case 'chunk-size':
        return this.#line(input, LINE_END, (line) => {
          this.#left = Number.parseInt(line, 16)
          this.#state = this.#left === 0 ? 'trailer' : 'chunk-data'
        })
      case 'chunk-end':
        return this.#line(input, LINE_END, () => {
          this.#state = 'chunk-size'
        })
      case 'trailer':
        return this.#line(input, LINE_END, (line) => {
          if (line === '') this.#finish()
        })
      case 'until-close':
        this.#take(input)
        return input.subarray(input.length)
      default:
        return this.#counted(input)
    }
  }

  #counted(input: Buffer): Buffer {
    const part = input.subarray(0, this.#left)
    this.#take(part)
    this.#left -= part.length
    if (this.#left === 0) {
      if (this.#state === 'length') this.#finish()
      else this.#state = 'chunk-end'
    }
    return input.subarray(part.length)
  }

  /** Collects up to `end`, which may be split over two reads. */
  #line(input: Buffer, end: Buffer, read: (line: string) => void): Buffer {
    const held = this.#held
    const joined = held.length === 0 ? input : Buffer.concat([held, input])
    const at = joined.indexOf(end)
    if (at < 0) {
      this.#held = Buffer.from(joined)
      return input.subarray(input.length)
    }
    this.#held = Buffer.alloc(0)
    read(joined.toString('latin1', 0, at))
    return joined.subarray(at + end.length)
  }

  #readHead(head: string): void {
    const [first = '', ...lines] = head.split('\r\n')
    this.#status = Number(first.split(' ')[1])
    if (this.#status < 200) return // 100 Continue: the answer is still to come
    this.#headers = new Map(
      lines.map((line) => {
        const colon = line.indexOf(':')
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
      }),
    )
    const length = this.#headers.get('content-length')
    if (this.#bodyless || this.#status === 204 || this.#status === 304) this.#finish()
    else if (this.#headers.get('transfer-encoding') === 'chunked') this.#state = 'chunk-size'
    else if (length === undefined) this.#state = 'until-close'
    else {
      this.#left = Number(length)
      if (this.#left === 0) this.#finish()
      else this.#state = 'length'
    }
  }

  #take(part: Buffer): void {
    this.#bytes += part.length
    // An error's text is always wanted, whatever was asked for.
    if (this.#keep || (this.#status >= 400 && this.#bytes < 65_536))
      this.#kept.push(Buffer.from(part))
  }

  #finish(): void {
    this.#state = 'done'
    this.#done({
      status: this.#status,
      headers: this.#headers,
      bytes: this.#bytes,
      body: Buffer.concat(this.#kept),
    })
  }
}
