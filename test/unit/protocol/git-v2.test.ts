import { expect, test } from 'vitest'
import {
  advertiseV2,
  commandOf,
  compareRefNames,
  formatLsRefs,
  parseLsRefs,
} from '../../../src/protocol/git-v2.js'
import { DELIM, FLUSH, packetText, parsePackets, pktLine } from '../../../src/protocol/pkt-line.js'

const oid = 'a'.repeat(40)
const texts = (message: Buffer) =>
  parsePackets(message).map((it) => (it.type === 'data' ? packetText(it) : it.type))
const request = (...args: string[]) =>
  parseLsRefs(
    parsePackets(
      Buffer.concat([pktLine('command=ls-refs\n'), DELIM, ...args.map((it) => pktLine(it)), FLUSH]),
    ),
  )
const list = (names: string[]) => ({
  defaultBranch: 'main',
  headOid: oid as string | null,
  refs: names.toSorted(compareRefNames).map((name) => ({ name, oid })),
  peeled: new Map<string, string>(),
})

test('the advertisement names the object format', () => {
  for (const format of ['sha1', 'sha256'] as const)
    expect(texts(advertiseV2(format, 'me/1'))).toEqual(
      expect.arrayContaining(['version 2', 'agent=me/1', `object-format=${format}`]),
    )
  expect(texts(advertiseV2('sha1', 'x')).at(-1)).toBe('flush')
})

test('commands', () => {
  const of = (text: string) => commandOf({ type: 'data', data: Buffer.from(text) })
  expect([of('command=fetch'), of('command=ls-refs\n')]).toEqual(['fetch', 'ls-refs'])
  expect([of('command='), of('xcommand=fetch'), of('command=a b')]).toEqual([
    undefined,
    undefined,
    undefined,
  ])
  expect(commandOf({ type: 'flush' })).toBeUndefined()
})

test('arguments of ls-refs', () => {
  expect(request()).toEqual({
    peel: false,
    symrefs: false,
    unborn: false,
    prefixes: [],
    objectFormat: 'sha1',
  })
  expect(request('peel\n', 'symrefs', 'unborn\n', 'ref-prefix refs/heads/\n', 'new thing')).toEqual(
    {
      peel: true,
      symrefs: true,
      unborn: true,
      prefixes: ['refs/heads/'],
      objectFormat: 'sha1',
    },
  )
  expect(() => parseLsRefs(parsePackets(pktLine('command=ls-refs')))).toThrow('expected flush')
  const many = Array.from({ length: 65_536 }, (_, n) => `ref-prefix ${n}`)
  expect(request(...many).prefixes).toEqual([])
  expect(request(...many.slice(1)).prefixes).toHaveLength(65_535)
})

test('overlapping prefixes give each ref once, in order', () => {
  const names = ['refs/heads/a', 'refs/heads/ab', 'refs/heads/b', 'refs/tags/v1', 'refs/notes/x']
  const of = (...prefixes: string[]) =>
    texts(formatLsRefs({ ...request(), prefixes }, list(names)))
      .slice(0, -1)
      .map((it) => it.slice(41))
  expect(of('refs/tags/', 'refs/heads/a', 'refs/heads/', 'refs/heads/ab')).toEqual([
    'refs/heads/a',
    'refs/heads/ab',
    'refs/heads/b',
    'refs/tags/v1',
  ])
  expect(of('refs/heads/zz')).toEqual([])
  expect(of('HE')).toEqual(['HEAD'])
})

test('names compare by their bytes', () => {
  const names = [
    'z',
    'é',
    '\ud7ff',
    '\ue000',
    '\uffff',
    '\u{10000}',
    '\u{10ffff}',
    'a',
    'a-',
    'a/b',
    'a.',
  ]
  expect(names.toSorted(compareRefNames)).toEqual(
    names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
  )
  expect(compareRefNames('x', 'x')).toBe(0)
})
