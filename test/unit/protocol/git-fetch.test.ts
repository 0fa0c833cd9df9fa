import { describe, expect, test } from 'vitest'
import { formatFetch, parseCloneV0, parseFetchV2 } from '../../../src/protocol/git-fetch.js'
import { DELIM, FLUSH, parsePackets, pktLine } from '../../../src/protocol/pkt-line.js'

const A = 'a'.repeat(40)
const B = 'b'.repeat(40)

const message = (args: readonly string[], head: readonly string[] = ['object-format=sha1']) =>
  Buffer.concat([
    pktLine('command=fetch'),
    ...head.map((it) => pktLine(it)),
    DELIM,
    ...args.map((it) => pktLine(`${it}\n`)),
    FLUSH,
  ])
const parse = (args: readonly string[], head?: readonly string[]) =>
  parseFetchV2(parsePackets(message(args, head)), 'sha1')

describe('v2', () => {
  test('what means the same becomes the same request', () => {
    const one = parse(['thin-pack', 'ofs-delta', `want ${B}`, `want ${A}`, `want ${B}`, 'done'])
    const other = parse(
      [`want ${A}`, 'no-progress', `want ${B}`, 'ofs-delta', 'done'],
      ['agent=git/2.50', 'object-format=sha1', 'session-id=x', 'server-option=y'],
    )
    expect(one).toEqual(other)
    expect(one?.wants).toEqual([A, B])
    // and what is asked of git is that request again
    const again = formatFetch(one as NonNullable<typeof one>, 'sha1')
    expect(parseFetchV2(parsePackets(again), 'sha1')).toEqual(one)
  })

  test.each([
    ['depth', ['deepen 3']],
    ['since', ['deepen-since 978307200']],
    ['filter', ['filter blob:none']],
    ['filter', ['filter blob:limit=1k']],
    ['includeTag', ['include-tag']],
  ])('what changes the answer is kept: %s', (name, args) => {
    const request = parse([`want ${A}`, ...args, 'done'])
    expect(request?.[name as 'depth']).toBeDefined()
    expect(request).not.toEqual(parse([`want ${A}`, 'done']))
    expect(
      parseFetchV2(
        parsePackets(formatFetch(request as NonNullable<typeof request>, 'sha1')),
        'sha1',
      ),
    ).toEqual(request)
  })

  test.each([
    ['no want', ['done']],
    ['neither haves nor done', [`want ${A}`]],
    ['a want that is no object id', ['want HEAD', 'done']],
    ['a name', ['want-ref refs/heads/main', `want ${A}`, 'done']],
    ['a shallow client', [`want ${A}`, `shallow ${B}`, 'done']],
    ['an exclusion by name', [`want ${A}`, 'deepen-not v1', 'done']],
    ['a relative depth', [`want ${A}`, 'deepen 1', 'deepen-relative', 'done']],
    ['two depths', [`want ${A}`, 'deepen 1', 'deepen 2', 'done']],
    ['a filter that reads an object', [`want ${A}`, 'filter sparse:oid=main:f', 'done']],
    ['something new', [`want ${A}`, 'sideband-all', 'done']],
  ])('git has to answer: %s', (_, args) => {
    expect(parse(args)).toBeUndefined()
  })

  test('git has to answer another object format, an unknown capability, another command', () => {
    expect(parse([`want ${A}`, 'done'], ['object-format=sha256'])).toBeUndefined()
    expect(parse([`want ${A}`, 'done'], ['object-format=sha1', 'new=1'])).toBeUndefined()
    const other = Buffer.concat([pktLine('command=object-info'), DELIM, FLUSH])
    expect(parseFetchV2(parsePackets(other), 'sha1')).toBeUndefined()
  })
})

describe('v0 and v1', () => {
  const clone = (lines: readonly string[], end = 'done\n') =>
    parseCloneV0(
      parsePackets(Buffer.concat([...lines.map((it) => pktLine(it)), FLUSH, pktLine(end)])),
    )

  test('a clone is the request that v2 makes', () => {
    const caps =
      'multi_ack_detailed no-done side-band-64k thin-pack include-tag ofs-delta agent=git/1'
    expect(clone([`want ${B} ${caps}\n`, `want ${A}\n`])).toEqual(
      parse([`want ${A}`, `want ${B}`, 'include-tag', 'ofs-delta', 'done']),
    )
  })

  test.each([
    ['no large side-band', [`want ${A} side-band ofs-delta\n`], 'done\n'],
    ['a depth', [`want ${A} side-band-64k\n`, 'deepen 1\n'], 'done\n'],
    ['haves', [`want ${A} side-band-64k\n`], `have ${B}\n`],
  ])('git has to answer: %s', (_, lines, end) => {
    expect(clone(lines, end)).toBeUndefined()
  })
})
