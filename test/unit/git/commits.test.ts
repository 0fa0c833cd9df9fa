import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import type { CommitStep } from '../../../src/domain/ports.js'
import { writeCommit } from '../../../src/git/commits.js'
import { gitOk, tempDir } from '../../support/hub.js'

test('a long file waits for git many times and leaves no listener behind', async () => {
  const dir = await tempDir()
  await gitOk(dir, ['init', '-q', '--bare', '.'])
  const warnings: string[] = []
  const hear = (warning: Error) => warnings.push(warning.name)
  process.on('warning', hear)
  const block = Buffer.alloc(1024 * 1024, 'some text\n')
  const content = () => Readable.from(Array.from({ length: 24 }, () => block))
  const who = { name: 'ada', email: 'ada@example.org', at: '2026-01-01T00:00:00Z' }
  const size = 24 * block.length
  const step: CommitStep = { type: 'put', path: 'long.txt', mode: '100644', size, content }
  const oid = await writeCommit(
    dir,
    {
      parent: null,
      message: 'long',
      author: who,
      steps: [step],
    },
    new AbortController().signal,
  )
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', hear)
  expect(await gitOk(dir, ['cat-file', '-s', `${oid}:long.txt`])).toBe(String(size))
  expect(warnings).toEqual([])
}, 60_000)
