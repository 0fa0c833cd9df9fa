import * as linguist from 'linguist-languages'

/** Extension or whole file name -> language, from GitHub Linguist's table; only what counts in language statistics. */
const BY_EXTENSION = new Map<string, string>()
const BY_NAME = new Map<string, string>()

interface Language {
  readonly name: string
  readonly type: string
  readonly group?: string
  readonly extensions?: readonly string[]
  readonly filenames?: readonly string[]
}

for (const language of Object.values(linguist) as readonly Language[]) {
  if (language.type !== 'programming' && language.type !== 'markup') continue
  const name = language.group ?? language.name
  // where several languages share an ending, the first listed ending of a language is its own
  for (const [at, extension] of (language.extensions ?? []).entries())
    if (at === 0 || !BY_EXTENSION.has(extension.toLowerCase()))
      BY_EXTENSION.set(extension.toLowerCase(), name)
  for (const file of language.filenames ?? []) BY_NAME.set(file, name)
}
// Linguist tells these apart by content; by their name alone the common reading wins
for (const [extension, name] of [
  ['.h', 'C'],
  ['.m', 'Objective-C'],
  ['.ts', 'TypeScript'],
  ['.pl', 'Perl'],
  ['.rs', 'Rust'],
  ['.md', undefined],
] as const)
  if (name) BY_EXTENSION.set(extension, name)
  else BY_EXTENSION.delete(extension)

const VENDORED = /(^|\/)(node_modules|vendor|third_party|dist|\.git[^/]*)\//

/** Counts bytes by language; `main` is the one with the most, null when no file is in a known language. */
export class LanguageCount {
  readonly #bytes = new Map<string, number>()

  add(path: string, sizeBytes: number): void {
    if (VENDORED.test(path)) return
    const file = path.slice(path.lastIndexOf('/') + 1)
    const language = BY_NAME.get(file) ?? byExtension(file)
    if (language) this.#bytes.set(language, (this.#bytes.get(language) ?? 0) + sizeBytes)
  }

  get main(): string | null {
    let best: [string, number] | undefined
    for (const it of this.#bytes) if (!best || it[1] > best[1]) best = it
    return best?.[0] ?? null
  }
}

/** Longest ending first: `.blade.php` before `.php`. */
function byExtension(file: string): string | undefined {
  const lower = file.toLowerCase()
  for (let dot = lower.indexOf('.', 1); dot >= 0; dot = lower.indexOf('.', dot + 1)) {
    const language = BY_EXTENSION.get(lower.slice(dot))
    if (language) return language
  }
  return undefined
}
