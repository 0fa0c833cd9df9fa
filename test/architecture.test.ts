import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

/*
 * Who may import whom (docs/architecture.md). Read off the import lines, so it holds for type imports too.
 */
const SRC = fileURLToPath(new URL('../src', import.meta.url))
const MAY_IMPORT: Record<string, readonly string[]> = {
  lib: [],
  protocol: ['lib'],
  config: ['lib'],
  domain: ['lib', 'protocol'],
  git: ['domain', 'protocol', 'lib'],
  storage: ['domain', 'protocol', 'lib'],
  runner: ['domain', 'protocol', 'lib'],
  http: ['domain', 'protocol', 'lib'],
  dialects: ['domain', 'protocol', 'http', 'lib'],
}
/** Outside packages that only some rooms may use. */
const PACKAGES_OF: Record<string, readonly string[]> = {
  express: ['http', 'dialects', 'hub.ts'],
  'better-sqlite3': ['storage'],
  kysely: ['storage'],
  'node:child_process': ['git', 'lib', 'runner'],
  'node:fs': ['git', 'storage', 'lib', 'hub.ts', 'main.ts', 'commands.ts'],
  'node:fs/promises': ['git', 'storage', 'runner', 'lib', 'hub.ts', 'main.ts', 'commands.ts'],
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((it) =>
  it.endsWith('.ts'),
)
const importsOf = new Map(files.map((file) => [file, readImports(file)]))

function readImports(file: string): string[] {
  const text = readFileSync(join(SRC, file), 'utf8')
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(
    ([, specifier = '']) => specifier,
  )
}

function targetOf(file: string, specifier: string): string {
  return relative(SRC, join(SRC, dirname(file), specifier)).replace(/\.js$/, '.ts')
}

const roomOf = (file: string) => (file.includes('/') ? (file.split('/')[0] ?? '') : file)
const dialectOf = (file: string) => file.split('/')[1]

test('there are sources to look at', () => {
  expect(files.length).toBeGreaterThan(50)
})

test('every import goes where its room may look', () => {
  const wrong: string[] = []
  for (const [file, specifiers] of importsOf) {
    const room = roomOf(file)
    const allowed = MAY_IMPORT[room]
    if (!allowed) continue // top-level files of src are the composition root
    for (const specifier of specifiers.filter((it) => it.startsWith('.'))) {
      const target = targetOf(file, specifier)
      const same =
        roomOf(target) === room && (room !== 'dialects' || dialectOf(target) === dialectOf(file))
      if (!same && (!allowed.includes(roomOf(target)) || target.startsWith('dialects')))
        wrong.push(`${file} -> ${target}`)
    }
  }
  expect(wrong).toEqual([])
})

test('packages that touch the outside stay in their rooms', () => {
  const wrong: string[] = []
  for (const [file, specifiers] of importsOf)
    for (const specifier of specifiers) {
      const rooms = PACKAGES_OF[specifier]
      if (rooms && !rooms.includes(roomOf(file))) wrong.push(`${file} -> ${specifier}`)
    }
  expect(wrong).toEqual([])
})

test('only config and the git room read the environment', () => {
  const readers = files.filter((it) => /process\.env\b/.test(readFileSync(join(SRC, it), 'utf8')))
  expect(readers.filter((it) => !['main.ts', 'commands.ts', 'git/spawn.ts'].includes(it))).toEqual(
    [],
  )
})

test('no import cycle', () => {
  const cycles: string[] = []
  const done = new Set<string>()
  const visit = (file: string, trail: readonly string[]) => {
    if (trail.includes(file)) {
      cycles.push([...trail.slice(trail.indexOf(file)), file].join(' -> '))
      return
    }
    if (done.has(file)) return
    for (const specifier of importsOf.get(file) ?? [])
      if (specifier.startsWith('.') && importsOf.has(targetOf(file, specifier)))
        visit(targetOf(file, specifier), [...trail, file])
    done.add(file)
  }
  for (const file of files) visit(file, [])
  expect([...new Set(cycles)]).toEqual([])
})
