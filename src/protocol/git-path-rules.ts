import { compileWildmatch, type MatchBudget } from './wildmatch.js'

/*
 * .gitattributes (gitattributes(5)) as far as one attribute goes, and .gitignore (gitignore(5)). Both are lines of
 * patterns relative to the folder of the file; within a file the last match wins, and a deeper file over a higher one.
 */
export const MAX_RULES_BYTES = 128 * 1024
const MAX_LINE = 2048

interface Pattern {
  /** `path` is relative to the rules' folder. */
  readonly matches: (path: string) => boolean
  readonly foldersOnly: boolean
}

function compilePattern(text: string, budget: MatchBudget | undefined): Pattern | undefined {
  const foldersOnly = text.endsWith('/')
  const body = foldersOnly ? text.slice(0, -1) : text
  const anchored = body.includes('/')
  const matches = compileWildmatch(body.startsWith('/') ? body.slice(1) : body, budget)
  if (!matches || body === '') return undefined
  return {
    foldersOnly,
    matches: anchored ? matches : (path) => matches(path.slice(path.lastIndexOf('/') + 1)),
  }
}

function linesOf(text: string): string[] {
  if (text.length > MAX_RULES_BYTES) return []
  return text
    .replace(/^\ufeff/, '')
    .split('\n')
    .filter((line) => line.length <= MAX_LINE)
}

/** The value of an attribute: text, true (set), false (unset), null (back to unspecified). */
export type AttributeValue = string | boolean | null

/** What one .gitattributes says about one attribute. */
export class AttributeRules {
  readonly #rules: { pattern: Pattern; value: AttributeValue }[] = []

  constructor(text: string, attribute: string, budget?: MatchBudget) {
    const macros = new Map<string, AttributeValue>()
    for (const line of linesOf(text)) {
      const [name = '', ...states] = splitAttributes(line)
      const macro = /^\[attr\](.+)$/.exec(name)?.[1]
      const value = valueIn(states, attribute, macros)
      if (value === undefined) continue
      if (macro) macros.set(macro, value)
      else {
        // "!" is not allowed in front of a pattern here, and a folder has no attributes
        const pattern = name.startsWith('!') ? undefined : compilePattern(name, budget)
        if (pattern && !pattern.foldersOnly) this.#rules.push({ pattern, value })
      }
    }
  }

  /** Undefined: nothing here speaks of this path. */
  find(path: string): AttributeValue | undefined {
    return this.#rules.findLast(({ pattern }) => pattern.matches(path))?.value
  }
}

function splitAttributes(line: string): string[] {
  const text = line.trim()
  if (text === '' || text.startsWith('#')) return []
  if (!text.startsWith('"')) return text.split(/[ \t\r]+/)
  const quoted = /^"((?:[^"\\]|\\.)*)"(?:[ \t\r]+(.*))?$/.exec(text)
  if (!quoted) return []
  const name = (quoted[1] ?? '').replace(/\\(["\\])/g, '$1')
  return [name, ...(quoted[2] ?? '').split(/[ \t\r]+/)]
}

function valueIn(
  states: readonly string[],
  attribute: string,
  macros: ReadonlyMap<string, AttributeValue>,
): AttributeValue | undefined {
  let value: AttributeValue | undefined
  for (const state of states) {
    const [, sign = '', name = '', text] = /^([-!]?)([^=]*)(?:=(.*))?$/.exec(state) ?? []
    if (name === attribute) value = sign === '-' ? false : sign === '!' ? null : (text ?? true)
    else if (sign === '' && macros.has(name)) value = macros.get(name)
  }
  return value
}

/** What one .gitignore says. */
export class IgnoreRules {
  readonly #rules: { pattern: Pattern; ignored: boolean }[] = []

  constructor(text: string, budget?: MatchBudget) {
    for (const line of linesOf(text)) {
      const bare = line.replace(/\r$/, '').replace(/(?<!\\)[ \t]+$/, '')
      if (bare === '' || bare.startsWith('#')) continue
      const ignored = !bare.startsWith('!')
      const pattern = compilePattern(ignored ? bare : bare.slice(1), budget)
      if (pattern) this.#rules.push({ pattern, ignored })
    }
  }

  find(path: string, isFolder: boolean): boolean | undefined {
    return this.#rules.findLast(
      ({ pattern }) => (isFolder || !pattern.foldersOnly) && pattern.matches(path),
    )?.ignored
  }
}

/** Folders that may hold rules for a path, from the root down: `''`, `a`, `a/b` for `a/b/c`. */
export function foldersAbove(path: string): string[] {
  const segments = path.split('/')
  return segments.map((_, depth) => segments.slice(0, depth).join('/'))
}

export function relativeTo(folder: string, path: string): string {
  return folder === '' ? path : path.slice(folder.length + 1)
}

/** The deepest rules that speak of the path decide. `rules`: by folder, see `foldersAbove`. */
export function findAttribute(
  rules: ReadonlyMap<string, AttributeRules>,
  path: string,
): AttributeValue {
  for (const folder of foldersAbove(path).reverse()) {
    const value = rules.get(folder)?.find(relativeTo(folder, path))
    if (value !== undefined) return value
  }
  return null
}

/** A file below an ignored folder is ignored whatever else is said of it. */
export function isIgnored(rules: ReadonlyMap<string, IgnoreRules>, path: string): boolean {
  // the deepest first: of two folders above the same path the longer name is the deeper one
  const ruled = [...rules].sort(([a], [b]) => b.length - a.length)
  const folders = ruled.length > 0 ? foldersAbove(path).slice(1) : []
  return [...folders, path].some((it) => {
    for (const [folder, own] of ruled) {
      if (folder !== '' && !it.startsWith(`${folder}/`)) continue
      const found = own.find(relativeTo(folder, it), it !== path)
      if (found !== undefined) return found
    }
    return false
  })
}
