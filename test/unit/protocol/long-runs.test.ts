import { expect, test } from 'vitest'
import { checkCardYaml } from '../../../src/domain/cards/card-check.js'
import { readFrontMatter } from '../../../src/domain/cards/front-matter.js'
import { parseCommit } from '../../../src/git/object-parsers.js'
import { trimEnd, trimSlashes } from '../../../src/lib/trim-ends.js'
import { parseRpmSpec } from '../../../src/protocol/rpm-spec.js'

/*
 * Texts that took minutes, on the one thread that everybody shares, when patterns read them: each is as long as a request
 * or a file may be. They end with the test's own patience when somebody brings such a pattern back.
 */
const LONG = 1_000_000

test('slashes, or line feeds, in the middle of a text', () => {
  expect(trimSlashes(`//a${'/'.repeat(LONG)}b/`)).toBe(`a${'/'.repeat(LONG)}b`)
  expect(trimSlashes('/'.repeat(LONG))).toBe('')
  expect(trimEnd(`a${'\n'.repeat(LONG)}b\n\n`, '\n')).toBe(`a${'\n'.repeat(LONG)}b`)
})

test('a README of lines that might all begin a card', () => {
  expect(readFrontMatter('\ufeff---\n'.repeat(LONG / 7))).toBeUndefined()
  expect(readFrontMatter(`text\n${'---\n'.repeat(LONG / 4)}`)).toBeUndefined()
  expect(readFrontMatter('\ufeff---\na: 1\n---\n# x')).toEqual({ a: 1 })
  expect(readFrontMatter('---  \r\na: 1\r\n---\t\r\n# x')).toEqual({ a: 1 })
  expect(readFrontMatter('---\n---\n')).toBeUndefined()
  expect(readFrontMatter(' ---\na: 1\n---\n')).toBeUndefined()
})

test('a card of many keys, and one of lines that might all begin it', () => {
  expect(checkCardYaml('\ufeff---\n'.repeat(LONG), 'model').errors).toEqual([
    'The YAML metadata is not closed by a line of three dashes.',
  ])
  const keys = Array.from({ length: 20_000 }, (_, n) => `? k${n}\n: v`).join('\n')
  expect(checkCardYaml(`---\n${keys}\n---\n`, 'model').errors).toEqual([])
  const twice = 'a: 1\nb: {c: 1, c: 2}\na: 2\n'
  expect(checkCardYaml(`---\n${twice}---\n`, 'model').errors).toEqual([
    'Map keys must be unique: "a"',
    'Map keys must be unique: "c"',
  ])
})

test('a spec file of conditions in conditions, and one of a single definition', () => {
  const head = 'Name: a\nVersion: 1\nRelease: 2\n'
  const known = [{ name: 'a', epoch: null, version: '1', release: '2' }]
  expect(parseRpmSpec(head + '%if 1\n'.repeat(LONG / 6))).toEqual(known)
  expect(parseRpmSpec(`${head}%define b ${'\\\n'.repeat(LONG / 2)}`)).toEqual(known)
  expect(parseRpmSpec('%define b 1\\\n2\nName: a\nVersion: %{b}\nRelease: 2\n')).toEqual([
    { ...known[0], version: '1' },
  ])
})

test('an author line of brackets, which git lets in', () => {
  const read = (line: string) =>
    parseCommit('0'.repeat(40), Buffer.from(`tree x\nauthor ${line}\n\nm`)).author
  const nobody = { name: '', email: '', at: '1970-01-01T00:00:00.000Z' }
  expect(read('<'.repeat(LONG))).toEqual(nobody)
  expect(read(`${'>'.repeat(LONG)}<`)).toEqual(nobody)
  expect(read('Ada <a@example.org> 1700000000 +0100')).toEqual({
    name: 'Ada',
    email: 'a@example.org',
    at: '2023-11-14T22:13:20.000Z',
  })
  expect(read('<a@example.org> -5 +0000')).toEqual({
    name: '',
    email: 'a@example.org',
    at: '1969-12-31T23:59:55.000Z',
  })
  expect(read('A <b> <c@d> 5 +0000').email).toBe('b> <c@d')
})
