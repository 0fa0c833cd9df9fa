import { parse } from 'yaml'

/** Long ones are real: evaluation results of many benchmarks. */
const MAX_BYTES = 256 * 1024
const MAX_DEPTH = 64

/**
 * The YAML between the leading `---` lines of a README, as JSON values. Undefined when there is none, when it is no
 * mapping, or when it cannot be read: a bad card never keeps a push out.
 */
export function readFrontMatter(text: string): Record<string, unknown> | undefined {
  // sticky: looked for at the beginning, and not anew on each line that could be one
  const yaml = /\uFEFF?---[ \t]*\r?\n([\s\S]*?)(?:\r?\n)?^---[ \t]*$/my.exec(text)
  if (!yaml) return undefined
  const source = yaml[1] ?? ''
  if (source.length > MAX_BYTES || isDeep(source)) return undefined
  try {
    const value: unknown = parse(source, {
      schema: 'core',
      maxAliasCount: 50,
      uniqueKeys: false,
      logLevel: 'silent',
      prettyErrors: false,
    })
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return undefined
    if (depthOf(value, MAX_DEPTH + 1) > MAX_DEPTH) return undefined
    const json = JSON.stringify(value)
    if (json.length > 2 * MAX_BYTES) return undefined
    return JSON.parse(json) as Record<string, unknown>
  } catch {
    return undefined
  }
}

/** Nesting costs the parser stack and, worse, time that grows with its square; nobody writes it by hand. */
export function isDeep(source: string): boolean {
  if (/^[ \t]{200}|(?:[-?:!][ \t]+){16}|(?:!\S{0,200}[ \t]+){4}/m.test(source)) return true
  let brackets = 0
  let colons = 0
  for (let at = 0; at < source.length; at += 1) {
    const char = source[at]
    if (char === '[' || char === '{') brackets += 1
    else if (char === ']' || char === '}') brackets = Math.max(0, brackets - 1)
    else if (char === ':') colons += 1
    else if (char === '\n') colons = 0
    if (brackets > MAX_DEPTH || colons > 4 * MAX_DEPTH) return true
  }
  return false
}

function depthOf(value: unknown, limit: number): number {
  if (value === null || typeof value !== 'object' || limit === 0) return 0
  return (
    1 + Object.values(value).reduce((max: number, it) => Math.max(max, depthOf(it, limit - 1)), 0)
  )
}
