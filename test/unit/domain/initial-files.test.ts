import { expect, test } from 'vitest'
import { gitAttributesFor, initialFiles } from '../../../src/domain/repos/initial-files.js'

const patterns = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(' ')[0])

test('models and spaces have the same patterns, each with the LFS filter (huggingface-wire C6.3)', () => {
  const text = gitAttributesFor('model')
  expect(gitAttributesFor('space')).toBe(text)
  for (const line of text.trimEnd().split('\n'))
    expect(line).toMatch(/^\S+ filter=lfs diff=lfs merge=lfs -text$/)
  expect(patterns(text).slice(0, 3)).toEqual(['*.7z', '*.arrow', '*.bin'])
  expect(patterns(text)).toContain('saved_model/**/*')
  expect(patterns(text).at(-1)).toBe('*tfevents*')
})

test('data sets have more of them: three in their place, and groups for media', () => {
  const found = patterns(gitAttributesFor('dataset'))
  for (const [before, after] of [
    ['*.arrow', '*.avro'],
    ['*.avro', '*.bin'],
    ['*.lfs.*', '*.lz4'],
    ['*.lz4', '*.mds'],
  ] as const)
    expect(found.indexOf(after)).toBeGreaterThan(found.indexOf(before))
  expect(found.slice(-2)).toEqual(['*.mp4', '*.webm'])
  expect(new Set(found).size).toBe(found.length)
})

test('a space comes with its card, whatever its name is', () => {
  const files = initialFiles('space', { name: 'a"b\n---', sdk: 'gradio' })
  expect(files.map((it) => it.path)).toEqual(['.gitattributes', 'README.md'])
  const card = files[1]?.content.toString() ?? ''
  expect(card).toMatch(/^---\ntitle: "a\\"b\\n---"\n/)
  expect(card).toContain('sdk: gradio')
  const plain = initialFiles('space', { name: 's', sdk: null }).map((it) => it.path)
  expect(plain).toEqual(['.gitattributes', 'README.md', 'index.html', 'style.css'])
  expect(initialFiles('model', { name: 'm', sdk: null }).map((it) => it.path)).toEqual([
    '.gitattributes',
  ])
})
