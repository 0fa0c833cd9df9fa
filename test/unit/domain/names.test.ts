import { expect, test } from 'vitest'
import { checkNamespaceName, checkRepoName, nameKey } from '../../../src/domain/repos/names.js'

test('names are one when they differ by case, hyphens and underscores only', () => {
  expect(['My-Model', 'my_model', 'MYMODEL', '-my__model-'].map(nameKey)).toEqual(
    Array(4).fill('mymodel'),
  )
  expect(nameKey('my.model')).not.toBe(nameKey('mymodel'))
})

test.each(['a', 'A1', 'my-model', 'v1.0', 'x_y', 'x'.repeat(96)])(
  '%s can be a repository',
  (name) => {
    expect(() => checkRepoName(name)).not.toThrow()
  },
)

test.each([
  '',
  '.',
  '..',
  '-',
  '_',
  '-a',
  'a-',
  '.a',
  'a.',
  'a--b',
  'a..b',
  'a/b',
  'a b',
  'a\n',
  'ä',
  'a.git',
  'a.GIT',
  'a.lock',
  'a.ipynb',
  'repo_0123456789ab',
  'x'.repeat(97),
])('%j cannot be a repository', (name) => {
  expect(() => checkRepoName(name)).toThrowError(/name/)
})

test.each(['ada', 'Ada-L', 'a.b', 'x_1', 'x'.repeat(40)])('%s can be an account', (name) => {
  expect(() => checkNamespaceName(name)).not.toThrow()
})

test.each([
  '',
  '-a',
  'a-',
  'a--b',
  'a..b',
  'a@b',
  'api',
  'Datasets',
  'LOGIN',
  'a.git',
  'x'.repeat(41),
])('%j cannot be an account', (name) => {
  expect(() => checkNamespaceName(name)).toThrowError(/name/)
})
