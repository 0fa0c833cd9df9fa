import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'

/** What a story noted (calls/sitecustomize.py). */
interface Noted {
  readonly version: string
  readonly story: string
  readonly calls: readonly string[]
  readonly methods: readonly string[]
}

/** The committed list: each method of the client of the seed and of the newest, with the stories that call it. */
interface Coverage {
  readonly called: Readonly<Record<string, readonly string[]>>
  readonly notCalled: Readonly<Record<string, string>>
}

const FILE = new URL('coverage.json', import.meta.url)
const SEED = '0.28.1'

async function readNoted(): Promise<Noted[]> {
  const directory = process.env.CLIENT_CALLS ?? ''
  const names = await readdir(directory)
  return Promise.all(
    names.map(async (it) => {
      const [head = '', ...calls] = (await readFile(join(directory, it), 'utf8')).trim().split('\n')
      return { ...JSON.parse(head), calls } as Noted
    }),
  )
}

function calledBy(noted: readonly Noted[]): Record<string, string[]> {
  const called: Record<string, string[]> = {}
  for (const { story, calls } of noted)
    for (const method of calls)
      if (!called[method]?.includes(story)) called[method] = [...(called[method] ?? []), story]
  const sorted = Object.entries(called).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(sorted.map(([method, stories]) => [method, stories.sort()]))
}

test('every method of huggingface_hub is called by a story, or it is said why not', async () => {
  const noted = await readNoted()
  const listed = JSON.parse(await readFile(FILE, 'utf8')) as Coverage
  const called = calledBy(noted)
  // UPDATE_COVERAGE=1 npm run test:clients huggingface coverage
  if (process.env.UPDATE_COVERAGE)
    await writeFile(FILE, `${JSON.stringify({ ...listed, called }, null, 2)}\n`)
  else expect(called).toEqual(listed.called)
  const versions = new Set(noted.map((it) => it.version))
  expect(versions).toContain(SEED)
  expect(versions.size).toBeGreaterThan(1)
  const methods = new Set(noted.flatMap((it) => it.methods))
  const silent = [...methods].filter((it) => !called[it]).sort()
  expect(silent).toEqual(Object.keys(listed.notCalled).sort())
})
