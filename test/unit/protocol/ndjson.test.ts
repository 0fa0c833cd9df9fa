import { expect, test } from 'vitest'
import { Base64Check, Base64Decode } from '../../../src/protocol/base64.js'
import { NdjsonError, NdjsonScanner } from '../../../src/protocol/ndjson.js'

/** What the scanner makes of a body that arrives in chunks of `size` bytes. */
function scan(
  body: string | Buffer,
  size: number,
): { value: unknown; content: string | undefined }[] {
  const scanner = new NdjsonScanner({ maxLineBytes: 10_000 })
  const bytes = Buffer.from(body)
  const lines: { value: unknown; content: string | undefined }[] = []
  let content: Buffer[] = []
  const take = (pieces: ReturnType<NdjsonScanner['push']>) => {
    for (const piece of pieces)
      if (piece.type === 'content') content.push(Buffer.from(piece.bytes))
      else {
        const text = piece.hasContent ? Buffer.concat(content).toString('utf8') : undefined
        lines.push({ value: piece.value, content: text })
        content = []
      }
  }
  for (let at = 0; at < bytes.length; at += size) take(scanner.push(bytes.subarray(at, at + size)))
  take(scanner.end())
  return lines
}

const SAMPLES = [
  '',
  'hello',
  'with "quotes" and \\ and /',
  'tab\tline\nfeed\r\b\f',
  'ünïcödé \u2028 𝕏 🐴',
  'a"}\n{"key":"x"}',
  '{"content":"nested"}',
]

test('content comes out as JSON.parse would give it, wherever the chunks end', () => {
  const records = SAMPLES.flatMap((content) => [
    { key: 'file', value: { content, path: 'content', encoding: 'utf-8' } },
    { key: 'file', value: { path: 'a "b" \\', encoding: 'utf-8', content } },
    { key: 'content', value: { more: { content }, list: ['content', { content }], content: 1 } },
  ])
  // escaped as other writers do it: every character beyond ASCII, and slashes
  const escaped = records.map((it) =>
    JSON.stringify(it)
      .replace(/[^\x00-\x7f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .replaceAll('/', '\\/'),
  )
  const plain = records.map((it) => JSON.stringify(it))
  for (const lines of [plain, escaped])
    for (const size of [1, 2, 3, 7, 64, 100_000])
      for (const ending of ['', '\n', '\r\n\n']) {
        const found = scan(lines.join('\n') + ending, size)
        expect(found.length).toBe(records.length)
        for (const [n, { value, content }] of found.entries()) {
          const wanted = records[n] as (typeof records)[number]
          const text = wanted.value.content
          expect(content).toBe(typeof text === 'string' ? text : undefined)
          const empty = typeof text === 'string' ? { content: '' } : {}
          expect(value).toEqual({ ...wanted, value: { ...wanted.value, ...empty } })
        }
      }
})

test('what is no JSON is told by its line', () => {
  const bad = [
    '{"key":1}\n{"key":',
    '{"key":1}\nnot json',
    '{"key":1}\n{"value":{"content":"open',
    '{"key":1}\n{"value":{"content":"raw\nbreak"}}',
    '{"key":1}\n{"value":{"content":"\\x"}}',
    '{"key":1}\n{"value":{"content":"\\ud800 half"}}',
    '{"key":1}\n{"value":{"content":"\\udc00"}}',
    '{"key":1}\n{"value":{"content":"\\u12g4"}}',
    Buffer.concat([Buffer.from('{"key":1}\n{"a":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]),
  ]
  for (const body of bad)
    for (const size of [1, 5, 1_000])
      expect(() => scan(body, size)).toThrow(/^Line 2 of the request/)
  expect(() => scan(`{"key":"${'x'.repeat(20_000)}"}`, 64)).toThrow(NdjsonError)
})

test('base64 is checked and decoded wherever the chunks end', async () => {
  const check = (text: string, size: number) => {
    const it = new Base64Check()
    for (let at = 0; at < text.length; at += size) it.add(Buffer.from(text.slice(at, at + size)))
    return it.decodedSize
  }
  for (let length = 0; length < 40; length += 1) {
    const bytes = Buffer.from(Array.from({ length }, (_, n) => (n * 37) % 256))
    const text = bytes.toString('base64')
    for (const size of [1, 2, 3, 5, 100]) {
      expect(check(text, size)).toBe(length)
      const decode = new Base64Decode()
      const out: Buffer[] = []
      decode.on('data', (chunk: Buffer) => out.push(chunk))
      for (let at = 0; at < text.length; at += size) decode.write(text.slice(at, at + size))
      decode.end()
      await new Promise((resolve) => decode.once('end', resolve))
      expect(Buffer.concat(out).equals(bytes)).toBe(true)
    }
  }
  for (const text of ['a', 'ab', 'abc', 'ab=c', '====', 'ab c', 'ab\n=', 'a===', 'ab==abcd', 'é'])
    for (const size of [1, 2, 100]) expect([text, check(text, size)]).toEqual([text, undefined])
})
