/*
 * Newline-delimited JSON whose objects carry one possibly huge string: {"key":…,"value":{…,"content":"<big>",…}}\n
 * The text of `value.content` is handed out piece by piece, unescaped, as UTF-8; the rest of the line is small and comes
 * as one value with `content` empty. A content string that contains a raw line break is not JSON.
 */
export type NdjsonPiece =
  | { readonly type: 'content'; readonly bytes: Buffer }
  | { readonly type: 'line'; readonly value: unknown; readonly hasContent: boolean }

/** `too_large`: a line is longer than allowed without its content. */
export class NdjsonError extends Error {
  override name = 'NdjsonError'
  readonly kind: 'syntax' | 'too_large'

  constructor(kind: 'syntax' | 'too_large', message: string) {
    super(message)
    this.kind = kind
  }
}

const QUOTE = 34
const BACKSLASH = 92
const NEWLINE = 10
const CONTENT_DEPTH = 2
const NO_BYTES = Buffer.alloc(0)
const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
}

export class NdjsonScanner {
  readonly #maxLineBytes: number
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true })
  #line: Buffer[] = []
  #lineBytes = 0
  #lineNumber = 1
  #depth = 0
  #inString = false
  #escaped = false
  /** Text of the string being read outside content, while it can still be the key `content`. */
  #text: number[] | undefined
  #lastText = ''
  #key = ''
  #inContent = false
  #hasContent = false
  /** An escape sequence of the content that has begun: the characters after the backslash. */
  #escape: string | undefined
  #highSurrogate: string | undefined
  /** Where the next quote of this chunk is (its length when there is none): looked for once, not once an escape. */
  #quoteAt = -1

  constructor(options: { maxLineBytes: number }) {
    this.#maxLineBytes = options.maxLineBytes
  }

  *push(chunk: Buffer): Generator<NdjsonPiece> {
    let at = 0
    this.#quoteAt = -1
    while (at < chunk.length) {
      if (this.#inContent) {
        const { next, bytes } = this.#takeContents(chunk, at)
        at = next
        if (bytes.length) yield { type: 'content', bytes }
        continue
      }
      const { next, ended } = this.#takeLine(chunk, at)
      this.#keep(chunk.subarray(at, ended ? next - 1 : next))
      at = next
      if (!ended) continue
      const line = this.#finish()
      if (line) yield line
    }
  }

  *end(): Generator<NdjsonPiece> {
    if (this.#inContent) throw this.#bad('ends inside a string')
    const line = this.#finish()
    if (line) yield line
  }

  /** Reads until the line ends, the content begins or the chunk does. */
  #takeLine(chunk: Buffer, from: number): { next: number; ended: boolean } {
    for (let at = from; at < chunk.length; at += 1) {
      const byte = chunk[at] as number
      if (byte === NEWLINE) return { next: at + 1, ended: true }
      if (this.#inString) this.#takeStringByte(byte)
      else if (byte === QUOTE) {
        if (this.#depth === CONTENT_DEPTH && this.#key === 'content' && !this.#hasContent) {
          this.#inContent = true
          this.#hasContent = true
          return { next: at + 1, ended: false }
        }
        this.#inString = true
        this.#text = []
      } else this.#takeStructure(byte)
    }
    return { next: chunk.length, ended: false }
  }

  #takeStringByte(byte: number): void {
    if (this.#escaped) this.#escaped = false
    else if (byte === BACKSLASH) {
      this.#escaped = true
      this.#text = undefined
    } else if (byte === QUOTE) {
      this.#inString = false
      this.#lastText = this.#text ? String.fromCharCode(...this.#text) : ''
    } else if (this.#text && this.#text.push(byte) > 16) this.#text = undefined
  }

  #takeStructure(byte: number): void {
    if (byte === 58 /* : */) this.#key = this.#lastText
    else if (byte === 44 /* , */) this.#key = ''
    else if (byte === 123 /* { */ || byte === 91 /* [ */) {
      this.#depth += 1
      this.#key = ''
    } else if (byte === 125 /* } */ || byte === 93 /* ] */) {
      this.#depth -= 1
      this.#key = ''
    }
  }

  /** Content until it or the chunk ends, in one piece however many escapes there are. */
  #takeContents(chunk: Buffer, from: number): { next: number; bytes: Buffer } {
    const first = this.#takeContent(chunk, from)
    if (!this.#inContent || first.next === chunk.length) return first
    // an escape is never shorter than what it stands for, but the one at the beginning may have begun a chunk before
    const all = Buffer.allocUnsafe(chunk.length - from + 8)
    let size = first.bytes.copy(all)
    let at = first.next
    while (this.#inContent && at < chunk.length) {
      const { next, bytes } = this.#takeContent(chunk, at)
      size += bytes.copy(all, size)
      at = next
    }
    return { next: at, bytes: all.subarray(0, size) }
  }

  /** The next run of content, or one escape sequence. */
  #takeContent(chunk: Buffer, at: number): { next: number; bytes: Buffer } {
    if (this.#escape !== undefined) return this.#takeEscape(chunk, at)
    if (this.#quoteAt < at) {
      const found = chunk.indexOf(QUOTE, at)
      this.#quoteAt = found < 0 ? chunk.length : found
    }
    const run = chunk.subarray(at, this.#quoteAt)
    const backslash = run.indexOf(BACKSLASH)
    const bytes = backslash < 0 ? run : run.subarray(0, backslash)
    if (bytes.includes(NEWLINE)) throw this.#bad('has a line break inside a string')
    if (bytes.length && this.#highSurrogate) throw this.#bad('has half a surrogate pair')
    if (backslash >= 0) {
      this.#escape = ''
      return { next: at + backslash + 1, bytes }
    }
    if (this.#quoteAt === chunk.length) return { next: chunk.length, bytes }
    if (this.#highSurrogate) throw this.#bad('has half a surrogate pair')
    this.#inContent = false
    this.#lastText = ''
    return { next: this.#quoteAt + 1, bytes }
  }

  #takeEscape(chunk: Buffer, at: number): { next: number; bytes: Buffer } {
    const none = NO_BYTES
    this.#escape += String.fromCharCode(chunk[at] as number)
    const sequence = this.#escape as string
    if (sequence[0] === 'u' && sequence.length < 5) return { next: at + 1, bytes: none }
    this.#escape = undefined
    let text = SIMPLE_ESCAPES[sequence]
    if (/^u[0-9a-fA-F]{4}$/.test(sequence))
      text = String.fromCharCode(Number(`0x${sequence.slice(1)}`))
    if (text === undefined) throw this.#bad('has a wrong escape sequence')
    if (/[\ud800-\udbff]/.test(text) && !this.#highSurrogate) {
      this.#highSurrogate = text
      return { next: at + 1, bytes: none }
    }
    const whole = (this.#highSurrogate ?? '') + text
    this.#highSurrogate = undefined
    if (/\p{Surrogate}/u.test(whole)) throw this.#bad('has half a surrogate pair')
    return { next: at + 1, bytes: Buffer.from(whole) }
  }

  #keep(bytes: Buffer): void {
    this.#lineBytes += bytes.length
    if (this.#lineBytes > this.#maxLineBytes)
      throw new NdjsonError('too_large', `Line ${this.#lineNumber} of the request is too long.`)
    if (bytes.length) this.#line.push(Buffer.from(bytes))
    // the quote that closes the content is not in any kept piece, its opening quote is
    if (this.#inContent) this.#line.push(Buffer.from('"'))
  }

  #finish(): NdjsonPiece | undefined {
    const hasContent = this.#hasContent
    const text = this.#decode(Buffer.concat(this.#line))
    this.#line = []
    this.#lineBytes = 0
    this.#depth = 0
    this.#inString = false
    this.#escaped = false
    this.#key = ''
    this.#hasContent = false
    if (text.trim() === '') {
      this.#lineNumber += 1
      return undefined
    }
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      throw this.#bad('is not valid JSON')
    }
    this.#lineNumber += 1
    return { type: 'line', value, hasContent }
  }

  #decode(line: Buffer): string {
    try {
      return this.#utf8.decode(line)
    } catch {
      throw this.#bad('is not UTF-8')
    }
  }

  #bad(what: string): NdjsonError {
    return new NdjsonError('syntax', `Line ${this.#lineNumber} of the request ${what}.`)
  }
}
