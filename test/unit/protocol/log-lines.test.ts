import { expect, test } from 'vitest'
import { lines, newLines } from '../../../src/protocol/log-lines.js'

test('lines with their ends; what has none yet waits', () => {
  expect(lines('')).toEqual([])
  expect(lines('a\n\nb')).toEqual(['a\n', '\n'])
})

test('a log that grew, one that lost its beginning, and another one', () => {
  expect(newLines('a\nb\n', 'a\nb\nc\nd')).toEqual(['c\n'])
  expect(newLines('a\nb\nc', 'a\nb\ncc\n')).toEqual(['cc\n'])
  expect(newLines('a\nb\nc\nd\n', 'c\nd\ne\n')).toEqual(['c\n', 'd\n', 'e\n'])
  expect(newLines('a\nb\nc\nd\n', 'b\nc\nd\ne\n')).toEqual(['e\n'])
  expect(newLines('a\n', 'x\n')).toEqual(['x\n'])
  expect(newLines('', 'x\n')).toEqual(['x\n'])
  expect(newLines('a\n', '')).toEqual([])
})
