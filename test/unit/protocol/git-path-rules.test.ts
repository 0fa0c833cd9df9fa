import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import {
  AttributeRules,
  findAttribute,
  foldersAbove,
  IgnoreRules,
  isIgnored,
} from '../../../src/protocol/git-path-rules.js'
import { gitOk, runCommand, tempDir } from '../../support/hub.js'

const PATHS = [
  'a.bin',
  'A.BIN',
  '.bin',
  'x/a.bin',
  'x/y/a.bin',
  'bin',
  'x/bin/a',
  'foo',
  'x/foo',
  'foo/x',
  'foo/bar/x',
  'x/foo/bar',
  'saved_model/x',
  'saved_model/a/b',
  'saved_model/a/b/c',
  'deep/saved_model/a/b',
  'a[1].txt',
  'a1.txt',
  'ab.txt',
  'abc',
  'a/b',
  'a/x/b',
  'a/x/y/b',
  'x/a/b',
  'weird name.txt',
  'tfevents.1',
  'x.tfevents.2',
  'model.tar.gz',
  'model.tar',
  '#hash',
  '!bang',
  'x/!bang',
  'trail ',
  'a-b',
  'a]b',
  'q?x',
  'qzx',
  'back\\slash',
  'ünï/cödé.bin',
  'a5.log',
  'az.log',
  'logs/a.log',
  'logs/keep.log',
  'build/out/x',
  'x/build/y',
  'data/1.csv',
  'data/sub/2.csv',
  'data/sub/.gitkeep',
  'a**b',
  'axxb',
  'axx/b',
]
const PATTERNS = [
  '*.bin',
  '*.BIN',
  '.bin',
  'bin',
  '/bin',
  'bin/',
  'x/*.bin',
  '/x/*.bin',
  'foo',
  '/foo',
  'foo/',
  'foo/bar',
  'foo/*',
  'saved_model/**/*',
  'saved_model/**',
  '**/saved_model/**',
  '**/foo',
  '**/foo/bar',
  'a/**/b',
  'a/**',
  '**',
  '**/',
  '*/b',
  'a[1].txt',
  'a[[]1].txt',
  'a[0-9].txt',
  'a[!0-9].txt',
  'a[^0-9].txt',
  'a[[:digit:]].txt',
  'a[[:alpha:]]*',
  '?',
  '???',
  'a?c',
  'q\\?x',
  'q?x',
  '*.tar.*',
  '*tfevents*',
  'a[-]b',
  'a[]]b',
  'a[b-',
  'a[',
  'back\\\\slash',
  '\\#hash',
  '\\!bang',
  'a**b',
  'a*b',
  '*.l?g',
  'a[5a-z].log',
  '*',
  '/*',
  'x/',
  'x/**/a.bin',
  '**/y/**',
  'cödé.bin',
  '**/cödé.bin',
  'data/**/*.csv',
]

async function repository(): Promise<string> {
  const dir = await tempDir()
  const repo = join(dir, 'repo')
  await mkdir(repo)
  await gitOk(repo, ['init', '-q', '.'])
  return repo
}

async function write(repo: string, path: string, text: string): Promise<void> {
  await mkdir(dirname(join(repo, path)), { recursive: true })
  await writeFile(join(repo, path), text)
}

test('attributes of patterns are what git check-attr says', async () => {
  const repo = await repository()
  const ours: string[] = []
  const theirs: string[] = []
  for (const pattern of PATTERNS) {
    const text = `${pattern} filter=lfs\n`
    await write(repo, '.gitattributes', text)
    const out = await gitOk(repo, ['check-attr', '-z', 'filter', '--', ...PATHS])
    const fields = out.split('\0')
    for (const [n, path] of PATHS.entries()) {
      const rules = new Map([['', new AttributeRules(text, 'filter')]])
      ours.push(`${pattern} | ${path} | ${findAttribute(rules, path) ?? 'unspecified'}`)
      theirs.push(`${pattern} | ${path} | ${fields[n * 3 + 2]}`)
    }
  }
  expect(ours).toEqual(theirs)
  expect(ours.filter((it) => it.endsWith('| lfs')).length).toBeGreaterThan(200)
})

test('nested files, macros, unset and quoted patterns decide as in git', async () => {
  const repo = await repository()
  const files: Record<string, string> = {
    '.gitattributes': `[attr]big filter=lfs -text\n*.bin big\n*.txt filter=lfs\n# comment\n"weird name.txt" -filter\nx/*.bin !filter\n`,
    'x/.gitattributes': 'a.bin filter=other\n/y/*.bin filter=deep\nfoo filter\n',
    'x/y/.gitattributes': '*.bin -filter\n',
  }
  for (const [path, text] of Object.entries(files)) await write(repo, path, text)
  const paths = [...PATHS, 'x/b.bin', 'x/y/b.bin', 'x/y/z/b.bin']
  const out = (await gitOk(repo, ['check-attr', '-z', 'filter', '--', ...paths])).split('\0')
  const rules = new Map(
    Object.entries(files).map(([path, text]) => [
      path === '.gitattributes' ? '' : dirname(path),
      new AttributeRules(text, 'filter'),
    ]),
  )
  const name = { true: 'set', false: 'unset', null: 'unspecified' } as Record<string, string>
  const ours = paths.map((path) => {
    const value = String(findAttribute(rules, path))
    return [path, name[value] ?? value]
  })
  expect(ours).toEqual(paths.map((path, n) => [path, out[n * 3 + 2]]))
})

test('ignored files are what git check-ignore says', async () => {
  const repo = await repository()
  const sets = [
    ...PATTERNS.map((it) => `${it}\n`),
    '*.log\n!keep.log\n',
    'logs/\n!logs/keep.log\n',
    '*\n!*/\n!*.csv\n',
    'data/*\n!data/sub\n!data/sub/.gitkeep\n',
    '# comment\n\n  \n*.bin  \nfoo\\ \n',
    '/*\n!/foo\n/foo/*\n!/foo/bar\n',
    '*.bin\r\nfoo\r\n',
  ]
  for (const text of sets) {
    await write(repo, '.gitignore', text)
    const input = PATHS.join('\0')
    await write(repo, '../paths', input)
    const asked = 'git check-ignore --no-index -z --stdin < ../paths'
    const { stdout } = await runCommand('sh', ['-c', asked], { cwd: repo, env: { HOME: repo } })
    const theirs = new Set(stdout.split('\0').filter(Boolean))
    const rules = new Map([['', new IgnoreRules(text)]])
    const ours = new Set(PATHS.filter((path) => isIgnored(rules, path)))
    expect([text, [...ours].sort()]).toEqual([text, [...theirs].sort()])
  }
})

test('no pattern makes matching slow', () => {
  const evil = `${'*a'.repeat(200)}b`
  const rules = new Map([['', new AttributeRules(`${evil} filter=lfs\n`, 'filter')]])
  expect(findAttribute(rules, 'a'.repeat(4000))).toBeNull()
  expect(foldersAbove('a/b/c')).toEqual(['', 'a', 'a/b'])
})
